//! Files that are opened, and files that are not.

use super::super::format::{ABOUT, FORMATS};
use super::*;
use redb::ReadableDatabase;
use std::fs;

#[track_caller]
fn refused(path: &Path) -> FileError {
    match DurableStore::open(path, &Options::default()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(error) => error,
    }
}

/// A store with one document, closed.
fn small(folder: &Folder) -> PathBuf {
    let store = DurableStore::open(&folder.file(), &Options::default()).unwrap();
    set(&store, "/a", "{}");
    folder.file()
}

#[test]
fn folders_above_it_are_made() {
    let folder = Folder::new();
    let path = folder.0.join("one/two/store.redb");
    set(
        &DurableStore::open(&path, &Options::default()).unwrap(),
        "/a",
        "{}",
    );
    assert_eq!(DurableStore::open(&path, &Options::default()).unwrap().count(), 1);
}

#[test]
fn an_empty_file_is_a_new_store() {
    let folder = Folder::new();
    fs::write(folder.file(), "").unwrap();
    assert_eq!(
        DurableStore::open(&folder.file(), &Options::default())
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn a_folder_in_place_of_the_file_is_refused() {
    let folder = Folder::new();
    let error = refused(&folder.0);
    assert_eq!(error.kind(), FileErrorKind::Folder);
    assert_eq!(
        error.to_string(),
        format!(
            "{} is a folder: name the file in it that holds, or is to hold, the store",
            folder.0.display()
        )
    );
}

#[test]
fn a_file_in_place_of_its_folder_is_refused() {
    let folder = Folder::new();
    fs::write(folder.0.join("file"), "x").unwrap();
    let error = refused(&folder.0.join("file/store.redb"));
    assert_eq!(error.kind(), FileErrorKind::Access, "{error}");
}

#[test]
fn a_file_that_is_no_store_is_refused() {
    let folder = Folder::new();
    for content in [&b"x"[..], &[b'x'; 100_000], &[0; 100_000]] {
        fs::write(folder.file(), content).unwrap();
        let error = refused(&folder.file());
        assert_eq!(error.kind(), FileErrorKind::Foreign, "{error}");
        assert_eq!(fs::read(folder.file()).unwrap(), content);
    }
}

#[test]
fn a_database_of_another_program_is_refused() {
    let folder = Folder::new();
    let database = redb::Database::create(folder.file()).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(redb::TableDefinition::<u64, u64>::new("theirs"))
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let error = refused(&folder.file());
    assert_eq!(error.kind(), FileErrorKind::Foreign);
    assert!(
        error
            .to_string()
            .ends_with("is not a store: it is a redb database of another program")
    );
}

#[test]
fn a_store_that_is_open_already_is_refused() {
    let folder = Folder::new();
    let store = DurableStore::open(&folder.file(), &Options::default()).unwrap();
    let error = refused(&folder.file());
    assert_eq!(error.kind(), FileErrorKind::InUse);
    assert!(
        error
            .to_string()
            .ends_with("is open in another process: a host holds its store until it stops")
    );
    store.close().unwrap();
    DurableStore::open(&folder.file(), &Options::default()).unwrap();
}

/// The number in a file.
fn format(path: &Path) -> u64 {
    let database = redb::Database::open(path).unwrap();
    let about = database.begin_read().unwrap().open_table(ABOUT).unwrap();
    about.get(&b"format"[..]).unwrap().unwrap().value()
}

#[test]
fn earlier_hosts_read_a_file_until_a_name_is_in_it() {
    let folder = Folder::new();
    let path = small(&folder);
    assert_eq!(format(&path), 1);
    let store = DurableStore::open(&path, &Options::default()).unwrap();
    let bob = "bob".into();
    let commit = store.set_by("/b", "{}", Some(&bob)).unwrap().commit;
    outcome(&store, commit).unwrap();
    let commit = store.set_by("/c", "{}", Some(&bob)).unwrap().commit;
    outcome(&store, commit).unwrap();
    drop(store);
    assert_eq!(format(&path), 2);
    let store = DurableStore::open(&path, &Options::default()).unwrap();
    let by = |path| store.get(path).unwrap().modified_by;
    assert_eq!(by("/a"), None);
    let (one, other) = (by("/b").unwrap(), by("/c").unwrap());
    assert_eq!(*one, *bob);
    assert!(Arc::ptr_eq(&one, &other), "a name is in memory once");
}

#[test]
fn an_import_with_names_is_not_taken_for_a_file_of_earlier_hosts() {
    let folder = Folder::new();
    let entry = |modified_by: Option<&str>| Entry {
        path: "/a".to_owned(),
        meta: mesh_wire::protocol::DocumentMeta::default(),
        modified_by: modified_by.map(str::to_owned),
        data: "{}".to_owned(),
    };
    for (name, number) in [(None, 1), (Some("bob"), 2), (None, 2)] {
        let mut file = StoreFile::open(&folder.file(), IfMissing::Create).unwrap();
        let entries = [Ok::<_, FileError>(entry(name))];
        file.write_all(Others::Remove, entries.into_iter()).unwrap();
        file.close().unwrap();
        assert_eq!(format(&folder.file()), number);
    }
}

#[test]
fn a_newer_format_is_refused() {
    let folder = Folder::new();
    let path = small(&folder);
    let database = redb::Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(ABOUT)
        .unwrap()
        .insert(&b"format"[..], FORMATS.end() + 1)
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let error = refused(&path);
    assert_eq!(error.kind(), FileErrorKind::Newer);
    assert!(
        error.to_string().ends_with(
            "is a store in format 3, written by another version of this host; this version reads formats 1 to 2"
        ),
        "{error}"
    );
}

#[test]
fn a_file_that_may_not_be_written_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    let path = small(&folder);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    if fs::OpenOptions::new().write(true).open(&path).is_ok() {
        println!("skipped: this user may write everything");
        return;
    }
    let error = refused(&path);
    assert_eq!(error.kind(), FileErrorKind::Access, "{error}");
}
