//! The security of a mesh, as its configuration wants it.
//!
//! Enters: a configuration, the environment, the store. Leaves: a [`Security`], or what is wrong and where it is written.
//! Guarantees: a secure mesh has an administrator who can log in; no message shows a password or a secret.

use mesh_config::{Config, ConfigError, Spanned};
use mesh_security::{Administrator, OpenError, Security, digest};
use mesh_store::Store;
use std::sync::Arc;

/// The environment variable that the administrator's password may come from.
const ADMIN_PASSWORD: &str = "MESH_ADMIN_PASSWORD";

/// The faults of the keys of `[security]`, beside their types.
pub(super) fn check(config: &Config) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    let administrator = administrator(config);
    let can_log_in = administrator.password.is_some() || administrator.public_key.is_some();
    if config.happn.secure.value && !can_log_in {
        errors.push(no_admin_password(config));
    }
    let configured = &config.security;
    if let Some(key) = configured.admin_public_key.as_ref()
        && !digest::is_public_key(key)
    {
        errors.push(config.diagnose(
            key.at,
            "`admin_public_key` in [security] is no public key",
            Some("write an RSA key in PEM, or a compressed point of secp256k1 in base64".to_owned()),
        ));
    }
    for name in configured.checking_components() {
        errors.extend(check_provider(config, name));
    }
    if let Err(error) = mesh_security::Profiles::new(&configured.profiles, names(config)) {
        errors.push(config.diagnose(error.at(), error.to_string(), error.help()));
    }
    errors
}

/// The fault of the name of a component that is to check passwords.
fn check_provider(config: &Config, name: &Spanned<String>) -> Option<ConfigError> {
    let (fault, help) = if [mesh_security::HOST, mesh_security::OTHERS].contains(&name.as_str()) {
        (
            "means the host where clients say who checks passwords",
            "give the component another name",
        )
    } else if config
        .components
        .iter()
        .all(|other| other.name.value != name.value)
    {
        (
            "is no component",
            "add `[[components]]` with this name, or leave the key out",
        )
    } else {
        return None;
    };
    let message = format!(
        "`{}`, which is to check passwords, {fault}",
        name.value.escape_debug()
    );
    Some(config.diagnose(name.at, message, Some(help.to_owned())))
}

/// How names of users are compared.
fn names(config: &Config) -> mesh_security::Names {
    match config.security.case_insensitive_usernames {
        true => mesh_security::Names::AnyCase,
        false => mesh_security::Names::Exact,
    }
}

/// With what the administrator logs in.
fn administrator(config: &Config) -> Administrator {
    let configured = config.security.admin_password.as_ref();
    let password = configured
        .map(|password| password.value.expose().to_owned())
        .or_else(|| {
            std::env::var(ADMIN_PASSWORD)
                .ok()
                .filter(|password| !password.is_empty())
        });
    let public_key = config.security.admin_public_key.as_ref();
    Administrator {
        password,
        public_key: public_key.map(|key| key.value.clone()),
    }
}

/// Reads users and groups, and adds those that every secure mesh has.
pub(super) async fn open(config: &Config, store: Arc<dyn Store>) -> Result<Security, ConfigError> {
    let configured = &config.security;
    let names = names(config);
    let profiles = mesh_security::Profiles::new(&configured.profiles, names)
        .map_err(|error| config.diagnose(error.at(), error.to_string(), error.help()))?;
    let settings = mesh_security::Settings {
        name: config.name.value.clone(),
        domain: config.domain.value.clone(),
        allow_anonymous: configured.allow_anonymous,
        admin_over_network: configured.admin_over_network,
        http_logout: configured.http_logout,
        allow_nested_permissions: configured.allow_nested_permissions,
        lock_token_to_user: configured.lock_token_to_user,
        login_attempts: configured.login_attempts,
        lockout: configured.lockout,
        profiles,
        names,
        audited: mesh_security::Audited::new(&configured.audit_paths),
    };
    let secret = configured
        .token_secret
        .as_ref()
        .map(|secret| secret.value.expose().as_bytes());
    Security::open(settings, store, administrator(config), secret)
        .await
        .map_err(|error| {
            let help = matches!(error, OpenError::SameNames(_)).then(|| {
                "leave `case_insensitive_usernames` out, and delete or make anew all but one of them"
                    .to_owned()
            });
            config.diagnose(config.happn.secure.at, error.to_string(), help)
        })
}

fn no_admin_password(config: &Config) -> ConfigError {
    config.diagnose(
        config.happn.secure.at,
        "a secure mesh needs a password for its administrator, and there is no default one",
        Some(format!(
            "set `admin_password` or `admin_public_key` in [security], or the environment variable {ADMIN_PASSWORD}"
        )),
    )
}
