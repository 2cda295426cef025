//! Changing values in the file that a configuration was read from.
//!
//! Enters: a configuration and edits of its file. Leaves: the same file with just these changes, every comment and
//! blank where it was, and the configuration that it means now. Guarantees: a new text is parsed before it is
//! written. A file that somebody else changed meanwhile is left alone. Owner, group and mode stay. A reader sees the
//! old file or the new one, never a part, also after a loss of power. Remains of a host that was killed meanwhile are
//! removed by the next one.
//!
//! Some files cannot be replaced as a whole. Such a file is mounted by itself, has further names, or lies in a folder
//! that may not be written to. Or this user cannot give it its owner. It is written in its place, which a loss of
//! power may interrupt.

use super::{Config, ConfigError, Location};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, fchown};
use std::path::{Path, PathBuf};

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// It cannot be read or written.
    #[error("{} cannot be changed: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// The system's message.
        source: io::Error,
    },
    /// Somebody else changed it.
    #[error("{} was changed by somebody else meanwhile and is left as it is", .0.display())]
    Changed(PathBuf),
    /// A value does not stand in the file.
    #[error("the value comes from `--set` or is a default, and does not stand in the file")]
    NotInFile,
    /// The result would not be a configuration.
    #[error("the file would be wrong afterwards: {0}")]
    Wrong(#[from] ConfigError),
}

/// A change of the file's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Another text in the place of a value.
    Replace {
        /// Where the value stands.
        at: Location,
        /// The new text, as it is and not yet in quotes.
        value: String,
    },
    /// More TOML behind a value.
    After {
        /// Where the value stands.
        at: Location,
        /// The text to add, as it is.
        more: String,
    },
    /// More TOML at the end.
    Append(String),
}

impl Edit {
    /// Another text in the place of a value.
    pub fn replace(at: Location, value: impl Into<String>) -> Edit {
        let value = value.into();
        Edit::Replace { at, value }
    }
}

/// Whether a table is written in braces, as an element of an array.
pub fn is_inline(config: &Config, table: Location) -> bool {
    match table {
        Location::File { start, .. } => config.source.text()[start..].starts_with('{'),
        _ => false,
    }
}

/// Changes the text, writes the file, and reads it again.
///
/// # Errors
///
/// The file is as it was then.
pub fn rewrite(config: &Config, edits: &[Edit]) -> Result<Config, RewriteError> {
    let named = config.file();
    let failed = |source| RewriteError::File {
        file: named.to_owned(),
        source,
    };
    let (mut places, mut more) = (Vec::new(), Vec::new());
    for edit in edits {
        match edit {
            Edit::Replace {
                at: Location::File { start, end },
                value,
            } => {
                // A JSON text is a TOML text, too.
                places.push((*start, *end, serde_json::Value::from(value.as_str()).to_string()));
            }
            Edit::After {
                at: Location::File { end, .. },
                more,
            } => places.push((*end, *end, more.clone())),
            Edit::Replace { .. } | Edit::After { .. } => return Err(RewriteError::NotInFile),
            Edit::Append(text) => more.push(text),
        }
    }
    places.sort_unstable();
    // A link stays a link: what it leads to is replaced.
    let file = fs::canonicalize(named).map_err(failed)?;
    let mut text = fs::read_to_string(&file).map_err(failed)?;
    if text != config.source.text() {
        return Err(RewriteError::Changed(named.to_owned()));
    }
    for (start, end, value) in places.into_iter().rev() {
        text.replace_range(start..end, &value);
    }
    let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
    for more in more {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(line_end);
        }
        text.push_str(&more.replace('\n', line_end));
    }
    let changed = Config::parse(&text, named, &config.overrides())?;
    replace(&file, &text).map_err(failed)?;
    Ok(changed)
}

/// Removes what hosts that were killed while they changed this file have left beside it.
pub fn remove_left_behind(file: &Path) {
    let Ok(file) = fs::canonicalize(file) else { return };
    let (Some(folder), Some(name)) = (file.parent(), file.file_name()) else {
        return;
    };
    let beginning = temporary_name(&name.to_string_lossy(), "");
    mesh_files::remove_left_behind(folder, |name| {
        name.strip_prefix(&beginning).is_some_and(mesh_files::is_unique)
    });
}

