//! A directory holds the same after a restart, and removals meet only the users that are named.

use super::*;
use crate::full_disk::{Disk, FullDisk};
use crate::permission::{Actions, Holder, Permission, Words, Written};
use mesh_choices::Choices;
use mesh_store::MemoryStore;
use serde_json::json;

fn directory() -> Directory {
    Directory::open(Arc::new(MemoryStore::default()))
}

fn reopened(directory: &Directory) -> Directory {
    Directory::open(directory.store().clone())
}

fn group(name: &str, rules: &Rules) -> Group {
    let (name, rules) = (name.into(), rules.clone());
    Group {
        name,
        rules,
        ..Group::default()
    }
}

fn user(name: &str, groups: &[&str], rules: &Rules) -> User {
    let groups = groups
        .iter()
        .map(|group| ((*group).into(), DocumentMeta::default()));
    User {
        name: name.into(),
        id: format!("id of {name}"),
        groups: groups.collect(),
        rules: rules.clone(),
        ..User::default()
    }
}

fn assert_same(before: &Directory, after: &Directory) {
    let shown = |directory: &Directory| {
        let groups = directory
            .groups()
            .into_iter()
            .map(|group| (group.name.clone(), group.rules.to_value()));
        let users = directory.users().into_iter().map(|user| {
            let groups: Vec<_> = user.groups.keys().cloned().collect();
            (user.name.clone(), user.id.clone(), groups, user.rules.to_value())
        });
        (groups.collect::<Vec<_>>(), users.collect::<Vec<_>>())
    };
    assert_eq!(shown(before), shown(after));
}

/// The values that are chosen here.
trait Chosen {
    fn words(&mut self) -> Words;
    fn rules(&mut self) -> Rules;
}

impl Chosen for Choices {
    fn words(&mut self) -> Words {
        let words = ["*", "get", "set", "on", "remove", "post"];
        let count = self.below(4);
        (0..count)
            .filter_map(|_| Actions::of_word(words[self.below(words.len())]))
            .fold(Words::NONE, Words::with)
    }

    fn rules(&mut self) -> Rules {
        const PATHS: [&str; 9] = [
            "/a/*",
            "a/*",
            "//a/*",
            "/a",
            "a",
            "*",
            "/*",
            "/bare-get/a",
            "/get/a/{{user.username}}",
        ];
        let mut rules = Rules::new();
        for _ in 0..self.below(8) {
            let path = PATHS[self.below(PATHS.len())];
            rules.add(
                path,
                Written {
                    allowed: self.words(),
                    prohibited: self.words(),
                },
            );
        }
        rules
    }
}

#[test]
fn what_was_changed_at_random_is_the_same_after_a_restart() {
    let mut choices = Choices::new(7);
    let directory = directory();
    for _ in 0..600 {
        let name = ["get", "set", "carol"][choices.below(3)];
        let rules = choices.rules();
        let change = directory.change();
        match choices.below(6) {
            0 => drop(change.remove_user(name, 1).unwrap()),
            1 => drop(change.remove_group(name).unwrap()),
            2 | 3 => drop(change.put_group(group(name, &rules)).unwrap()),
            _ => {
                let groups = directory.groups();
                let groups: Vec<&str> = groups
                    .iter()
                    .map(|group| &*group.name)
                    .filter(|_| choices.below(2) == 0)
                    .collect();
                change.put_user(user(name, &groups, &rules)).unwrap();
            }
        }
        drop(change);
        assert_same(&directory, &reopened(&directory));
    }
}

#[test]
fn only_lists_that_are_not_sorted_say_where_a_word_stands() {
    let directory = directory();
    let permissions = json!({"/a": {"actions": ["set", "get"]}, "/b": {"actions": ["get", "set"]}});
    let rules = Rules::from_value(&permissions, Holder::Group).unwrap();
    directory.change().put_group(group("team", &rules)).unwrap();
    let stored = |action: &str, path: &str| {
        let path = format!("{ROOT}_PERMISSIONS/team/{action}/{path}");
        let found = directory.store().get(&path).unwrap();
        serde_json::from_str::<Value>(&found.data).unwrap()
    };
    assert_eq!(
        stored("get", "a"),
        json!({"action": "get", "authorized": true, "path": "/a", "place": 2})
    );
    // As hosts before this one, and real servers, wrote it.
    assert_eq!(
        stored("get", "b"),
        json!({"action": "get", "authorized": true, "path": "/b"})
    );
    assert_eq!(reopened(&directory).group("team").unwrap().rules, rules);
}

