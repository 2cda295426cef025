//! Files that are not what was written.

use super::super::file::DOCUMENTS;
use super::*;
use mesh_choices::Choices;
use redb::ReadableTable;
use std::collections::BTreeMap;
use std::fs;

/// A store with documents of all sizes and some history, closed; and what is in it.
fn sample(path: &Path) -> BTreeMap<String, String> {
    let store = DurableStore::open(path, &Options::default()).unwrap();
    let mut choices = Choices::new(7);
    for _ in 0..5 {
        for number in 0..120 {
            let length = [10, 100, 300, 5000][choices.below(4)];
            let data = format!(r#"{{"n":{number},"x":"{}"}}"#, "y".repeat(length));
            store.set(&format!("/documents/{number}"), &data).unwrap();
        }
        store
            .remove(&PathPattern::new("/documents/1*5"), &mut |_, _| true)
            .unwrap();
        set(&store, "/marker", "{}");
    }
    content(&store).into_iter().collect()
}

#[test]
fn damaged_records_are_left_out_and_the_rest_is_there() {
    let folder = Folder::new();
    let mut expected = sample(&folder.file());
    let database = redb::Database::open(folder.file()).unwrap();
    let write = database.begin_write().unwrap();
    {
        let mut documents = write.open_table(DOCUMENTS).unwrap();
        let record = documents
            .get(&b"/documents/7"[..])
            .unwrap()
            .unwrap()
            .value()
            .to_vec();
        let mut flipped = record.clone();
        flipped[40] ^= 4;
        documents.insert(&b"/documents/7"[..], &*flipped).unwrap();
        documents.insert(&b"/documents/8"[..], &record[..20]).unwrap();
        documents.insert(&b"/not/its/own"[..], &*record).unwrap();
        documents.insert(&b"/\xff"[..], &*record).unwrap();
    }
    write.commit().unwrap();
    drop(database);
    expected.remove("/documents/7");
    expected.remove("/documents/8");
    let store = DurableStore::open(&folder.file(), &Options::default()).unwrap();
    assert_eq!(content(&store).into_iter().collect::<BTreeMap<_, _>>(), expected);
    let damaged: Vec<(&str, &str)> = store
        .damaged()
        .iter()
        .map(|record| (&*record.path, record.reason))
        .collect();
    assert_eq!(
        damaged,
        [
            ("/documents/7", "its checksum does not match"),
            ("/documents/8", "it is too short"),
            ("/not/its/own", "its checksum does not match"),
            ("/\u{fffd}", "its checksum does not match"),
        ]
    );
    assert_eq!(store.health().damaged, 4);
    set(&store, "/documents/7", r#"{"new":true}"#);
    drop(store);
    let store = DurableStore::open(&folder.file(), &Options::default()).unwrap();
    assert_eq!(store.health().damaged, 3);
}

/// The result for a file with damage.
#[derive(Debug, Default)]
struct Tally {
    unharmed: u32,
    partly: u32,
    refused: u32,
}

/// Opens a damaged file, and writes to it if it opens. A document that is missing must have been reported.
fn open_damaged(path: &Path, expected: &BTreeMap<String, String>, tally: &mut Tally, what: &str) {
    let store = match DurableStore::open(path, &Options::default()) {
        Ok(store) => store,
        Err(error) => {
            assert!(
                matches!(
                    error.kind(),
                    FileErrorKind::Damaged | FileErrorKind::Foreign | FileErrorKind::Newer
                ),
                "{what}: {error}"
            );
            tally.refused += 1;
            return;
        }
    };
    let found: BTreeMap<String, String> = content(&store).into_iter().collect();
    for (path, data) in &found {
        assert_eq!(Some(data), expected.get(path), "{what}: {path}");
    }
    let missing = expected.len() - found.len();
    assert_eq!(missing, store.damaged().len(), "{what}: missing without a word");
    if missing == 0 {
        tally.unharmed += 1;
    } else {
        tally.partly += 1;
    }
    for number in 0..30 {
        set(&store, &format!("/later/{number}"), r#"{"later":true}"#);
    }
    store.close().unwrap();
    let again = DurableStore::open(path, &Options::default()).unwrap();
    assert_eq!(again.count(), found.len() + 30, "{what}");
}

#[test]
fn flipped_bits_never_give_a_wrong_document() {
    let folder = Folder::new();
    let original = folder.0.join("original.redb");
    let expected = sample(&original);
    let bytes = fs::read(&original).unwrap();
    let (mut choices, mut tally) = (Choices::new(11), Tally::default());
    let rounds = if std::env::var_os("MESH_TESTS_LONG").is_some() {
        5000
    } else {
        300
    };
    for round in 0..rounds {
        let mut flipped = bytes.clone();
        // Half of the rounds in the first pages, where redb's own structures are.
        let limit = if round % 2 == 0 { 4096 * 4 } else { bytes.len() };
        for _ in 0..=choices.below(3) {
            let bit = choices.below(limit * 8);
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        fs::write(folder.file(), flipped).unwrap();
        open_damaged(&folder.file(), &expected, &mut tally, &format!("round {round}"));
    }
    println!("{tally:?}");
    assert!(tally.unharmed > 0 && tally.partly > 0, "{tally:?}");
}

#[test]
fn one_damaged_page_costs_its_records_and_the_file_is_kept() {
    let folder = Folder::new();
    let mut expected = sample(&folder.file());
    let mut bytes = fs::read(folder.file()).unwrap();
    let needle = br#"{"n":42,"x":"y"#;
    // Old versions of a document are still in the file; the one that counts is among them.
    let places: Vec<usize> = (0..bytes.len() - needle.len())
        .filter(|place| bytes[*place..].starts_with(needle))
        .collect();
    places.iter().for_each(|place| bytes[place + 3] ^= 1);
    fs::write(folder.file(), &bytes).unwrap();
    let store = DurableStore::open(&folder.file(), &Options::default()).unwrap();
    expected.remove("/documents/42");
    assert_eq!(content(&store).into_iter().collect::<BTreeMap<_, _>>(), expected);
    assert_eq!(store.damaged().len(), 1);
    assert_eq!(store.damaged()[0].path, "/documents/42");
    set(&store, "/later", "{}");
    drop(store);
    let store = DurableStore::open(&folder.file(), &Options::default()).unwrap();
    assert_eq!(store.count(), expected.len() + 1);
    assert_eq!(store.health().damaged, 0);
    let kept = fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("store.redb.damaged-"));
    assert_eq!(fs::read(kept.unwrap()).unwrap(), bytes);
}

#[test]
fn overwritten_and_missing_pages_never_give_a_wrong_document() {
    let folder = Folder::new();
    let original = folder.0.join("original.redb");
    let expected = sample(&original);
    let bytes = fs::read(&original).unwrap();
    let (mut choices, mut tally) = (Choices::new(12), Tally::default());
    for round in 0..100 {
        let mut harmed = bytes.clone();
        let page = choices.below(bytes.len() / 4096) * 4096;
        match round % 3 {
            0 => harmed[page..page + 4096].fill(0),
            1 => harmed[page..page + 4096].fill_with(|| choices.number() as u8),
            _ => harmed.truncate(page.max(4096)),
        }
        fs::write(folder.file(), harmed).unwrap();
        open_damaged(&folder.file(), &expected, &mut tally, &format!("round {round}"));
    }
    println!("{tally:?}");
}
