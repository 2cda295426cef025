//! A store beside a plain map, under choices operations and reopenings.

use super::*;
use mesh_choices::Choices;
use std::collections::BTreeMap;

/// Paths that share beginnings, so that wildcards hit some of them.
fn path(choices: &mut Choices) -> String {
    let depth = 1 + choices.below(3);
    (0..depth)
        .map(|_| format!("/{}", ["a", "b", "ab", "ü", ""][choices.below(5)]))
        .collect()
}

fn pattern(choices: &mut Choices) -> String {
    match choices.below(4) {
        0 => path(choices),
        1 => format!("{}*", path(choices)),
        2 => format!("*{}", path(choices)),
        _ => format!("{}*{}", path(choices), path(choices)),
    }
}

/// `*` is any run of characters; the slow and obvious way.
fn matches(pattern: &[u8], path: &[u8]) -> bool {
    match pattern.split_first() {
        None => path.is_empty(),
        Some((b'*', rest)) => (0..=path.len()).any(|from| matches(rest, &path[from..])),
        Some((first, rest)) => path.first() == Some(first) && matches(rest, &path[1..]),
    }
}

fn data(choices: &mut Choices) -> String {
    let length = match choices.below(20) {
        0 => 20_000,
        _ => choices.below(100),
    };
    format!(r#"{{"n":{},"text":"{}"}}"#, choices.number(), "x".repeat(length))
}

fn story(seed: u64) {
    let mut choices = Choices::new(seed);
    let folder = Folder::new();
    let durability = [Durability::Commit, Durability::Interval, Durability::None][choices.below(3)];
    let options = Options {
        durability,
        interval: Duration::from_millis(5),
        ..Options::default()
    };
    let open = || DurableStore::open(&folder.file(), &options).unwrap();
    let mut store = open();
    let names: [Option<Arc<str>>; 3] = [None, Some("ada".into()), Some("bob".into())];
    let mut model: BTreeMap<String, (String, u64, Option<Arc<str>>)> = BTreeMap::new();
    for step in 0..300 {
        let what = format!("seed {seed}, step {step}, {durability:?}");
        match choices.below(100) {
            0..50 => {
                let (path, data) = (path(&mut choices), data(&mut choices));
                let by = names[choices.below(3)].clone();
                let stored = store.set_by(&path, &data, by.as_ref()).unwrap();
                let meta = stored.document.meta;
                let created = model.get(&path).map_or(meta.created, |(_, created, _)| *created);
                assert_eq!(stored.is_new, !model.contains_key(&path), "{what}");
                assert_eq!(meta.created, created, "{what}");
                assert!(meta.created <= meta.modified, "{what}");
                model.insert(path, (data, created, by));
            }
            50..65 => {
                let path = path(&mut choices);
                let wanted = choices.below(3) > 0;
                let by = names[choices.below(3)].clone();
                let updated = store
                    .update_by(&path, by.as_ref(), &mut |before| {
                        let before = before.map(|document| document.data.to_string());
                        let known = model.get(&path).map(|(data, ..)| data.clone());
                        assert_eq!(before, known, "{what}");
                        wanted.then(|| r#"{"updated":true}"#.into())
                    })
                    .unwrap();
                assert_eq!(updated.is_some(), wanted, "{what}");
                if let Some(stored) = updated {
                    let data = r#"{"updated":true}"#.to_owned();
                    model.insert(path, (data, stored.document.meta.created, by));
                }
            }
            65..80 => {
                let pattern = pattern(&mut choices);
                let odd = choices.below(2) == 0;
                let admits = |data: &str| !odd || data.len() % 2 == 1;
                let removed = store
                    .remove(&PathPattern::new(&pattern), &mut |_, document| {
                        admits(&document.data)
                    })
                    .unwrap();
                let before = model.len();
                model.retain(|path, (data, ..)| {
                    !matches(pattern.as_bytes(), path.as_bytes()) || !admits(data)
                });
                assert_eq!(removed.0 as usize, before - model.len(), "{what}: {pattern}");
            }
            80..97 => {
                let pattern = pattern(&mut choices);
                let mut seen = Vec::new();
                store.scan(&PathPattern::new(&pattern), &mut |path, _| {
                    seen.push(path.to_owned());
                    true
                });
                let expected: Vec<String> = model
                    .keys()
                    .filter(|path| matches(pattern.as_bytes(), path.as_bytes()))
                    .cloned()
                    .collect();
                assert_eq!(seen, expected, "{what}: {pattern}");
            }
            _ => {
                if choices.below(2) == 0 {
                    store.close().unwrap();
                    assert_eq!(
                        store.set("/late", "{}").unwrap_err().kind(),
                        StoreErrorKind::ReadOnly
                    );
                }
                drop(store);
                store = open();
                assert!(store.damaged().is_empty(), "{what}");
            }
        }
    }
    drop(store);
    store = open();
    assert_eq!(store.count(), model.len(), "seed {seed}");
    for (path, (data, created, by)) in &model {
        let document = store.get(path).unwrap();
        assert_eq!(
            (&*document.data, document.meta.created, &document.modified_by),
            (&**data, *created, by),
            "seed {seed}"
        );
    }
}

#[test]
fn a_store_is_a_map_that_survives() {
    (0..25).for_each(story);
}
