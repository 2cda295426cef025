//! Files that are opened, and files that are not.

use super::super::file::{ABOUT, FORMAT};
use super::*;
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
fn a_folder() {
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
fn a_file_where_a_folder_should_be() {
    let folder = Folder::new();
    fs::write(folder.0.join("file"), "x").unwrap();
    let error = refused(&folder.0.join("file/store.redb"));
    assert_eq!(error.kind(), FileErrorKind::Access, "{error}");
}

#[test]
fn another_file() {
    let folder = Folder::new();
    for content in [&b"x"[..], &[b'x'; 100_000], &[0; 100_000]] {
        fs::write(folder.file(), content).unwrap();
        let error = refused(&folder.file());
        assert_eq!(error.kind(), FileErrorKind::Foreign, "{error}");
        assert_eq!(fs::read(folder.file()).unwrap(), content);
    }
}

#[test]
fn a_database_of_another_program() {
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
fn a_store_that_is_open_already() {
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

#[test]
fn a_format_that_is_newer() {
    let folder = Folder::new();
    let path = small(&folder);
    let database = redb::Database::open(&path).unwrap();
    let write = database.begin_write().unwrap();
    write
        .open_table(ABOUT)
        .unwrap()
        .insert(&b"format"[..], FORMAT + 1)
        .unwrap();
    write.commit().unwrap();
    drop(database);
    let error = refused(&path);
    assert_eq!(error.kind(), FileErrorKind::Newer);
    assert!(
        error.to_string().ends_with(
            "is a store in format 2, written by another version of this host; this version reads format 1"
        ),
        "{error}"
    );
}

#[test]
fn a_file_that_may_not_be_written() {
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
