//! Where the control socket of a host is.
//!
//! Enters: the path of a mesh.toml, and `MESH_SOCKET`. Leaves: a socket that only this user can reach, and the way of
//! a command to it. Guarantees: nothing is said to a socket before it is known that it is served by a user who is to
//! be believed. A host is found by the name of its mesh.toml also when a link in that path leads elsewhere meanwhile.

use super::run_folder::{self, private_run_folder, user};
use rustix::fs::Mode;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

/// The environment variable that says where the socket is.
const MESH_SOCKET: &str = "MESH_SOCKET";
/// More does not fit into the address of a socket.
const LONGEST_PATH: usize = 107;
/// How many clients may wait to be accepted.
const BACKLOG: i32 = 64;

/// A socket that may be one of a host.
#[derive(Debug)]
pub(super) struct Address {
    pub(super) path: PathBuf,
    /// It was named, and not found in a folder of this user.
    is_named: bool,
}

/// Where the environment says that the socket is.
fn named() -> Option<PathBuf> {
    let path = std::env::var_os(MESH_SOCKET).filter(|path| !path.is_empty())?;
    std::path::absolute(path).ok()
}

/// The beginnings of the names of the sockets of hosts that run with this configuration file: one for each way to see its path.
fn prefixes(config: &Path) -> Vec<String> {
    let as_named = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
    let in_folder = as_named
        .parent()
        .and_then(|folder| fs::canonicalize(folder).ok())
        .zip(as_named.file_name())
        .map(|(folder, name)| folder.join(name));
    let resolved = fs::canonicalize(config).ok();
    let mut found = Vec::new();
    for path in resolved.into_iter().chain(in_folder).chain([as_named]) {
        let prefix = prefix(&path);
        if !found.contains(&prefix) {
            found.push(prefix);
        }
    }
    found
}

fn prefix(path: &Path) -> String {
    // FNV-1a: names must be equal between builds, which the standard library's hasher does not promise.
    let hash = path
        .as_os_str()
        .as_encoded_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("{hash:016x}-")
}

/// A socket that is listened to, and all its names.
pub(super) struct Bound {
    pub(super) listener: UnixListener,
    pub(super) paths: Vec<PathBuf>,
}

/// Makes the socket of a host that runs with this configuration file.
pub(super) fn bind(config: &Path) -> io::Result<Bound> {
    if let Some(path) = named() {
        let listener = bind_named(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("{MESH_SOCKET} {}: {error}", path.display()))
        })?;
        let paths = vec![path];
        return Ok(Bound { listener, paths });
    }
    let folder = private_run_folder()?;
    remove_left_behind(&folder);
    let mut paths: Vec<PathBuf> = prefixes(config)
        .into_iter()
        .map(|prefix| folder.join(format!("{prefix}{}.sock", std::process::id())))
        .collect();
    for path in &paths {
        let _ = fs::remove_file(path);
    }
    let listener = listen(&paths[0])?;
    if let Some(own) = paths[0].file_name().map(ToOwned::to_owned) {
        // A host that is found by one name only is better than none.
        paths.retain(|path| path.ends_with(&own) || symlink(&own, path).is_ok());
    }
    Ok(Bound { listener, paths })
}

fn bind_named(path: &Path) -> io::Result<UnixListener> {
    match fs::symlink_metadata(path) {
        Ok(about) if !about.file_type().is_socket() => {
            return Err(io::Error::other("something that is no socket is there"));
        }
        Ok(_) if !is_left_behind(path) => {
            return Err(io::Error::other(
                "another process listens there, or it belongs to another user",
            ));
        }
        Ok(_) => fs::remove_file(path)?,
        Err(_) => {}
    }
    listen(path)
}

/// A new socket that this user alone can reach, whatever the umask.
fn listen(path: &Path) -> io::Result<UnixListener> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    if path.as_os_str().len() > LONGEST_PATH {
        return Err(io::Error::other(format!(
            "the path of a socket may have {LONGEST_PATH} bytes, and {} has more: set {MESH_SOCKET} to a shorter one",
            path.display()
        )));
    }
    let address = SocketAddrUnix::new(path)?;
    // On Linux a socket's name gets the mode that the socket has.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    rustix::net::bind(&socket, &address)?;
    if fs::symlink_metadata(path)?.mode() & 0o077 != 0 {
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    }
    rustix::net::listen(&socket, BACKLOG)?;
    Ok(socket.into())
}