/// Replaces a file's content in one moment.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let about = fs::metadata(file)?;
    // With another name it would be two files.
    if about.nlink() > 1 || has_access_list(file) {
        return write_in_place(file, text);
    }
    match replace_whole(file, &about, text) {
        Err(error) if must_stay(&error) => write_in_place(file, text),
        outcome => outcome,
    }
}

/// Whether a file cannot be replaced where it is, but perhaps be written.
fn must_stay(error: &io::Error) -> bool {
    use io::ErrorKind::{CrossesDevices, PermissionDenied, ReadOnlyFilesystem, ResourceBusy};
    matches!(
        error.kind(),
        ResourceBusy | PermissionDenied | ReadOnlyFilesystem | CrossesDevices
    )
}

/// Whether a file says more about who may use it than its mode, which a new one would not have.
fn has_access_list(file: &Path) -> bool {
    let mut names = Vec::with_capacity(4096);
    let listed = rustix::fs::listxattr(file, rustix::buffer::spare_capacity(&mut names));
    listed.is_ok()
        && names
            .split(|byte| *byte == 0)
            .any(|name| name.starts_with(b"system.posix_acl"))
}

fn write_in_place(file: &Path, text: &str) -> io::Result<()> {
    let mut opened = OpenOptions::new().read(true).write(true).open(file)?;
    let mut before = String::new();
    opened.read_to_string(&mut before)?;
    let put = |text: &str| {
        opened.write_all_at(text.as_bytes(), 0)?;
        opened.set_len(text.len() as u64)?;
        opened.sync_all()
    };
    put(text).inspect_err(|_| {
        // Perhaps the disk is full: for what was there it has room.
        let _ = put(&before);
    })
}

