//! The types of the parts of a configuration.
//!
//! Enters: values the parser has checked. Leaves: plain structs, read by the parts of the host they are named
//! for. Guarantees: each value is within the range its comment states; a secret is not in any `Debug` output.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::keys;
use super::source::{Location, Spanned};
use mesh_cluster::component::{Affinity, Reach};
use mesh_files::Durability;
use mesh_wire::versions::Range;

mod cluster;

pub(crate) use cluster::AddressFault;
pub use cluster::{ClusterConfig, ClusterIdentity, ClusterLogin, ServerAddress};

/// `[happn]`: where and how clients connect.
#[derive(Clone, Debug)]
pub struct HappnConfig {
    /// Address or host name to listen on. Default `127.0.0.1`: a mesh without security must be opened to the
    /// network on purpose.
    pub host: Spanned<String>,
    /// TCP port, 0 to 65535; 0 is any free port. Default 55000.
    pub port: Spanned<u16>,
    /// Whether clients must log in. Default `false`.
    pub secure: Spanned<bool>,
    /// Largest message in bytes, 1 KiB to 1 GiB. Default 10 MiB.
    pub max_frame_bytes: usize,
    /// Bytes a session may have queued before it is disconnected as slow, 64 KiB to 4 GiB. Default 32 MiB.
    pub outbound_queue_bytes: usize,
    /// Sessions open at one time, 1 to 1,048,576. Default 65,536.
    pub max_connections: usize,
    /// Connections without a login open at one time, 1 to 1,048,576. Default 32,768.
    pub max_connections_before_login: usize,
    /// How many of them one address may have, 1 to 1,048,576. Default 16,384.
    pub max_connections_before_login_per_address: usize,
    /// How long a websocket may stay open without a login, 100 ms to 1 h. Default 30 s.
    pub login_timeout: Duration,
    /// Time between two pings of clients that expect the server to ping, 100 ms to 1 h. Default 30 s.
    pub ping_interval: Duration,
    /// Whether messages are compressed for clients that offer it. Default `false`.
    pub compression: bool,
    /// Subscriptions that one session may have, 1 to 100,000,000. Default 100,000.
    pub max_subscriptions: usize,
    /// Bytes of memory that the subscriptions of one session may take, 64 KiB to 4 GiB. Default 16 MiB.
    pub max_subscription_bytes: usize,
    /// How long recipients have to acknowledge a publication of consistency 3, 1 ms to a day. Default a minute.
    pub acknowledge_timeout: Duration,
    /// Key `tls`, the section `[happn.tls]`. Default none: clients connect without encryption.
    pub tls: Option<TlsConfig>,
}

/// `[happn.tls]`: what clients that connect with `https` and `wss` are shown.
#[derive(Clone, Debug)]
pub struct TlsConfig {
    /// PEM file of the certificate and of those that link it to its authority. A relative path has the folder of the
    /// configuration file in front.
    pub cert: Spanned<PathBuf>,
    /// PEM file of the certificate's private key, likewise.
    pub key: Spanned<PathBuf>,
    /// How long browsers use nothing but TLS for the name that they connected to. Nothing is said of that where it is zero.
    /// Default a year.
    pub hsts: Duration,
}