/// Whether nobody listens to this socket any more.
fn is_left_behind(path: &Path) -> bool {
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => false,
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => true,
        // A link to one that is gone.
        Err(error) => error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_ok(),
    }
}

/// Removes sockets of hosts that were killed: nobody listens there any more.
fn remove_left_behind(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "sock") && is_left_behind(&path) {
            let _ = fs::remove_file(path);
        }
    }
}

/// The sockets of hosts that run with this configuration file, the one started last first.
pub(super) fn find(config: &Path) -> Vec<Address> {
    if let Some(path) = named().filter(|path| fs::symlink_metadata(path).is_ok()) {
        let is_named = true;
        return vec![Address { path, is_named }];
    }
    let prefixes = prefixes(config);
    let mut sockets = Vec::new();
    for folder in run_folder::all() {
        let (mut hosts, entries) = (Vec::new(), fs::read_dir(&folder).into_iter().flatten().flatten());
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            let host = prefixes.iter().find_map(|prefix| name.strip_prefix(&**prefix));
            // A host has several names.
            let Some(host) = host.filter(|host| !hosts.iter().any(|other| other == host)) else {
                continue;
            };
            hosts.push(host.to_owned());
            let started = fs::metadata(entry.path()).and_then(|about| about.modified());
            sockets.push((started.ok(), entry.path()));
        }
    }
    sockets.sort();
    let found = sockets.into_iter().rev().map(|(_, path)| Address {
        path,
        is_named: false,
    });
    found.collect()
}

impl Address {
    /// Connects, and makes sure of who is there before anything is said.
    pub(super) async fn connect(&self) -> io::Result<UnixStream> {
        let stream = UnixStream::connect(&self.path).await?;
        let other = stream.peer_cred()?.uid();
        let own = user();
        let is_believed = match self.is_named {
            false => other == own,
            // The user that runs a service may ask it, and so may root.
            true => own == 0 || other == own || other == 0 || self.owner_of_folder() == Some(other),
        };
        match is_believed {
            true => Ok(stream),
            false => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!(
                    "{} is served by user {other}, who is not to be believed: neither this user nor root nor the owner of \
                     its folder",
                    self.path.display()
                ),
            )),
        }
    }

    fn owner_of_folder(&self) -> Option<u32> {
        let folder = fs::metadata(self.path.parent()?).ok()?;
        Some(folder.uid())
    }

    /// Removes a socket that nobody listens to, if it is this user's to remove.
    pub(super) fn forget(&self) {
        if !self.is_named {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_known_by_each_way_to_see_it() {
        let folder = std::env::temp_dir().join(format!("mesh-address-{}", mesh_files::unique()));
        fs::create_dir_all(folder.join("v0")).unwrap();
        fs::create_dir_all(folder.join("v1")).unwrap();
        for version in ["v0", "v1"] {
            fs::write(folder.join(version).join("mesh.toml"), "").unwrap();
        }
        symlink("v0", folder.join("data")).unwrap();
        symlink("data/mesh.toml", folder.join("mesh.toml")).unwrap();
        let shares = |one: &[String], other: &[String]| one.iter().any(|prefix| other.contains(prefix));
        let before = prefixes(&folder.join("mesh.toml"));
        let through_folder = prefixes(&folder.join("data/mesh.toml"));
        assert!(shares(&before, &prefixes(&folder.join("v0/mesh.toml"))));
        fs::remove_file(folder.join("data")).unwrap();
        symlink("v1", folder.join("data")).unwrap();
        assert!(shares(&before, &prefixes(&folder.join("mesh.toml"))));
        assert!(shares(&through_folder, &prefixes(&folder.join("data/mesh.toml"))));
        assert!(!shares(&before, &prefixes(&folder.join("v1/mesh.toml"))));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_socket_is_this_user_s_alone() {
        let folder = std::env::temp_dir().join(format!("mesh-address-{}", mesh_files::unique()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.sock");
        let listener = bind_named(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert!(bind_named(&path).is_err(), "somebody listens there");
        drop(listener);
        drop(bind_named(&path).unwrap());
        fs::remove_file(&path).unwrap();
        fs::write(&path, "").unwrap();
        assert!(bind_named(&path).is_err(), "it is no socket");
        let long = folder.join("x".repeat(120));
        assert!(bind_named(&long).unwrap_err().to_string().contains("MESH_SOCKET"));
        fs::remove_dir_all(folder).unwrap();
    }
}
