//! Why a library could not be loaded, as one sentence.

/// A component that could not be loaded or started.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct LoadError {
    kind: LoadErrorKind,
    message: String,
    fate: Fate,
}

/// The fate of something that was not done in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fate {
    /// It will not be done any more.
    #[default]
    Over,
    /// The component has begun it, or is about to, and may end it at any time.
    UnderWay,
}

/// Kinds of [`LoadError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Deserialize, serde::Serialize)]
pub enum LoadErrorKind {
    /// The file is missing or cannot be read.
    File,
    /// The file is no shared library for this machine, or it was cut short.
    NotALibrary,
    /// It misbehaved when it was tried out in a process of its own.
    Rehearsal,
    /// The dynamic linker refused it, for example for an undefined symbol.
    Linking,
    /// It is a library, but no component: the entry function is missing or returns nothing usable.
    NotAComponent,
    /// It was built for another major version of the plugin ABI, or needs a newer host.
    AbiVersion,
    /// Its description is wrong: name, version, descriptor or functions.
    Description,
    /// Its version is outside the range that the configuration asks for.
    VersionRange,
    /// Somebody relies on a version that would be gone.
    Required,
    /// A component of this name and version is already there.
    Duplicate,
    /// It refused to be created.
    Create,
    /// It failed to start, or did not start in time.
    Start,
    /// It says that it cannot serve, or does not say anything.
    Health,
    /// It did not give or take its state.
    State,
    /// The process has no room for another library.
    Resources,
}

impl LoadError {
    /// A failure of this kind; `message` is one sentence.
    pub fn new(kind: LoadErrorKind, message: impl Into<String>) -> LoadError {
        LoadError {
            kind,
            message: message.into(),
            fate: Fate::Over,
        }
    }

    /// The same failure of something that has this fate.
    #[must_use]
    pub fn with_fate(self, fate: Fate) -> LoadError {
        LoadError { fate, ..self }
    }

    /// Whether the component may still do what it did not do in time.
    pub fn fate(&self) -> Fate {
        self.fate
    }

    /// The kind of failure.
    pub fn kind(&self) -> LoadErrorKind {
        self.kind
    }
}
