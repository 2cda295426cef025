//! From a configuration and a store to the security of a mesh.
//!
//! Enters: settings, the store, the administrator's password. Leaves: a [`Security`] that knows its groups, its
//! administrator and its secret. Guarantees: existing users and groups are kept; the administrator's password is the
//! configured one afterwards; there is no password that nobody chose.

use super::audited::Audited;
use super::directory::{Group, SameNames, TOKEN_SECRET, User};
use super::issued::Issued;
use super::names::Names;
use super::password::Verdict;
use super::passwords::{Busy, HashError, StartError};
use super::permission::{self, Rules};
use super::refusals::Refusals;
use super::token::{TokenError, Tokens, new_secret};
use super::{
    ADMIN, ANONYMOUS, Activity, DELEGATES, Directory, GUESTS, Lockout, MESH_ADMINS, Nonces, Passwords,
    Profiles, Revocations, Security, Usages, nonce,
};
use mesh_store::{Store, StoreError, now};
use mesh_wire::protocol::DocumentMeta;
use serde_json::{Value, json};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

/// Names whose wrong passwords are remembered.
const MOST_NAMES: usize = 100_000;
const HEX: usize = 16;

/// The parts that the security of a mesh is made of.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The mesh's name.
    pub name: String,
    /// The second segment of request and event paths.
    pub domain: String,
    /// Whether [`ANONYMOUS`] may log in.
    pub allow_anonymous: bool,
    /// Whether [`ADMIN`] may log in from other machines.
    pub admin_over_network: bool,
    /// Whether tokens can be ended over HTTP.
    pub http_logout: bool,
    /// Whether a token holds only for the very user that it was given to.
    pub lock_token_to_user: bool,
    /// Whether a permission below a path is enough to ask for `/path/**`.
    pub allow_nested_permissions: bool,
    /// Wrong passwords in a row that lock a name.
    pub login_attempts: u32,
    /// How long it stays locked.
    pub lockout: Duration,
    /// The profiles.
    pub profiles: Profiles,
    /// How names of users are compared.
    pub names: Names,
    /// Requests of which paths leave a line in the log.
    pub audited: Audited,
}

/// With what the administrator logs in: with one of these at least.
#[derive(Clone, Default)]
pub struct Administrator {
    /// A password.
    pub password: Option<String>,
    /// The key that signs nonces.
    pub public_key: Option<String>,
}

