//! Changing values in the file that a configuration was read from.
//!
//! Enters: a configuration and new texts for values of it. Leaves: the same file with just these values changed, every
//! comment and blank where it was, and the configuration that it means now. Guarantees: what is written was parsed first;
//! a file that somebody else changed meanwhile is left alone; whoever looks, or loses power, sees the old file or the new
//! one, never a part.

use super::{Config, ConfigError, Location};
use std::fs::{self, File, OpenOptions};
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

/// Puts texts in the place of values, writes the file, and reads it again with `overrides`.
///
/// # Errors
///
/// The file is as it was then.
pub fn rewrite(
    config: &Config,
    overrides: &[String],
    values: &[(Location, &str)],
) -> Result<Config, RewriteError> {
    let named = config.file();
    let failed = |source| RewriteError::File {
        file: named.to_owned(),
        source,
    };
    let mut places = Vec::new();
    for (at, value) in values {
        match *at {
            Location::File { start, end } => places.push((start, end, *value)),
            _ => return Err(RewriteError::NotInFile),
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
        text.replace_range(start..end, &serde_json::Value::from(value).to_string());
    }
    let changed = Config::parse(&text, named, overrides)?;
    replace(&file, &text).map_err(failed)?;
    Ok(changed)
}

/// Replaces a file's content in one moment.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}", uuid::Uuid::new_v4().simple()));
    let written = write(&temporary, file, text).and_then(|()| fs::rename(&temporary, file));
    if let Err(error) = written {
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The new name survives only when the folder is on disk, too.
    File::open(folder)?.sync_all()
}

fn write(temporary: &Path, like: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(temporary)?;
    file.set_permissions(fs::metadata(like)?.permissions())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
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
        let values = [(entry.library.at, "./lib \"2\".so"), (entry.version.at, "^2.0.0")];
        let changed = rewrite(&config, &[], &values).unwrap();
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
        let values = [(config.components[0].library.at, "other")];
        let refused = rewrite(&config, &[], &values).unwrap_err();
        assert!(matches!(refused, RewriteError::Changed(_)), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), theirs);
        let refused = rewrite(&config, &[], &[(Location::Default, "x")]).unwrap_err();
        assert!(matches!(refused, RewriteError::NotInFile), "{refused}");
        fs::remove_dir_all(folder).unwrap();
    }
}