#[test]
fn an_action_that_is_allowed_and_prohibited_stays_prohibited() {
    let directory = directory();
    let get = Actions::of_word("get").unwrap();
    let mut rules = Rules::new();
    rules.add(
        "/a",
        Permission {
            allowed: get,
            prohibited: get,
        },
    );
    directory.change().put_group(group("strict", &rules)).unwrap();
    for directory in [&directory, &reopened(&directory)] {
        assert_eq!(
            directory.group("strict").unwrap().rules.to_value(),
            json!({"/a": {"prohibit": ["get"]}})
        );
    }
}

#[test]
fn permissions_at_the_places_of_earlier_hosts_can_be_withdrawn() {
    let store = Arc::new(MemoryStore::default());
    store
        .set(
            &format!("{ROOT}_GROUP/old"),
            r#"{"name":"old","permissions":{"/first/*":{"actions":["get"]}}}"#,
        )
        .unwrap();
    let star = r#"{"action":"*","authorized":true,"path":"*"}"#;
    store
        .set(&format!("{ROOT}_PERMISSIONS/old/{{{{w}}}}/{{{{w}}}}"), star)
        .unwrap();
    let directory = Directory::open(store);
    let mut changed = Group::clone(&directory.group("old").unwrap());
    assert_eq!(changed.rules.len(), 2);
    changed.custom_data = Some(json!({"c": 1}));
    directory.change().put_group(changed).unwrap();
    assert_same(&directory, &reopened(&directory));
    directory.change().put_group(group("old", &Rules::new())).unwrap();
    assert!(reopened(&directory).group("old").unwrap().rules.is_empty());
}

#[test]
fn removing_nobody_removes_nothing_of_anybody() {
    let directory = directory();
    let mut rules = Rules::new();
    rules.add("/a", Permission::prohibit(Actions::of_word("get").unwrap()));
    directory.change().put_group(group("team", &rules)).unwrap();
    directory
        .change()
        .put_user(user("carol", &["team"], &rules))
        .unwrap();
    for name in [
        "carol/_USER_GROUP",
        "carol/get",
        "carol/_USER_GROUP/team",
        "_USER",
        "",
        "*",
        "carol/",
    ] {
        assert_eq!(
            directory.change().remove_user(name, 1).unwrap().value,
            RemovedUser::default(),
            "{name}"
        );
        assert_eq!(
            directory.change().remove_group(name).unwrap().value,
            RemovedGroup::default(),
            "{name}"
        );
    }
    let after = reopened(&directory);
    assert_same(&directory, &after);
    assert_eq!(after.user("carol").unwrap().groups.len(), 1);
    assert_eq!(after.user("carol").unwrap().rules, rules);
}

/// A directory with a group that has a member, and a table, all of it on a disk.
fn on_a_disk() -> (FullDisk, Directory) {
    let store = FullDisk::new();
    let directory = Directory::open(Arc::new(store.clone()));
    let mut rules = Rules::new();
    rules.add("/a", Permission::allow(Actions::of_word("get").unwrap()));
    rules.add("/b", Permission::prohibit(Actions::of_word("get").unwrap()));
    let change = directory.change();
    change.put_group(group("team", &rules)).unwrap();
    change.put_user(user("carol", &["team"], &Rules::new())).unwrap();
    change.put_table("devices", table("a/1")).unwrap();
    drop(change);
    store.answer_commits(true);
    (store, directory)
}

fn table(path: &str) -> LookupTable {
    let mut table = LookupTable::default();
    table.insert(path).unwrap();
    table
}

fn paths(directory: &Directory) -> Vec<String> {
    let tables = directory.tables();
    let table = tables.get("devices").into_iter();
    table.flat_map(LookupTable::paths).map(str::to_owned).collect()
}

