//! `[cluster]`.
//!
//! Enters: the section of the tree, and what it needs of the rest of the file. Leaves: a [`ClusterConfig`] where the section is there,
//! all mistakes reported to the [`Reader`]. Guarantees: no message shows the password in a server's address.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_cluster::catalogue::{Expose, ExposeError};
use mesh_cluster::choice::Prefer;
use mesh_cluster::identity::{ClusterName, NameError, NodeName};
use mesh_cluster::presence;

use super::error::ErrorKind;
use super::keys;
use super::read::{Reader, Section};
use super::source::{Location, Spanned};
use super::tree::quoted;
use super::types::{AddressFault, ClusterConfig, ClusterIdentity, ClusterLogin, ServerAddress};
use super::values::{Named, check_item, fault_of_name, is_plain, located_path, size};

/// The part of the file that counts for a cluster and stands elsewhere.
pub(super) struct Surroundings<'a> {
    pub(super) folder: &'a Path,
    pub(super) name: &'a Spanned<String>,
    /// Where the domain was written.
    pub(super) domain: Option<Location>,
    /// Key `secure` of `[happn]`.
    pub(super) secure: &'a Spanned<bool>,
}

/// Reads the section.
pub(super) fn read<'a>(
    reader: &mut Reader<'a>,
    mut section: Section<'a>,
    surroundings: &Surroundings<'_>,
) -> Option<ClusterConfig> {
    if section.at == Location::Default {
        return None;
    }
    let at = section.at;
    let node = node(reader, surroundings.name);
    check_domain(reader, at, surroundings);
    let name = name(reader, &mut section);
    let dev = reader.boolean(&mut section, "dev", false);
    let servers = match dev.value && section.take("servers").is_none() {
        true => vec![Spanned::new(ServerAddress::of_development(), Location::Default)],
        false => servers(reader, &mut section, surroundings.secure.value),
    };
    check_development(reader, &dev, &servers);
    let login = login(reader, &mut section, surroundings.folder);
    let mut file = |key, label| {
        let path = reader.text(&mut section, key)?;
        Some(located_path(reader, label, path, surroundings.folder))
    };
    let authorities = file("ca", "`ca` in [cluster]");
    let cert = file("cert", "`cert` in [cluster]");
    let key = file("key", "`key` in [cluster]");
    let of_certificates = [("ca", &authorities), ("cert", &cert), ("key", &key)];
    check_encryption(reader, &servers, of_certificates);
    let identity = identity(reader, cert, key);
    let expose = expose(reader, &mut section);
    let prefer = reader.choice(&mut section, "prefer", keys::PREFERENCES);
    let wait_for = reader.texts(&mut section, "wait_for");
    for component in &wait_for {
        check_item(reader, component, "`wait_for` in [cluster]", Named::Component);
    }
    let min_nodes = reader.integer(&mut section, "min_nodes", keys::MIN_NODES);
    let wait = reader.integer(&mut section, "wait_ms", keys::WAIT_MS);
    let presence = presence(reader, &mut section);
    let link_bytes = reader.integer(&mut section, "link_bytes", keys::LINK_BYTES);
    let separate_users = reader.boolean(&mut section, "separate_users", false);
    check_users(reader, &separate_users, surroundings.secure);
    reader.finish(section);
    Some(ClusterConfig {
        at,
        name: name?,
        node: node?,
        servers,
        dev: dev.value,
        login,
        authorities,
        identity,
        expose,
        prefer: match prefer.value {
            "any" => Prefer::Any,
            _ => Prefer::Local,
        },
        wait_for,
        min_nodes: u32::try_from(min_nodes.value).unwrap_or(u32::MAX),
        wait: Duration::from_millis(wait.value),
        presence,
        link_bytes: size(&link_bytes),
        has_separate_users: separate_users.value,
    })
}

/// The name of the mesh as that of a node. A name that no mesh may have was reported before.
fn node(reader: &mut Reader<'_>, name: &Spanned<String>) -> Option<NodeName> {
    match NodeName::new(name) {
        Ok(node) => Some(node),
        Err(_) if fault_of_name(name, Named::Mesh).is_some() => None,
        Err(error) => {
            let message = format!(
                "`name` {}, found {}: with [cluster] it is the name of the node",
                error.fault,
                quoted(name)
            );
            reader.report(
                ErrorKind::InvalidValue,
                name.at,
                message,
                Some(better(name, &error)),
            );
            None
        }
    }
}

fn name<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Option<Spanned<ClusterName>> {
    let name = reader.required_text(section, "name", "shop")?;
    match ClusterName::new(&name) {
        Ok(checked) => Some(name.map(|_| checked)),
        Err(error) => {
            let message = format!("`name` in [cluster] {}, found {}", error.fault, quoted(&name));
            reader.report(
                ErrorKind::InvalidValue,
                name.at,
                message,
                Some(better(&name, &error)),
            );
            None
        }
    }
}

