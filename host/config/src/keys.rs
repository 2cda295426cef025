//! The keys of `mesh.toml`, as data.
//!
//! Enters: nothing. Leaves: [`KEYS`], one entry for each key with its type, range, default, effect and meaning, and
//! the limits the parser checks against. Guarantees: the parser and this table know the same keys and the same
//! limits. So help texts and documentation made from it are true. The limits are shared constants, and a test
//! compares the keys.

use std::fmt;

mod table;

pub use table::KEYS;

/// One key of `mesh.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Section the key stands in: empty for the top level, `components` for `[[components]]`, dotted for a table inside
    /// another.
    pub section: &'static str,
    /// Name of the key within its section.
    pub name: &'static str,
    /// The values that the key takes.
    pub takes: Takes,
    /// The value when the key is not given.
    pub default: KeyDefault,
    /// When another value takes effect.
    pub applies: Applies,
    /// Meaning of the key in one line.
    pub meaning: &'static str,
}

/// When a changed value takes effect in a mesh that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applies {
    /// When the file is applied; for some keys of a component by replacing it.
    Live,
    /// When the host is started again.
    Restart,
}

impl Applies {
    /// When a changed value of the key, or of any key of the section, takes effect. `path` is written as in `happn.port`.
    pub(crate) fn of(path: &str) -> Applies {
        let mut keys = KEYS.iter();
        let named = keys.find(|key| key.section == path || key.path() == path);
        named.map_or(Applies::Restart, |key| key.applies)
    }
}

/// Type of the value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// A string.
    Text,
    /// A string that names a file or folder; relative to the folder of the configuration file.
    Path,
    /// One of these strings.
    Choice(&'static [&'static str]),
    /// An array of strings.
    Texts,
    /// `true` or `false`.
    Boolean,
    /// A whole number from `min` to `max`, both included.
    Integer {
        /// Smallest value.
        min: u64,
        /// Largest value.
        max: u64,
    },
    /// A table of any content.
    Table,
}

/// The value when a key is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDefault {
    /// The key must be given.
    Required,
    /// The thing it sets is off.
    Unset,
    /// A string.
    Text(&'static str),
    /// An array of strings.
    Texts(&'static [&'static str]),
    /// A whole number.
    Integer(u64),
    /// `true` or `false`.
    Boolean(bool),
    /// The value of another key.
    SameAs(&'static str),
    /// An empty table.
    EmptyTable,
}

/// Default and range of an integer key, shared by the table and the parser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Value when the key is not given.
    pub(super) default: u64,
    /// Smallest value accepted.
    pub(super) min: u64,
    /// Largest value accepted.
    pub(super) max: u64,
}

const KIBIBYTE: u64 = 1024;
const GIBIBYTE: u64 = 1024 * 1024 * 1024;