#[test]
fn a_group_that_a_full_disk_keeps_is_what_it_was() {
    for disk in [Disk::Refuses, Disk::Takes] {
        let (store, directory) = on_a_disk();
        store.becomes(disk);
        let removed = directory.change().remove_group("team");
        assert_eq!(removed.is_ok(), disk == Disk::Takes);
        assert_eq!(directory.group("team").is_none(), removed.is_ok());
        if let Ok(removed) = removed {
            let expected = RemovedGroup {
                own: 1,
                links: 1,
                permissions: 2,
            };
            assert_eq!(removed.value, expected);
        }
        store.answer_commits(false);
        assert_eq!(directory.members("team").len(), 1);
        assert_eq!(directory.group("team").unwrap().rules.len(), 2);
        assert_same(&directory, &reopened(&directory));
    }
    let (store, directory) = on_a_disk();
    directory.change().remove_group("team").unwrap();
    store.answer_commits(true);
    assert!(directory.group("team").is_none() && directory.members("team").is_empty());
    assert_same(&directory, &reopened(&directory));
}

#[test]
fn a_table_that_a_full_disk_does_not_keep_is_what_it_was() {
    let (store, directory) = on_a_disk();
    store.becomes(Disk::Refuses);
    assert!(directory.change().put_table("devices", table("a/2")).is_err());
    assert!(directory.change().remove_table("devices").is_err());
    assert_eq!(paths(&directory), ["a/1"]);

    store.becomes(Disk::Takes);
    directory.change().put_table("devices", table("a/2")).unwrap();
    directory.change().remove_table("devices").unwrap();
    assert!(paths(&directory).is_empty(), "a change counts at once");
    directory.change().put_table("devices", table("a/3")).unwrap();
    store.answer_commits(false);
    for directory in [&directory, &reopened(&directory)] {
        assert_eq!(paths(directory), ["a/1"]);
    }

    directory.change().put_table("devices", table("a/4")).unwrap();
    store.answer_commits(true);
    directory.change().remove_table("devices").unwrap();
    store.answer_commits(false);
    for directory in [&directory, &reopened(&directory)] {
        assert_eq!(paths(directory), ["a/4"], "what was kept before is kept");
    }
}

#[test]
fn letters_of_any_size_lead_to_one_user_where_that_is_wanted() {
    let store = Arc::new(MemoryStore::default());
    let exact = Directory::open(store.clone());
    let named = |name: &str| User {
        name: name.into(),
        ..User::default()
    };
    exact.change().put_user(named("Bob")).unwrap();
    exact.change().put_user(named("carol")).unwrap();
    assert!(exact.user("bob").is_none());

    let folded = Directory::open(store.clone()).with_names(Names::AnyCase).unwrap();
    for name in ["Bob", "bob", "BOB"] {
        assert_eq!(&*folded.user(name).unwrap().name, "Bob");
        assert_eq!(folded.name_of(name), "Bob", "who was there before keeps the name");
    }
    assert_eq!(folded.name_of("CAROL"), "carol");
    assert_eq!(folded.name_of("Dave"), "dave");
    folded.change().remove_user("Bob", 1).unwrap();
    assert!(folded.user("bob").is_none());
    assert_eq!(folded.name_of("Bob"), "bob");

    for name in ["Eve", "eve"] {
        exact.change().put_user(named(name)).unwrap();
    }
    let error = Directory::open(store).with_names(Names::AnyCase).err().unwrap();
    assert!(error.to_string().contains("`Eve` and `eve`"), "{error}");
}

#[test]
fn a_user_who_is_made_after_a_removal_has_no_tokens_from_before() {
    let store = Arc::new(MemoryStore::default());
    let directory = Directory::open(store.clone());
    let bob = || User {
        name: "bob".into(),
        ..User::default()
    };
    let first = directory.change().put_user(bob()).unwrap().value;
    assert_eq!(first.tokens_valid_from, 0, "a token of another host holds");
    directory.change().remove_user("nobody", 900).unwrap();
    directory.change().remove_user("bob", 1000).unwrap();
    let second = directory.change().put_user(bob()).unwrap().value;
    assert_eq!(second.tokens_valid_from, 1000);
    let again = Directory::open(store);
    assert_eq!(again.newcomers_valid_from(), 1000, "after a restart too");
}