/// Why there is no security.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store cannot write.
    #[error("users and groups cannot be kept: {0}")]
    Store(#[from] StoreError),
    /// Tokens cannot be signed.
    #[error("tokens cannot be signed: {0}")]
    Token(#[from] TokenError),
    /// There are no random bytes.
    #[error("the system gives no random bytes")]
    Random(#[from] super::random::NoRandomness),
    /// Users cannot be told apart.
    #[error(transparent)]
    SameNames(#[from] SameNames),
    /// The password cannot be hashed.
    #[error("the administrator's password cannot be hashed: {0}")]
    Hash(#[from] HashError),
    /// The password cannot be compared.
    #[error("the administrator's password cannot be compared: {0}")]
    Busy(#[from] Busy),
    /// There are no threads for passwords.
    #[error("passwords cannot be checked: {0}")]
    Start(#[from] StartError),
}

impl Security {
    /// Reads what the store knows, and adds what a mesh needs. `secret` signs tokens; without one, that of the store does,
    /// which is made when there is none.
    ///
    /// # Errors
    ///
    /// When something cannot be written or made.
    pub async fn open(
        settings: Settings,
        store: Arc<dyn Store>,
        administrator: Administrator,
        secret: Option<&[u8]>,
    ) -> Result<Security, OpenError> {
        let tokens = match secret {
            Some(secret) => Tokens::new(secret)?,
            None => Tokens::new(&kept_secret(&*store)?)?,
        };
        let directory = Directory::open(store.clone()).with_names(settings.names)?;
        let passwords = Passwords::start()?;
        let of_happn = |user: &Arc<User>| {
            user.password
                .as_ref()
                .is_some_and(|text| text.starts_with("pbkdf2$"))
        };
        if directory.users().iter().any(of_happn) {
            passwords.expect_pbkdf2();
        }
        add_groups(&directory, &settings)?;
        let issued = Issued::open(store.clone());
        add_admin(&directory, &passwords, &issued, administrator).await?;
        if settings.allow_anonymous {
            add_anonymous(&directory)?;
        }
        Ok(Security {
            lockout: Lockout::new(settings.login_attempts, settings.lockout, MOST_NAMES),
            refusals: Refusals::new(),
            settings,
            directory,
            passwords,
            tokens,
            nonces: Nonces::new(nonce::LIFE)?,
            revocations: Revocations::open(store),
            usages: Usages::default(),
            issued,
            providers: OnceLock::new(),
            tidied: Mutex::default(),
            activity: Activity::default(),
            generation: AtomicU64::new(0),
            compiled: Mutex::default(),
            changing: Mutex::default(),
        })
    }
}

/// The secret of the store.
fn kept_secret(store: &dyn Store) -> Result<Vec<u8>, OpenError> {
    let kept = store.get(TOKEN_SECRET).and_then(|document| {
        let value: Value = serde_json::from_str(&document.data).ok()?;
        Some(value.get("secret")?.as_str()?.as_bytes().to_vec())
    });
    if let Some(kept) = kept.filter(|kept| kept.len() >= 2 * HEX) {
        return Ok(kept);
    }
    let secret: String = new_secret()?.iter().map(|byte| format!("{byte:02x}")).collect();
    store.set(TOKEN_SECRET, &json!({ "secret": secret }).to_string())?;
    Ok(secret.into_bytes())
}

fn add_groups(directory: &Directory, settings: &Settings) -> Result<(), OpenError> {
    let wanted: [(&str, Rules); 4] = [
        (ADMIN, permission::admin()),
        (MESH_ADMINS, permission::mesh_admin()),
        (DELEGATES, permission::delegate()),
        (GUESTS, guests(settings)),
    ];
    let change = directory.change();
    for (name, rules) in wanted {
        let group = directory.group(name);
        // An administrator may have given guests more than this, and may have taken it from them again.
        if group.is_none() {
            let about = json!({"description": "the default administration group for happn"});
            change.put_group(Group {
                name: name.into(),
                custom_data: (name == ADMIN).then_some(about),
                rules,
                ..Group::default()
            })?;
        }
    }
    Ok(())
}

/// The rights of every user. The paths of methods begin with the domain, which is the mesh's name in most meshes.
fn guests(settings: &Settings) -> Rules {
    let mut rules = Rules::new();
    for (path, permission) in permission::guest().iter() {
        let path = match settings.domain == settings.name {
            true => path.to_string(),
            false => path.replace("{{happn.name}}", &settings.domain),
        };
        rules.add(path, permission);
    }
    rules
}

/// The administrator exists, is one, and has the configured password and key.
async fn add_admin(
    directory: &Directory,
    passwords: &Passwords,
    issued: &Issued,
    configured: Administrator,
) -> Result<(), OpenError> {
    let known = directory.user(ADMIN);
    let mut admin = known.as_deref().cloned().unwrap_or_else(|| User {
        name: ADMIN.into(),
        id: uuid::Uuid::new_v4().to_string(),
        ..User::default()
    });
    let is_set = match (&admin.password, &configured.password) {
        (None, None) => true,
        (Some(stored), Some(password)) => {
            let verdict = passwords
                .verify_own(ADMIN, password.clone(), Some(stored.clone()))
                .await?;
            verdict == Verdict::Right { outdated: false }
        }
        (None, Some(_)) | (Some(_), None) => false,
    };
    let has_key = admin.public_key == configured.public_key;
    let is_member = [ADMIN, MESH_ADMINS, DELEGATES]
        .iter()
        .all(|group| admin.groups.contains_key(*group));
    if known.is_some() && is_set && has_key && is_member {
        return Ok(());
    }
    // Tokens of another host, or of a run whose store is gone, hold for a new administrator as for the former one.
    if known.is_some() && !(is_set && has_key) {
        admin.tokens_valid_from = issued.mark(now());
    }
    if !is_set {
        admin.password = match configured.password {
            Some(password) => Some(passwords.hash(ADMIN, password).await?),
            None => None,
        };
    }
    admin.public_key = configured.public_key;
    for group in [ADMIN, MESH_ADMINS, DELEGATES] {
        admin.groups.entry(group.into()).or_default();
    }
    directory.change().put_user(admin)?;
    Ok(())
}

fn add_anonymous(directory: &Directory) -> Result<(), OpenError> {
    if directory.user(ANONYMOUS).is_none() {
        let groups = [(GUESTS.into(), DocumentMeta::default())];
        directory.change().put_user(User {
            name: ANONYMOUS.into(),
            id: uuid::Uuid::new_v4().to_string(),
            groups: groups.into(),
            ..User::default()
        })?;
    }
    Ok(())
}
