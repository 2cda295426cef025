//! The configuration of a mesh, `mesh.toml`, parsed into types before anything opens.
//!
//! Enters: the file and the `--set key=value` overrides. Leaves: a [`Config`], or a [`ConfigError`] with every mistake
//! that was found; the difference of two configurations ([`difference()`]); the text of a changed file ([`rewrite()`]).
//!
//! Guarantees:
//! - Nothing but the file itself is opened, and reading changes nothing.
//! - A `Config` holds only values within their documented ranges. Any input gives a result, none panics.
//! - Each mistake says file, line, column, what is wrong and what was probably meant.
//! - The administrator's password is in no error and in no `Debug` output.
//! - Each key stands once in [`KEYS`], from which the tables of `docs/mesh-toml.md` are made.
//!
//! ```text
//! text --tree--> nodes with places <--overrides-- --set
//!                       |
//!                  sections (via read) --> Config | ConfigError
//! ```

#![forbid(unsafe_code)]

mod cluster;
mod components;
mod difference;
mod error;
mod json;
mod keys;
mod library;
mod overrides;
mod read;
mod rest;
mod rewrite;
mod sections;
mod security;
mod source;
mod suggest;
#[cfg(test)]
mod tests;
mod tree;
mod types;
mod values;
mod web;

use std::path::{Path, PathBuf};

pub use difference::{Aspect, ChangedComponent, Difference, difference};
pub use error::{ConfigError, Diagnostic, ErrorKind};
pub use keys::{Applies, KEYS, Key, KeyDefault, Takes, markdown_table};
pub use rewrite::{Edit, RewriteError, is_inline, remove_left_behind, rewrite};
pub use source::{Location, Spanned};
pub use suggest::nearest;
pub use types::{
    CallsConfig, ClusterConfig, ClusterIdentity, ClusterLogin, ComponentConfig, ConsoleConfig, HappnConfig,
    InfoCondition, InfoTest, JsonTable, PluginsConfig, ProfileConfig, ProfileKind, ProviderConfig, Rehearse,
    RequirementConfig, RestConfig, RootRouteConfig, Secret, SecurityConfig, ServerAddress, StoreConfig,
    SwapConfig, TlsConfig, WebConfig, WebFolderConfig,
};

use read::Reader;
use source::Source;