pub(super) const DEFAULT_HOST: &str = "127.0.0.1";
pub(super) const DEFAULT_PLUGINS_DIR: &str = ".";
pub(super) const DEFAULT_VERSION: &str = "*";
pub(super) const DEFAULT_SECURE: bool = false;
pub(super) const PORT: Limits = Limits {
    default: 55_000,
    min: 0,
    max: 65_535,
};
pub(super) const MAX_FRAME_BYTES: Limits = Limits {
    default: 10_485_760,
    min: KIBIBYTE,
    max: GIBIBYTE,
};
pub(super) const OUTBOUND_QUEUE_BYTES: Limits = Limits {
    default: 33_554_432,
    min: 64 * KIBIBYTE,
    max: 4 * GIBIBYTE,
};
pub(super) const MAX_CONNECTIONS: Limits = Limits {
    default: 65_536,
    min: 1,
    max: 1_048_576,
};
pub(super) const MAX_CONNECTIONS_BEFORE_LOGIN: Limits = Limits {
    default: 32_768,
    min: 1,
    max: 1_048_576,
};
/// Ten thousand sessions that one machine opens at once have room.
pub(super) const MAX_CONNECTIONS_BEFORE_LOGIN_PER_ADDRESS: Limits = Limits {
    default: 16_384,
    min: 1,
    max: 1_048_576,
};
pub(super) const LOGIN_TIMEOUT_MS: Limits = Limits {
    default: 30_000,
    min: 100,
    max: 3_600_000,
};
pub(super) const PING_INTERVAL_MS: Limits = Limits {
    default: 30_000,
    min: 100,
    max: 3_600_000,
};
pub(super) const ACKNOWLEDGE_TIMEOUT_MS: Limits = Limits {
    default: 60_000,
    min: 1,
    max: 86_400_000,
};
pub(super) const MAX_SUBSCRIPTIONS: Limits = Limits {
    default: 100_000,
    min: 1,
    max: 100_000_000,
};
pub(super) const MAX_SUBSCRIPTION_BYTES: Limits = Limits {
    default: 16 * 1024 * 1024,
    min: 64 * 1024,
    max: 4 * 1024 * 1024 * 1024,
};
pub(super) const TIMEOUT_MS: Limits = Limits {
    default: 120_000,
    min: 1,
    max: 86_400_000,
};
pub(super) const CLIENT_TIMEOUT_MS: Limits = Limits {
    default: 10_000,
    min: 1,
    max: 86_400_000,
};
pub(super) const MAX_PENDING_PER_SESSION: Limits = Limits {
    default: 10_000,
    min: 1,
    max: 100_000,
};
pub(super) const QUEUE_BYTES: Limits = Limits {
    default: 67_108_864,
    min: 64 * KIBIBYTE,
    max: 4 * GIBIBYTE,
};
/// The first is the default.
pub(super) const DURABILITIES: &[&str] = &["commit", "interval", "none"];
/// The first is the default.
pub(super) const REHEARSALS: &[&str] = &["load", "life", "off"];
pub(super) const INTERVAL_MS: Limits = Limits {
    default: 1000,
    min: 1,
    max: 3_600_000,
};
pub(super) const LANES: Limits = Limits {
    default: 1,
    min: 1,
    max: 64,
};
/// The host's own frames and functions need less than half of the least.
pub(super) const STACK_BYTES: Limits = Limits {
    default: 2 * 1024 * KIBIBYTE,
    min: 256 * KIBIBYTE,
    max: GIBIBYTE,
};
pub(super) const START_TIMEOUT_MS: Limits = Limits {
    default: 30_000,
    min: 1,
    max: 86_400_000,
};
pub(super) const LOGIN_ATTEMPTS: Limits = Limits {
    default: 4,
    min: 1,
    max: 1000,
};
pub(super) const LOCKOUT_SECONDS: Limits = Limits {
    default: 600,
    min: 1,
    max: 86_400,
};
/// The first is the default.
pub(super) const PROFILE_KINDS: &[&str] = &["any", "websocket", "http"];
pub(super) const PROFILE_SECONDS: Limits = Limits {
    default: 0,
    min: 0,
    max: 3_153_600_000,
};
pub(super) const USAGE_LIMIT: Limits = Limits {
    default: 0,
    min: 0,
    max: 1_000_000_000_000,
};
pub(super) const PROBATION_MS: Limits = Limits {
    default: 30_000,
    min: 0,
    max: 86_400_000,
};
pub(super) const DRAIN_TIMEOUT_MS: Limits = Limits {
    default: 30_000,
    min: 0,
    max: 86_400_000,
};
pub(super) const HANDOVER_TIMEOUT_MS: Limits = Limits {
    default: 2000,
    min: 1,
    max: 600_000,
};
pub(super) const MAX_STATE_BYTES: Limits = Limits {
    default: 256 * 1024 * KIBIBYTE,
    min: KIBIBYTE,
    max: 4 * GIBIBYTE,
};
pub(super) const DEFAULT_WATCH: bool = true;
pub(super) const DEFAULT_CONSOLE: bool = false;
pub(super) const MAX_ERROR_PERCENT: Limits = Limits {
    default: 20,
    min: 1,
    max: 100,
};
pub(super) const MAX_VERSIONS: Limits = Limits {
    default: 4,
    min: 2,
    max: 16,
};