/// The rule of a name, and one that keeps to it.
fn better(name: &str, error: &NameError) -> String {
    let longest = error.longest;
    let rule = format!("use 1 to {longest} letters, digits, `-` and `_`");
    let parts = name.split(|letter: char| !letter.is_ascii() || !is_plain(letter));
    let better: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
    match better.join("-") {
        better if better.is_empty() || better.len() > longest => rule,
        better => format!("{rule}, as in `name = \"{better}\"`"),
    }
}

/// Where none is written it is the name, which differs from node to node.
fn check_domain(reader: &mut Reader<'_>, at: Location, surroundings: &Surroundings<'_>) {
    if surroundings.domain.is_none() {
        let message = "missing key `domain` at the top level: with [cluster] all nodes have the same one";
        let help = "add a line such as `domain = \"shop\"` before the first `[section]`".to_owned();
        reader.report(ErrorKind::MissingKey, at, message, Some(help));
    }
}

/// A server of another machine cannot be started here.
fn check_development(reader: &mut Reader<'_>, dev: &Spanned<bool>, servers: &[Spanned<ServerAddress>]) {
    let is_elsewhere = |server: &&Spanned<ServerAddress>| server.is_encrypted || server.is_open();
    let Some(server) = servers.iter().find(is_elsewhere).filter(|_| dev.value) else {
        return;
    };
    let message = format!(
        "`dev` in [cluster] is for servers on this machine, and {} is none",
        server.value
    );
    let help = "leave `dev` out, or write `servers = [\"nats://127.0.0.1:4222\"]`";
    reader.report(ErrorKind::InvalidValue, dev.at, message, Some(help.to_owned()));
}

/// Somebody who adds a user, or takes a right away, would believe that this holds on all nodes.
fn check_users(reader: &mut Reader<'_>, separate_users: &Spanned<bool>, secure: &Spanned<bool>) {
    if !secure.value || separate_users.value {
        return;
    }
    let (kind, at) = match separate_users.at {
        Location::Default => (ErrorKind::MissingKey, secure.at),
        at => (ErrorKind::InvalidValue, at),
    };
    let message = "a secure mesh with [cluster] needs `separate_users = true` there: users, groups and permissions are each \
                   node's own";
    let help = "write `separate_users = true` in [cluster], and make the same users on all nodes";
    reader.report(kind, at, message, Some(help.to_owned()));
}

fn servers<'a>(
    reader: &mut Reader<'a>,
    section: &mut Section<'a>,
    is_secure: bool,
) -> Vec<Spanned<ServerAddress>> {
    let example = "`servers = [\"tls://nats-1.example:4222\"]`";
    let texts = reader.required_texts(section, "servers", "tls://nats-1.example:4222");
    let mut servers = Vec::new();
    for text in texts {
        match ServerAddress::parse(&text) {
            Ok(server) if is_secure && server.is_open() => {
                let message = format!(
                    "each of `servers` in [cluster] must begin with `tls://` in a secure mesh, found {}",
                    quoted(&text)
                );
                let encrypted = ServerAddress {
                    is_encrypted: true,
                    ..server
                };
                let help = format!("write \"{encrypted}\"; `nats://` is for servers on this machine");
                reader.report(ErrorKind::InvalidValue, text.at, message, Some(help));
            }
            Ok(server) => servers.push(text.map(|_| server)),
            Err(AddressFault::User) => {
                let message = "each of `servers` in [cluster] must have no user and no password in it";
                let help = "write `user` in a line of its own, and the password into the environment variable \
                            MESH_CLUSTER_PASSWORD";
                reader.report(ErrorKind::InvalidValue, text.at, message, Some(help.to_owned()));
            }
            Err(AddressFault::Form) => {
                let message = format!(
                    "each of `servers` in [cluster] must be `tls://host:port` or `nats://host:port`, found {}",
                    quoted(&text)
                );
                let help = Some(format!("write for example {example}"));
                reader.report(ErrorKind::InvalidValue, text.at, message, help);
            }
        }
    }
    servers
}

