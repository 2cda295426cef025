//! Changing values in the file that a configuration was read from.
//!
//! Enters: a configuration and edits of its file. Leaves: the same file with just these changes, every
//! comment and blank where it was, and the configuration that it means now. Guarantees: what is written was parsed first;
//! a file that somebody else changed meanwhile is left alone; whoever looks, or loses power, sees the old file or the new
//! one, never a part; what a host that was killed meanwhile leaves beside it is removed by the next one.

use super::{Config, ConfigError, Location};
use crate::working_files;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Why a file was not changed.
#[derive(Debug, thiserror::Error)]
pub enum RewriteError {
    /// It cannot be read or written.
    #[error("{} cannot be changed: {source}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the system says.
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
            } => places.push((*start, *end, value)),
            Edit::Replace { .. } => return Err(RewriteError::NotInFile),
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
        // A JSON text is a TOML text, too.
        text.replace_range(start..end, &serde_json::Value::from(value.as_str()).to_string());
    }
    for more in more {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        text.push_str(more);
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
    working_files::remove_left_behind(folder, |name| {
        name.strip_prefix(&beginning)
            .is_some_and(working_files::is_unique)
    });
}

/// Replaces a file's content in one moment.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(temporary_name(&name, &working_files::unique()));
    let mut written = working_files::create(&temporary)?;
    let outcome = write(&mut written, file, text).and_then(|()| fs::rename(&temporary, file));
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

fn write(temporary: &mut File, like: &Path, text: &str) -> io::Result<()> {
    temporary.set_permissions(fs::metadata(like)?.permissions())?;
    temporary.write_all(text.as_bytes())?;
    temporary.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn what_somebody_else_wrote_is_kept() {
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
    fn what_a_killed_host_left_beside_it_is_removed() {
        let folder = folder();
        let file = folder.join("mesh.toml");
        fs::write(&file, TEXT).unwrap();
        fs::write(folder.join(".mesh.toml.swp"), "an editor's").unwrap();
        let unfinished = temporary_name("mesh.toml", &working_files::unique());
        fs::write(folder.join(&unfinished), "name = ").unwrap();
        remove_left_behind(&file);
        assert!(!folder.join(unfinished).exists());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
        fs::remove_dir_all(folder).unwrap();
    }
}