/// `[security]`: who may do what in a secure mesh.
#[derive(Clone, Debug)]
pub struct SecurityConfig {
    /// Password of the administrator; not empty. Default none.
    pub admin_password: Option<Spanned<Secret>>,
    /// The secret that tokens are signed with, at least 32 bytes. Default none: the host makes one and keeps it in
    /// its store.
    pub token_secret: Option<Spanned<Secret>>,
    /// Whether `_ANONYMOUS` may log in. Default `false`.
    pub allow_anonymous: bool,
    /// Whether `_ADMIN` may log in from other machines. Default `true`.
    pub admin_over_network: bool,
    /// Whether `/auth/logout` ends tokens. Default `false`.
    pub http_logout: bool,
    /// Whether components do what callers ask for with the rights of these. Default `false`.
    pub authority_delegation: bool,
    /// Public key that signs the nonces of the administrator. Default none.
    pub admin_public_key: Option<Spanned<String>>,
    /// Whether a token holds only for the very user that it was given to, and not for another of the same name. Default
    /// `false`.
    pub lock_token_to_user: bool,
    /// Whether letters of any size are the same in names of users. Default `false`.
    pub case_insensitive_usernames: bool,
    /// The component that checks passwords of all for whom nothing else is said, but the administrator. Default none:
    /// the host does.
    pub authentication: Option<Spanned<String>>,
    /// `[[security.providers]]`: those who check the passwords of some users.
    pub providers: Vec<ProviderConfig>,
    /// Paths whose requests leave a line in the log; `*` is any text. Default none.
    pub audit_paths: Vec<String>,
    /// Whether a permission below a path is enough to ask for `/path/**`. Default `false`.
    pub allow_nested_permissions: bool,
    /// Wrong passwords in a row that lock a name, 1 to 1000. Default 4.
    pub login_attempts: u32,
    /// How long a name stays locked, 1 s to a day. Default 10 minutes.
    pub lockout: Duration,
    /// `[[security.profiles]]`: the first that fits a login holds for its session.
    pub profiles: Vec<ProfileConfig>,
}

impl SecurityConfig {
    /// The components that check passwords.
    pub fn checking_components(&self) -> impl Iterator<Item = &Spanned<String>> {
        let assigned = self
            .providers
            .iter()
            .filter_map(|provider| provider.component.as_ref());
        self.authentication.iter().chain(assigned)
    }
}

/// One entry of `[[security.providers]]`: who checks the passwords of some users.
#[derive(Clone, Debug)]
pub struct ProviderConfig {
    /// The component. Default none: the host does.
    pub component: Option<Spanned<String>>,
    /// Names of these users; `*` is any text. Empty for those who choose the component.
    pub users: Vec<String>,
}

/// One entry of `[[security.profiles]]`: what holds for sessions and tokens of some logins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileConfig {
    /// For people.
    pub name: String,
    /// Only these users; `*` is any text. Empty for all.
    pub users: Vec<String>,
    /// Only members of one of these groups; empty for all.
    pub groups: Vec<String>,
    /// Only logins of this kind.
    pub kind: Option<ProfileKind>,
    /// Only browsers, or only others.
    pub browser: Option<bool>,
    /// Only clients that say all of this of themselves; empty for all.
    pub info: Vec<InfoCondition>,
    /// How long a token holds.
    pub ttl: Option<Duration>,
    /// After how long without a request a session ends.
    pub inactivity: Option<Duration>,
    /// How many requests a session may make.
    pub usage_limit: Option<u64>,
    /// Whether its tokens may be used to log in again. Default `true`.
    pub token_logins: bool,
    /// Whether its tokens hold only for the address that they were given to. Default `false`.
    pub lock_token_to_address: bool,
    /// Whether its tokens hold only in meshes of the same name. Default `false`.
    pub lock_token_to_origin: bool,
    /// Logins only from here; empty for everywhere.
    pub addresses: Vec<ipnet::IpNet>,
    /// Permissions by path, in the place of those of the user. They are read where they are used.
    pub permissions: Option<JsonTable>,
}

/// Something that a client has to say of itself in the `info` of its login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InfoCondition {
    /// The key; with dots in it also that of a key of an object inside.
    pub key: String,
    /// The values that it may have.
    pub test: InfoTest,
}

/// The values of a client's `info` that a profile is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InfoTest {
    /// Texts, numbers, true or false: one of them.
    OneOf(Vec<serde_json::Value>),
    /// Those for which all operators of an object hold, such as `{"$regex": "^kiosk"}`.
    Operators(JsonTable),
}

/// A table that is read where it is used, as JSON. The place where it is written makes no difference.
#[derive(Clone, Debug)]
pub struct JsonTable {
    /// The table.
    pub value: serde_json::Value,
    /// Where it is written.
    pub at: Location,
}

impl PartialEq for JsonTable {
    fn eq(&self, other: &JsonTable) -> bool {
        self.value == other.value
    }
}

