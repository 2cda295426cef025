//! The keys of `mesh.toml`, as data.
//!
//! Enters: nothing. Leaves: [`KEYS`], one entry for each key with its type, range, default and meaning, and
//! the limits the parser checks against. Guarantees: the parser and this table know the same keys and the
//! same limits (the limits are shared constants, and a test compares the keys), so help texts and
//! documentation made from it are true.

use std::fmt;

/// One key of `mesh.toml`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Section the key stands in: empty for the top level, `components` for `[[components]]`, dotted for a table inside
    /// another.
    pub section: &'static str,
    /// Name of the key within its section.
    pub name: &'static str,
    /// What the key takes.
    pub takes: Takes,
    /// What holds when the key is not given.
    pub default: KeyDefault,
    /// Meaning of the key in one line.
    pub meaning: &'static str,
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

/// What holds when a key is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyDefault {
    /// The key must be given.
    Required,
    /// The thing it sets is off.
    Unset,
    /// A string.
    Text(&'static str),
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
pub(super) const TIMEOUT_MS: Limits = Limits {
    default: 120_000,
    min: 1,
    max: 86_400_000,
};
pub(super) const QUEUE_BYTES: Limits = Limits {
    default: 67_108_864,
    min: 64 * KIBIBYTE,
    max: 4 * GIBIBYTE,
};
/// The first is the default.
pub(super) const DURABILITIES: &[&str] = &["commit", "interval", "none"];
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
pub(super) const DEFAULT_WATCH: bool = true;
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

/// Every key of `mesh.toml`, in the order of the documentation.
pub const KEYS: &[Key] = &[
    Key {
        section: "",
        name: "name",
        takes: Takes::Text,
        default: KeyDefault::Required,
        meaning: "Name of the mesh; not empty, no `/`, no `*`.",
    },
    Key {
        section: "",
        name: "domain",
        takes: Takes::Text,
        default: KeyDefault::SameAs("name"),
        meaning: "Domain of the mesh, for peers that group meshes; same rules as `name`.",
    },
    Key {
        section: "happn",
        name: "host",
        takes: Takes::Text,
        default: KeyDefault::Text(DEFAULT_HOST),
        meaning: "Address or host name to listen on; `0.0.0.0` is every IPv4 interface.",
    },
    integer(
        "happn",
        "port",
        PORT,
        "TCP port to listen on; 0 is any free port.",
    ),
    Key {
        section: "happn",
        name: "secure",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(DEFAULT_SECURE),
        meaning: "Whether clients must log in and are checked against permissions.",
    },
    integer(
        "happn",
        "max_frame_bytes",
        MAX_FRAME_BYTES,
        "Bytes one message may have; a longer one ends its session.",
    ),
    integer(
        "happn",
        "outbound_queue_bytes",
        OUTBOUND_QUEUE_BYTES,
        "Bytes that may wait for one session before it is disconnected as too slow.",
    ),
    integer(
        "happn",
        "max_connections",
        MAX_CONNECTIONS,
        "Sessions that may be open at one time.",
    ),
    integer(
        "happn",
        "max_subscriptions",
        MAX_SUBSCRIPTIONS,
        "Subscriptions that one session may have.",
    ),
    integer(
        "happn",
        "acknowledge_timeout_ms",
        ACKNOWLEDGE_TIMEOUT_MS,
        "Milliseconds that recipients have to acknowledge a publication of consistency 3.",
    ),
    Key {
        section: "happn.tls",
        name: "cert",
        takes: Takes::Path,
        default: KeyDefault::Required,
        meaning: "PEM file of the certificate, and below it of those between it and its authority.",
    },
    Key {
        section: "happn.tls",
        name: "key",
        takes: Takes::Path,
        default: KeyDefault::Required,
        meaning: "PEM file of the certificate's private key, without a passphrase.",
    },
    Key {
        section: "security",
        name: "admin_password",
        takes: Takes::Text,
        default: KeyDefault::Unset,
        meaning: "Password of the administrator in a secure mesh; never printed.",
    },
    Key {
        section: "security",
        name: "token_secret",
        takes: Takes::Text,
        default: KeyDefault::Unset,
        meaning: "What tokens are signed with, at least 32 bytes; the host makes one and keeps it in its store.",
    },
    Key {
        section: "security",
        name: "allow_anonymous",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(false),
        meaning: "Whether `_ANONYMOUS` may log in, with what `linkAnonymousGroup` grants.",
    },
    Key {
        section: "security",
        name: "admin_over_network",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(true),
        meaning: "Whether `_ADMIN` may log in from other machines.",
    },
    Key {
        section: "security",
        name: "http_logout",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(false),
        meaning: "Whether `/auth/logout` ends tokens.",
    },
    Key {
        section: "security",
        name: "authority_delegation",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(false),
        meaning: "Whether components do what callers ask for with the rights of these.",
    },
    integer(
        "security",
        "login_attempts",
        LOGIN_ATTEMPTS,
        "Wrong passwords in a row that lock a name.",
    ),
    integer(
        "security",
        "lockout_seconds",
        LOCKOUT_SECONDS,
        "Seconds that a name stays locked.",
    ),
    Key {
        section: "security.profiles",
        name: "name",
        takes: Takes::Text,
        default: KeyDefault::Required,
        meaning: "Name of the profile, for people.",
    },
    Key {
        section: "security.profiles",
        name: "users",
        takes: Takes::Texts,
        default: KeyDefault::Unset,
        meaning: "Only for logins of these users.",
    },
    Key {
        section: "security.profiles",
        name: "groups",
        takes: Takes::Texts,
        default: KeyDefault::Unset,
        meaning: "Only for members of one of these groups.",
    },
    Key {
        section: "security.profiles",
        name: "kind",
        takes: Takes::Choice(PROFILE_KINDS),
        default: KeyDefault::Text(PROFILE_KINDS[0]),
        meaning: "Only for logins over websockets, or over HTTP.",
    },
    Key {
        section: "security.profiles",
        name: "browser",
        takes: Takes::Boolean,
        default: KeyDefault::Unset,
        meaning: "Only for browsers, or only for others.",
    },
    integer(
        "security.profiles",
        "ttl_seconds",
        PROFILE_SECONDS,
        "Seconds that a session and its token hold; 0 is for ever.",
    ),
    integer(
        "security.profiles",
        "inactivity_seconds",
        PROFILE_SECONDS,
        "Seconds without a request after which a session ends; 0 is never.",
    ),
    integer(
        "security.profiles",
        "usage_limit",
        USAGE_LIMIT,
        "Requests that a session may make; 0 is any number.",
    ),
    Key {
        section: "security.profiles",
        name: "token_logins",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(true),
        meaning: "Whether a token can be used to log in again.",
    },
    Key {
        section: "security.profiles",
        name: "lock_token_to_address",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(false),
        meaning: "Whether a token holds only for the address that it was given to.",
    },
    Key {
        section: "security.profiles",
        name: "addresses",
        takes: Takes::Texts,
        default: KeyDefault::Unset,
        meaning: "Logins only from these addresses and networks, such as `10.0.0.0/8`.",
    },
    Key {
        section: "store",
        name: "path",
        takes: Takes::Path,
        default: KeyDefault::Unset,
        meaning: "File that keeps the data; without it data lives in memory only.",
    },
    Key {
        section: "store",
        name: "durability",
        takes: Takes::Choice(DURABILITIES),
        default: KeyDefault::Text(DURABILITIES[0]),
        meaning: "When a write is acknowledged: when it is on disk, or (`interval`, `none`) at once.",
    },
    integer(
        "store",
        "interval_ms",
        INTERVAL_MS,
        "Milliseconds of writes that a crash may take with `durability = \"interval\"`.",
    ),
    Key {
        section: "plugins",
        name: "dir",
        takes: Takes::Path,
        default: KeyDefault::Text(DEFAULT_PLUGINS_DIR),
        meaning: "Folder in which component libraries are looked up.",
    },
    integer(
        "calls",
        "timeout_ms",
        TIMEOUT_MS,
        "Milliseconds a call in a component may take.",
    ),
    integer(
        "calls",
        "queue_bytes",
        QUEUE_BYTES,
        "Bytes of calls that may wait for one lane.",
    ),
    integer(
        "swap",
        "probation_ms",
        PROBATION_MS,
        "Milliseconds that a new version is on probation: misbehaviour brings the old one back.",
    ),
    integer(
        "swap",
        "max_error_percent",
        MAX_ERROR_PERCENT,
        "Points by which the share of failed calls may rise during probation.",
    ),
    integer(
        "swap",
        "drain_timeout_ms",
        DRAIN_TIMEOUT_MS,
        "Milliseconds that a replaced version has to answer the calls it has taken.",
    ),
    integer(
        "swap",
        "handover_timeout_ms",
        HANDOVER_TIMEOUT_MS,
        "Milliseconds that calls may wait while state is handed over.",
    ),
    Key {
        section: "swap",
        name: "watch",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(DEFAULT_WATCH),
        meaning: "Whether a saved mesh.toml is applied at once.",
    },
    integer(
        "swap",
        "max_versions",
        MAX_VERSIONS,
        "Versions of one component that may be loaded at the same time.",
    ),
    Key {
        section: "components",
        name: "name",
        takes: Takes::Text,
        default: KeyDefault::Required,
        meaning: "Name the component is called by; not empty, no `/`, no `*`, no spaces.",
    },
    Key {
        section: "components",
        name: "library",
        takes: Takes::Text,
        default: KeyDefault::Required,
        meaning: "Library of the component: a crate name, a file name in `plugins.dir`, or a path.",
    },
    Key {
        section: "components",
        name: "version",
        takes: Takes::Text,
        default: KeyDefault::Text(DEFAULT_VERSION),
        meaning: "Range of versions, as npm writes them, that the library must satisfy.",
    },
    Key {
        section: "components",
        name: "config",
        takes: Takes::Table,
        default: KeyDefault::EmptyTable,
        meaning: "Settings handed to the component as JSON when it starts.",
    },
    integer(
        "components",
        "lanes",
        LANES,
        "Threads that run calls of this component side by side.",
    ),
    integer(
        "components",
        "start_timeout_ms",
        START_TIMEOUT_MS,
        "Milliseconds that the component has to start.",
    ),
    Key {
        section: "components",
        name: "authority_delegation",
        takes: Takes::Boolean,
        default: KeyDefault::SameAs("security.authority_delegation"),
        meaning: "Whether it does what callers ask for with their rights, in a secure mesh.",
    },
    Key {
        section: "components",
        name: "crate",
        takes: Takes::Path,
        default: KeyDefault::Unset,
        meaning: "Folder of the component's Cargo.toml, which `mesh run --dev` builds it from.",
    },
];

const fn integer(section: &'static str, name: &'static str, limits: Limits, meaning: &'static str) -> Key {
    Key {
        section,
        name,
        takes: Takes::Integer {
            min: limits.min,
            max: limits.max,
        },
        default: KeyDefault::Integer(limits.default),
        meaning,
    }
}

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

/// One line for a help text: `happn.port: integer, 0 to 65535, default 55000. TCP port to listen on; …`.
impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {}, {}. {}",
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

impl fmt::Display for KeyDefault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Required => formatter.write_str("required"),
            Self::Unset => formatter.write_str("not set by default"),
            Self::Text(text) => write!(formatter, "default \"{text}\""),
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
    let mut table = String::from("| Key | Takes | Default | Meaning |\n|---|---|---|---|\n");
    for key in KEYS.iter().filter(|key| key.section == section) {
        let default = match key.default {
            KeyDefault::Required => "required".to_owned(),
            KeyDefault::Unset => "not set".to_owned(),
            KeyDefault::Text(text) => format!("`\"{text}\"`"),
            KeyDefault::Integer(number) => format!("`{number}`"),
            KeyDefault::Boolean(value) => format!("`{value}`"),
            KeyDefault::SameAs(other) => format!("the value of `{other}`"),
            KeyDefault::EmptyTable => "`{}`".to_owned(),
        };
        table.push_str(&format!(
            "| `{}` | {} | {default} | {} |\n",
            key.name, key.takes, key.meaning
        ));
    }
    table
}