/// A checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Name of the mesh: not empty, without `/` and `*`.
    pub name: Spanned<String>,
    /// Domain of the mesh, same rules as `name`. Default: `name`.
    pub domain: Spanned<String>,
    /// Whether the mesh has the component `data`. Default `false`.
    pub data_component: bool,
    /// `[happn]`.
    pub happn: HappnConfig,
    /// `[security]`.
    pub security: SecurityConfig,
    /// `[store]`.
    pub store: StoreConfig,
    /// `[plugins]`.
    pub plugins: PluginsConfig,
    /// `[rest]`.
    pub rest: RestConfig,
    /// `[calls]`.
    pub calls: CallsConfig,
    /// `[swap]`.
    pub swap: SwapConfig,
    /// `[cluster]`. Default none: the mesh is this host.
    pub cluster: Option<ClusterConfig>,
    /// `[web]`.
    pub web: WebConfig,
    /// `[console]`.
    pub console: ConsoleConfig,
    /// `[[components]]`, in the order of the file; may be empty. Several of one name are versions side by side.
    pub components: Vec<ComponentConfig>,
    overrides: Vec<Secret>,
    source: Source,
    folder: PathBuf,
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// `overrides` are `key=value` texts of `--set`, applied in order over the file.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unreadable`] when the file cannot be read or is not UTF-8; otherwise as
    /// [`Config::parse`].
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, ConfigError> {
        let bytes = std::fs::read(path).map_err(|error| {
            let message = match error.kind() {
                std::io::ErrorKind::NotFound => "this configuration file does not exist".to_owned(),
                std::io::ErrorKind::IsADirectory => "this is a folder, not a configuration file".to_owned(),
                _ => format!("cannot read the configuration file: {error}"),
            };
            let help = "name the file with `--config PATH`".to_owned();
            let source = Source::new(path, "", &[]);
            source.diagnostic(ErrorKind::Unreadable, Location::Default, message, Some(help))
        })?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Self::parse(text, path, overrides),
            Err(error) => {
                let text = String::from_utf8_lossy(&bytes);
                let start = error.valid_up_to();
                let at = Location::File {
                    start,
                    end: start + char::REPLACEMENT_CHARACTER.len_utf8(),
                };
                let help = Some("save the file as UTF-8".to_owned());
                let source = Source::new(path, &text, &[]);
                Err(source
                    .diagnostic(ErrorKind::Unreadable, at, "this is not UTF-8 text", help)
                    .into())
            }
        }
    }

    /// Reads the same file again, with the same overrides.
    ///
    /// # Errors
    ///
    /// As [`Config::load`].
    pub fn load_again(&self) -> Result<Self, ConfigError> {
        Self::load(self.file(), &self.overrides())
    }

    /// Checks the text of a configuration file.
    ///
    /// `file` is named in errors, and relative paths start at its folder; it is not opened. `texts` are overrides.
    ///
    /// # Errors
    ///
    /// Every mistake in the text and in the overrides. When the text is not TOML, only its syntax errors and
    /// overrides that cannot be read: what the rest means is not known then.
    pub fn parse(text: &str, file: &Path, texts: &[String]) -> Result<Self, ConfigError> {
        let source = Source::new(file, text, texts);
        // A bare file name has an empty parent; `.` keeps a folder in every path made from it.
        let folder = match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        let (root, mut mistakes) = tree::parse(&source);
        let (overrides, misread) = overrides::parse_all(texts, &source);
        let Some(mut root) = root else {
            mistakes.extend(misread);
            return Err(ConfigError::of(mistakes).unwrap_or_else(|| {
                source
                    .diagnostic(ErrorKind::Syntax, Location::Default, "not valid TOML", None)
                    .into()
            }));
        };
        let mut misapplied = Vec::new();
        for change in overrides {
            misapplied.extend(overrides::apply(change, &mut root, &source));
        }
        let mut reader = Reader::new(&source);
        let contents = sections::read(&mut reader, &root, &folder);
        mistakes.extend(reader.into_mistakes());
        mistakes.extend(misread);
        mistakes.extend(misapplied);
        if let Some(error) = ConfigError::of(mistakes) {
            return Err(error);
        }
        Ok(Self {
            name: contents.name,
            domain: contents.domain,
            data_component: contents.data_component,
            happn: contents.happn,
            security: contents.security,
            store: contents.store,
            plugins: contents.plugins,
            rest: contents.rest,
            calls: contents.calls,
            swap: contents.swap,
            cluster: contents.cluster,
            web: contents.web,
            console: contents.console,
            components: contents.components,
            overrides: texts.iter().cloned().map(Secret::new).collect(),
            source,
            folder,
        })
    }

    /// The configuration file, as it was named by the caller.
    pub fn file(&self) -> &Path {
        self.source.file()
    }

    /// The overrides that it was read with; they may hold a password.
    pub fn overrides(&self) -> Vec<String> {
        let texts = self.overrides.iter().map(|text| text.expose().to_owned());
        texts.collect()
    }

    /// The file as it was read; it may hold a password.
    pub fn text(&self) -> &str {
        self.source.text()
    }

    /// The folder relative paths start at: that of the configuration file.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The first component with this name; [`Config::components`] has all of them.
    pub fn component(&self, name: &str) -> Option<&ComponentConfig> {
        self.components
            .iter()
            .find(|component| component.name.value == name)
    }

    /// Whether a component does what callers ask for with their rights, should the mesh be secure.
    pub fn delegates_authority(&self, component: &ComponentConfig) -> bool {
        component
            .authority_delegation
            .unwrap_or(self.security.authority_delegation)
    }

    /// The library file of a component.
    ///
    /// A text with `/` is a path relative to [`Config::folder`]. A text with the ending of a library (`.so`) is a
    /// file in `plugins.dir`. Any other text is a crate name, `my-calc` for `libmy_calc.so` in `plugins.dir`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LibraryNotFound`] at the component's `library`, with the files tried and the nearest that
    /// exists.
    pub fn resolve_library(&self, component: &ComponentConfig) -> Result<PathBuf, ConfigError> {
        self.find_library(&component.library)
    }

    /// As [`Config::resolve_library`], for any library text: one given to `mesh swap` has `at`
    /// [`Location::Default`].
    ///
    /// # Errors
    ///
    /// [`ErrorKind::LibraryNotFound`] at the place of the text.
    pub fn find_library(&self, library: &Spanned<String>) -> Result<PathBuf, ConfigError> {
        library::resolve(library, &self.plugins.dir, &self.folder).map_err(
            |library::NotFound { message, help }| {
                self.source
                    .diagnostic(ErrorKind::LibraryNotFound, library.at, message, Some(help))
                    .into()
            },
        )
    }

    /// The files a library text may mean, best first, whether they exist or not.
    pub fn library_candidates(&self, library: &str) -> Vec<PathBuf> {
        library::candidates(library, &self.plugins.dir, &self.folder)
    }

    /// Line and column of a location, both from 1, columns in characters; `None` unless it is in the file.
    pub fn position(&self, at: Location) -> Option<(usize, usize)> {
        self.source.position(at)
    }

    /// An error of a later check, such as a port in use or a version out of range. It points at the value that it is
    /// about. Its kind is [`ErrorKind::Check`].
    pub fn diagnose(&self, at: Location, message: impl Into<String>, help: Option<String>) -> ConfigError {
        self.source.diagnostic(ErrorKind::Check, at, message, help).into()
    }
}