impl Eq for JsonTable {}

/// How a client logs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProfileKind {
    /// Over a websocket, which stays.
    Websocket,
    /// Over HTTP, with nothing but a token that stays.
    Http,
}

/// `[store]`: where data is kept.
#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// The file, with the folder of the configuration file in front when it was relative. Default none: data is in
    /// memory only.
    pub path: Option<Spanned<PathBuf>>,
    /// When a write is acknowledged. Default [`Durability::Commit`]; given only together with `path`.
    pub durability: Durability,
    /// How long a write of [`Durability::Interval`] may not be on disk, 1 ms to 1 h. Default 1 s.
    pub interval: Duration,
}

/// `[plugins]`: where component libraries are.
#[derive(Clone, Debug)]
pub struct PluginsConfig {
    /// Folder of the libraries, with the folder of the configuration file in front when it was relative.
    /// Default the folder of the configuration file.
    pub dir: Spanned<PathBuf>,
}

/// `[rest]`: pages of which origins may use the REST component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RestConfig {
    /// Origins as browsers send them, or `*` alone for all. Default none.
    pub cors_origins: Vec<String>,
    /// Whether pages of these origins may use the cookie of whoever looks at them; never together with `*`. Default
    /// `false`.
    pub cors_credentials: bool,
}

/// `[calls]`: limits of calls in components.
#[derive(Clone, Debug)]
pub struct CallsConfig {
    /// Time one call may take, 1 ms to 24 h. Default 120 s.
    pub timeout: Duration,
    /// Time that happner's MeshClient waits for an answer, 1 ms to 24 h. Default 10 s.
    pub client_timeout: Duration,
    /// Bytes of calls that may wait for one lane, 64 KiB to 4 GiB. Default 64 MiB.
    pub queue_bytes: usize,
    /// Calls that one session may have unanswered, and one address over HTTP, 1 to 100,000. Default 10,000.
    pub max_pending_per_session: usize,
}

/// `[swap]`: how one version of a component takes over from another.
#[derive(Clone, Debug)]
pub struct SwapConfig {
    /// How long a new version is on probation, 0 to 24 h. Default 30 s.
    pub probation: Duration,
    /// Points by which the share of failed calls may rise within probation before the old version is brought back,
    /// 1 to 100. Default 20.
    pub max_error_percent: u32,
    /// How long a replaced version may answer the calls it has taken, 0 to 24 h. Default 30 s.
    pub drain_timeout: Duration,
    /// How long calls may wait for a hand-over of state, 1 ms to 10 min. Default 2 s.
    pub handover_timeout: Duration,
    /// Bytes of state that a version may hand over, 1 KiB to 4 GiB. Default 256 MiB.
    pub max_state_bytes: usize,
    /// Whether saving the configuration file applies it. Default `true`.
    pub watch: bool,
    /// Versions of one component that may be loaded at the same time, 2 to 16. Default 4.
    pub max_versions: usize,
    /// How much of a library is tried out before the host opens it. Default [`Rehearse::Load`].
    pub rehearse: Rehearse,
}

/// How much of a library is tried out before the host opens it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Rehearse {
    /// It is opened, asked what it is, and closed.
    #[default]
    Load,
    /// As [`Rehearse::Load`], and an instance is created, started and ended.
    Life,
    /// Nothing.
    Off,
}

/// `[console]`: the page for people.
#[derive(Clone, Debug)]
pub struct ConsoleConfig {
    /// Whether it is served under `/console`. Default `false`.
    pub enabled: bool,
}