pub(super) const MAX_BODY_BYTES: Limits = Limits {
    default: 1_048_576,
    min: 0,
    max: GIBIBYTE,
};
pub(super) const HSTS_SECONDS: Limits = Limits {
    default: 31_536_000,
    min: 0,
    max: 100_000_000,
};
pub(super) const MAX_AGE_SECONDS: Limits = Limits {
    default: 0,
    min: 0,
    max: 31_536_000,
};
/// All components of other nodes.
pub(super) const DEFAULT_EXPOSE: &[&str] = &["*"];
/// The first is the default.
pub(super) const PREFERENCES: &[&str] = &["local", "any"];
pub(super) const MIN_NODES: Limits = Limits {
    default: 1,
    min: 1,
    max: 512,
};
pub(super) const WAIT_MS: Limits = Limits {
    default: 120_000,
    min: 1,
    max: 86_400_000,
};
pub(super) const BEAT_MS: Limits = Limits {
    default: 1000,
    min: 10,
    max: 60_000,
};
pub(super) const SUSPECT_BEATS: Limits = Limits {
    default: 3,
    min: 1,
    max: 100,
};
pub(super) const LOST_MS: Limits = Limits {
    default: 10_000,
    min: 100,
    max: 86_400_000,
};
/// Links make their leases from it, so it cannot be nothing.
pub(super) const AWAY_MS: Limits = Limits {
    default: 2000,
    min: 100,
    max: 3_600_000,
};
pub(super) const FORGET_MS: Limits = Limits {
    default: 600_000,
    min: 1000,
    max: 604_800_000,
};
pub(super) const LINK_BYTES: Limits = Limits {
    default: 16 * 1024 * KIBIBYTE,
    min: 1024 * KIBIBYTE,
    max: 4 * GIBIBYTE,
};
/// The first is the default.
pub(super) const REACHES: &[&str] = &["cluster", "node"];
/// The first is the default.
pub(super) const AFFINITIES: &[&str] = &["none", "session"];

impl Key {
    /// Dotted path of the key as people write it: `happn.port`, `components.lanes`.
    pub fn path(&self) -> String {
        if self.section.is_empty() {
            self.name.to_owned()
        } else {
            format!("{}.{}", self.section, self.name)
        }
    }
}

/// One line for a help text: `happn.port: integer, 0 to 65535, default 55000, applies after a restart. TCP port to listen on; …`.
impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let applies = match self.applies {
            Applies::Live => "live",
            Applies::Restart => "after a restart",
        };
        write!(
            formatter,
            "{}: {}, {}, applies {applies}. {}",
            self.path(),
            self.takes,
            self.default,
            self.meaning
        )
    }
}

impl fmt::Display for Takes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => formatter.write_str("string"),
            Self::Path => formatter.write_str("string (path)"),
            Self::Texts => formatter.write_str("array of strings"),
            Self::Choice(words) => {
                formatter.write_str("one of")?;
                for (index, word) in words.iter().enumerate() {
                    let comma = if index == 0 { "" } else { "," };
                    write!(formatter, "{comma} \"{word}\"")?;
                }
                Ok(())
            }
            Self::Boolean => formatter.write_str("boolean"),
            Self::Integer { min, max } => write!(formatter, "integer, {min} to {max}"),
            Self::Table => formatter.write_str("table"),
        }
    }
}

/// As the table of the documentation has it.
impl fmt::Display for Applies {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Live => "live",
            Self::Restart => "restart",
        })
    }
}

impl fmt::Display for KeyDefault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => formatter.write_str("required"),
            Self::Unset => formatter.write_str("not set by default"),
            Self::Text(text) => write!(formatter, "default \"{text}\""),
            Self::Texts(texts) => write!(formatter, "default {texts:?}"),
            Self::Integer(number) => write!(formatter, "default {number}"),
            Self::Boolean(value) => write!(formatter, "default {value}"),
            Self::SameAs(key) => write!(formatter, "default the value of {key}"),
            Self::EmptyTable => formatter.write_str("default {}"),
        }
    }
}

/// The keys of one section as a Markdown table, for `docs/mesh-toml.md`.
///
/// `section` is empty for the top level. A test holds the page to this text.
pub fn markdown_table(section: &str) -> String {
    let mut table = String::from("| Key | Takes | Default | Applies | Meaning |\n|---|---|---|---|---|\n");
    for key in KEYS.iter().filter(|key| key.section == section) {
        let default = match key.default {
            KeyDefault::Required => "required".to_owned(),
            KeyDefault::Unset => "not set".to_owned(),
            KeyDefault::Text(text) => format!("`\"{text}\"`"),
            KeyDefault::Texts(texts) => format!("`{texts:?}`"),
            KeyDefault::Integer(number) => format!("`{number}`"),
            KeyDefault::Boolean(value) => format!("`{value}`"),
            KeyDefault::SameAs(other) => format!("the value of `{other}`"),
            KeyDefault::EmptyTable => "`{}`".to_owned(),
        };
        table.push_str(&format!(
            "| `{}` | {} | {default} | {} | {} |\n",
            key.name, key.takes, key.applies, key.meaning
        ));
    }
    table
}