fn replace_whole(file: &Path, about: &Metadata, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(temporary_name(&name, &mesh_files::unique()));
    let mut written = mesh_files::create(&temporary)?;
    let outcome = write(&mut written, about, text).and_then(|()| fs::rename(&temporary, file));
    if let Err(error) = outcome {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The new name survives only when the folder is on disk, too.
    File::open(folder)?.sync_all()
}

fn temporary_name(name: &str, unique: &str) -> String {
    format!(".{name}.{unique}")
}

fn write(temporary: &mut File, like: &Metadata, text: &str) -> io::Result<()> {
    let own = temporary.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        fchown(&*temporary, Some(like.uid()), Some(like.gid()))?;
    }
    temporary.set_permissions(like.permissions())?;
    temporary.write_all(text.as_bytes())?;
    temporary.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    const TEXT: &str = "# The mesh.\nname = \"M\"\n\n[[components]] # the only one\nname = 'calc'\nlibrary   =   'calc'  # built here\nversion = \"^1.0.0\"\n";

    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("mesh-rewrite-{}", uuid::Uuid::new_v4()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn only_the_values_change() {
        let folder = folder();
        let file = folder.join("mesh.toml");
        fs::write(&file, TEXT).unwrap();
        let config = Config::load(&file, &[]).unwrap();
        let entry = &config.components[0];
        let edits = [
            Edit::replace(entry.library.at, "./lib \"2\".so"),
            Edit::replace(entry.version.at, "^2.0.0"),
        ];
        let changed = rewrite(&config, &edits).unwrap();
        assert_eq!(changed.components[0].library.value, "./lib \"2\".so");
        let expected = TEXT
            .replace("=   'calc' ", "=   \"./lib \\\"2\\\".so\" ")
            .replace("\"^1.0.0\"", "\"^2.0.0\"");
        assert_eq!(fs::read_to_string(&file).unwrap(), expected);
        assert_eq!(
            fs::read_dir(&folder).unwrap().count(),
            1,
            "nothing is left beside it"
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn owner_and_mode_stay() {
        let folder = folder();
        let file = folder.join("mesh.toml");
        fs::write(&file, TEXT).unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        // Only root may give a file away.
        let owner = std::os::unix::fs::chown(&file, Some(1234), Some(1235)).map(|()| (1234, 1235));
        let before = fs::metadata(&file).unwrap();
        let config = Config::load(&file, &[]).unwrap();
        rewrite(
            &config,
            &[Edit::replace(config.components[0].library.at, "other")],
        )
        .unwrap();
        let after = fs::metadata(&file).unwrap();
        assert_eq!(after.mode(), before.mode());
        assert_eq!(
            (after.uid(), after.gid()),
            owner.unwrap_or((before.uid(), before.gid()))
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_file_with_another_name_stays_one_file() {
        let folder = folder();
        let (file, other) = (folder.join("mesh.toml"), folder.join("other.toml"));
        fs::write(&file, TEXT).unwrap();
        fs::hard_link(&file, &other).unwrap();
        let mut config = Config::load(&file, &[]).unwrap();
        // Longer, and then shorter than what was there.
        for library in ["a-library-with-a-long-name", "l"] {
            let edit = Edit::replace(config.components[0].library.at, library);
            config = rewrite(&config, &[edit]).unwrap();
            let text = fs::read_to_string(&other).unwrap();
            assert_eq!(text, TEXT.replace("=   'calc' ", &format!("=   \"{library}\" ")));
        }
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn text_that_somebody_else_wrote_is_kept() {
        let folder = folder();
        let file = folder.join("mesh.toml");
        fs::write(&file, TEXT).unwrap();
        let config = Config::load(&file, &[]).unwrap();
        let theirs = format!("{TEXT}# a remark\n");
        fs::write(&file, &theirs).unwrap();
        let edits = [Edit::replace(config.components[0].library.at, "other")];
        let refused = rewrite(&config, &edits).unwrap_err();
        assert!(matches!(refused, RewriteError::Changed(_)), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), theirs);
        let refused = rewrite(&config, &[Edit::replace(Location::Default, "x")]).unwrap_err();
        assert!(matches!(refused, RewriteError::NotInFile), "{refused}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_entry_is_added_at_the_end() {
        let folder = folder();
        let file = folder.join("mesh.toml");
        fs::write(&file, TEXT.trim_end()).unwrap();
        let config = Config::load(&file, &[]).unwrap();
        let entry = "\n[[components]]\nname = \"calc\"\nlibrary = \"calc-2\"\nversion = \"^2.0.0\"\n";
        let changed = rewrite(&config, &[Edit::Append(entry.to_owned())]).unwrap();
        assert_eq!(changed.components[1].library.value, "calc-2");
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{TEXT}{entry}"));
        let refused = rewrite(&changed, &[Edit::Append("[[component]]\n".to_owned())]).unwrap_err();
        assert!(matches!(refused, RewriteError::Wrong(_)), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{TEXT}{entry}"));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn an_element_is_added_to_an_array_and_line_ends_stay() {
        let folder = folder();
        let file = folder.join("mesh.toml");
        let text = "name = 'M'\r\ncomponents = [ { name = 'calc', library = 'calc' }, ] # all\r\n";
        fs::write(&file, text).unwrap();
        let config = Config::load(&file, &[]).unwrap();
        let at = config.components[0].at;
        assert!(is_inline(&config, at));
        let edit = Edit::After {
            at,
            more: ", { name = 'calc', library = 'other', version = '^2' }".to_owned(),
        };
        let changed = rewrite(&config, &[edit]).unwrap();
        assert_eq!(changed.components[1].library.value, "other");
        let changed = rewrite(&changed, &[Edit::Append("[swap]\nwatch = false\n".to_owned())]).unwrap();
        assert!(!changed.swap.watch);
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(
            text.matches('\n').count(),
            text.matches("\r\n").count(),
            "{text:?}"
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_temporary_file_of_a_killed_host_is_removed() {
        let folder = folder();
        let file = folder.join("mesh.toml");
        fs::write(&file, TEXT).unwrap();
        fs::write(folder.join(".mesh.toml.swp"), "an editor's").unwrap();
        let unfinished = temporary_name("mesh.toml", &mesh_files::unique());
        fs::write(folder.join(&unfinished), "name = ").unwrap();
        remove_left_behind(&file);
        assert!(!folder.join(unfinished).exists());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        fs::remove_dir_all(folder).unwrap();
    }
}