fn login<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>, folder: &Path) -> Option<ClusterLogin> {
    let user = reader.text(section, "user");
    if let Some(empty) = user.as_ref().filter(|user| user.is_empty()) {
        let help = Some("leave the key out where the servers let everybody in".to_owned());
        let message = "`user` in [cluster] must not be empty";
        reader.report(ErrorKind::InvalidValue, empty.at, message, help);
    }
    let mut file = |key, label| {
        let path = reader.text(section, key)?;
        Some(located_path(reader, label, path, folder))
    };
    let credentials = file("credentials", "`credentials` in [cluster]");
    let nkey = file("nkey", "`nkey` in [cluster]");
    let ways = [
        user.map(|user| ("user", user.at, ClusterLogin::User(user))),
        credentials.map(|file| ("credentials", file.at, ClusterLogin::Credentials(file))),
        nkey.map(|file| ("nkey", file.at, ClusterLogin::Nkey(file))),
    ];
    let mut ways = ways.into_iter().flatten();
    let (first, _, login) = ways.next()?;
    for (other, at, _) in ways {
        let message = format!("`{first}` and `{other}` in [cluster] cannot stand together");
        let help = "a node logs in in one way: leave out all but one of `user`, `credentials` and `nkey`";
        reader.report(ErrorKind::InvalidValue, at, message, Some(help.to_owned()));
    }
    Some(login)
}

/// Files of certificates where no connection is encrypted: they would do nothing, and somebody relies on them.
fn check_encryption(
    reader: &mut Reader<'_>,
    servers: &[Spanned<ServerAddress>],
    files: [(&'static str, &Option<Spanned<PathBuf>>); 3],
) {
    if servers.is_empty() || servers.iter().any(|server| server.is_encrypted) {
        return;
    }
    for (key, file) in files {
        let Some(file) = file else { continue };
        let message = format!("`{key}` in [cluster] is for servers with `tls://`, and `servers` names none");
        let help = format!("write `tls://` in place of `nats://` in `servers`, or leave `{key}` out");
        reader.report(ErrorKind::InvalidValue, file.at, message, Some(help));
    }
}

/// The certificate of the node: one key without the other is an error.
fn identity(
    reader: &mut Reader<'_>,
    cert: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
) -> Option<ClusterIdentity> {
    let (given, missing, at) = match (&cert, &key) {
        (Some(cert), None) => ("cert", "key", cert.at),
        (None, Some(key)) => ("key", "cert", key.at),
        _ => {
            return Some(ClusterIdentity {
                cert: cert?,
                key: key?,
            });
        }
    };
    let message = format!("`{given}` in [cluster] needs `{missing}`: a certificate is shown with its key");
    let help = Some(format!("add a line such as `{missing} = \"tls/{missing}.pem\"`"));
    reader.report(ErrorKind::MissingKey, at, message, help);
    None
}

fn expose<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Expose {
    if section.take("expose").is_none() {
        return Expose::all();
    }
    let items = reader.texts(section, "expose");
    for item in &items {
        let (message, help) = match Expose::parse([item.as_str()]) {
            Ok(_) => continue,
            Err(ExposeError::Name(_)) => (
                format!(
                    "each of `expose` in [cluster] must name a component, found {}",
                    quoted(item)
                ),
                "write `\"*\"` for all, a name, or a name with a range, such as `\"calc@^1\"`",
            ),
            Err(ExposeError::Range(_, error)) => (
                format!(
                    "each of `expose` in [cluster] must have a range behind its `@`, found {}: {}",
                    quoted(item),
                    error.kind()
                ),
                "write an npm range behind the `@`, such as `\"calc@^1.2.0\"`",
            ),
        };
        reader.report(ErrorKind::InvalidValue, item.at, message, Some(help.to_owned()));
    }
    // Each item that is wrong was reported.
    Expose::parse(items.iter().map(|item| item.as_str())).unwrap_or_else(|_| Expose::all())
}

fn presence<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> presence::Settings {
    let beat = reader.integer(section, "beat_ms", keys::BEAT_MS);
    let suspect_beats = reader.integer(section, "suspect_beats", keys::SUSPECT_BEATS);
    let lost = reader.integer(section, "lost_ms", keys::LOST_MS);
    let away = reader.integer(section, "away_ms", keys::AWAY_MS);
    let forget = reader.integer(section, "forget_ms", keys::FORGET_MS);
    let suspect = beat.value * suspect_beats.value;
    if lost.value < suspect {
        let written = [lost.at, beat.at, suspect_beats.at];
        let at = written.into_iter().find(|at| *at != Location::Default);
        let message = format!(
            "a node would be lost before it is suspect: `lost_ms` in [cluster] is {}, and `beat_ms` times \
             `suspect_beats` is {suspect}",
            lost.value
        );
        let help = format!("write `lost_ms = {suspect}` or more, or fewer beats of a shorter time");
        reader.report(
            ErrorKind::InvalidValue,
            at.unwrap_or_default(),
            message,
            Some(help),
        );
    }
    presence::Settings {
        beat: Duration::from_millis(beat.value),
        suspect_beats: u32::try_from(suspect_beats.value).unwrap_or(u32::MAX),
        lost: Duration::from_millis(lost.value),
        away: Duration::from_millis(away.value),
        forget: Duration::from_millis(forget.value),
        ..presence::Settings::default()
    }
}