/// One entry of `[[components]]`.
#[derive(Clone, Debug)]
pub struct ComponentConfig {
    /// The entry itself: its `[[components]]` line.
    pub at: Location,
    /// Name the component is called by: not empty, without `/`, `*` and whitespace. Entries of one name differ in
    /// `version`.
    pub name: Spanned<String>,
    /// Library as written; [`Config::resolve_library`](super::Config::resolve_library) finds the file.
    pub library: Spanned<String>,
    /// Range of versions the library must satisfy, as written; its syntax is not checked here. Default `*`.
    pub version: Spanned<String>,
    /// Settings of the component, always a JSON object. Default empty.
    pub config: Spanned<serde_json::Value>,
    /// Threads that run calls of this component, 1 to 64. Default 1.
    pub lanes: Spanned<usize>,
    /// Bytes of stack of each of these threads, 256 KiB to 1 GiB. Default 2 MiB.
    pub stack_bytes: Spanned<usize>,
    /// How long the component may take to start, 1 ms to 24 h. Default 30 s.
    pub start_timeout: Duration,
    /// Whether it does what callers ask for with their rights. Default what `[security]` says.
    pub authority_delegation: Option<bool>,
    /// Key `crate`: the folder of the component's `Cargo.toml`, with the folder of the configuration file in front
    /// when it was relative. Default none: the component is not built here.
    pub crate_folder: Option<Spanned<PathBuf>>,
    /// How far nodes of a cluster reach it. Default [`Reach::Cluster`].
    pub reach: Reach,
    /// Which node of a cluster serves a session. Default [`Affinity::None`].
    pub affinity: Affinity,
    /// Methods that may be executed twice for one call, beside those that the library declares. Default none.
    pub idempotent: Vec<String>,
    /// Components that must be there before it starts, each named once. Default none.
    pub requires: Vec<RequirementConfig>,
}

/// A component that must be there before another one starts.
#[derive(Clone, Debug)]
pub struct RequirementConfig {
    /// Where it is written.
    pub at: Location,
    /// Its name.
    pub component: String,
    /// The versions that will do.
    pub range: Range,
}

impl RequirementConfig {
    /// Whether this asks for the same as another. The place where it is written makes no difference.
    pub(crate) fn is_same(&self, other: &RequirementConfig) -> bool {
        self.component == other.component && self.range == other.range
    }
}

impl ComponentConfig {
    /// Whether this is the same entry as another, of a later reading of the file too. Entries of one name differ in the
    /// text of their range.
    pub fn is_same_entry(&self, other: &ComponentConfig) -> bool {
        self.name.value == other.name.value && self.version.trim() == other.version.trim()
    }

    /// Whether it may take as long to start as a component may of which nothing is said.
    pub fn has_default_start_timeout(&self) -> bool {
        self.start_timeout == Duration::from_millis(keys::START_TIMEOUT_MS.default)
    }
}

/// Text that is never printed: `Debug` shows `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The text itself, to be checked or hashed and not to be printed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("***")
    }
}

/// `[web]`: what is served over HTTP beside the mesh itself.
#[derive(Clone, Debug)]
pub struct WebConfig {
    /// Bytes that the body of a request for a component's web route may have.
    pub max_body_bytes: usize,
    /// Paths that anybody may ask for in a secure mesh; `*` stands for any letters.
    pub open: Vec<String>,
    /// HTML file that is shown with 401.
    pub unauthorized_page: Option<Spanned<PathBuf>>,
    /// HTML file that is shown with 403.
    pub forbidden_page: Option<Spanned<PathBuf>>,
    /// `[[web.routes]]`.
    pub routes: Vec<RootRouteConfig>,
    /// `[[web.folders]]`.
    pub folders: Vec<WebFolderConfig>,
}

/// One entry of `[[web.routes]]`: the web route of a component, served under another path.
#[derive(Clone, Debug)]
pub struct RootRouteConfig {
    /// Where: begins with `/`, and ends with it only where it is `/`.
    pub path: Spanned<String>,
    /// The component's name.
    pub component: String,
    /// The name of its route.
    pub route: String,
}

/// One entry of `[[web.folders]]`: files that are served as they are.
#[derive(Clone, Debug)]
pub struct WebFolderConfig {
    /// Where: begins with `/`, and ends with it only where it is `/`.
    pub path: Spanned<String>,
    /// The folder on disk.
    pub folder: Spanned<PathBuf>,
    /// How long browsers may keep a file without asking again.
    pub max_age: Duration,
}
