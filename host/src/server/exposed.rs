//! Files with secrets that other users of the machine can read.
//!
//! Enters: a configuration. Leaves: a sentence for each file that others may read, with the command that mends it.
//! Guarantees: nothing is changed, since somebody may have meant it so.

use mesh_config::{ClusterLogin, Config, Location};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The rights of others to a file.
#[derive(Clone, Copy)]
enum Allowed {
    /// Nothing, nor may its group.
    Nothing,
    /// Nothing; a group may be there to read it, such as one for certificates.
    ReadingByGroup,
}

/// The warnings about the files of this configuration.
pub fn warnings(config: &Config) -> Vec<String> {
    let security = &config.security;
    let mut said = Vec::new();
    if let Some(path) = &config.store.path {
        let what = match config.happn.secure.value {
            true => "the store, which holds hashes of passwords and the secret that signs tokens",
            false => "the store",
        };
        said.extend(warning(&path.value, what, Allowed::Nothing));
    }
    if let Some(tls) = &config.happn.tls {
        let what = "the private key of the certificate";
        said.extend(warning(&tls.key.value, what, Allowed::ReadingByGroup));
    }
    if let Some(cluster) = &config.cluster {
        let login = match &cluster.login {
            Some(ClusterLogin::Credentials(file)) => {
                Some((file, "what the node logs in to its cluster with"))
            }
            Some(ClusterLogin::Nkey(file)) => {
                Some((file, "the seed that the node logs in to its cluster with"))
            }
            Some(ClusterLogin::User(_)) | None => None,
        };
        let key = cluster.identity.as_ref();
        let key = key.map(|files| (&files.key, "the private key of the node's certificate"));
        for (file, what) in login.into_iter().chain(key) {
            said.extend(warning(&file.value, what, Allowed::ReadingByGroup));
        }
    }
    let secrets = [
        (
            "admin_password",
            security.admin_password.as_ref().map(|secret| secret.at),
        ),
        (
            "token_secret",
            security.token_secret.as_ref().map(|secret| secret.at),
        ),
    ];
    let in_file: Vec<&str> = secrets
        .into_iter()
        .filter(|(_, at)| matches!(at, Some(Location::File { .. })))
        .map(|(key, _)| key)
        .collect();
    if !in_file.is_empty() {
        let what = format!("mesh.toml, which holds {}", in_file.join(" and "));
        said.extend(warning(config.file(), &what, Allowed::ReadingByGroup));
    }
    said
}

fn warning(path: &Path, what: &str, allowed: Allowed) -> Option<String> {
    let mode = fs::metadata(path).ok()?.mode() & 0o777;
    let (refused, command) = match allowed {
        Allowed::Nothing => (0o077, "chmod 600"),
        Allowed::ReadingByGroup => (0o027, "chmod o-rwx,g-w"),
    };
    // A user who may write a file may read what is written to it next.
    (mode & refused & 0o066 != 0).then(|| {
        let path = path.display();
        format!(
            "{path} is {what}: other users of this machine can reach it (mode {mode:04o}); `{command} {path}` keeps it to \
             this user"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_what_others_can_reach_is_said() {
        let path = std::env::temp_dir().join(format!("mesh-exposed-{}", mesh_files::unique()));
        fs::write(&path, "").unwrap();
        let said = |mode, allowed| {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            warning(&path, "the store", allowed)
        };
        assert_eq!(said(0o600, Allowed::Nothing), None);
        assert_eq!(said(0o640, Allowed::ReadingByGroup), None);
        for (mode, allowed) in [
            (0o644, Allowed::Nothing),
            (0o640, Allowed::Nothing),
            (0o604, Allowed::ReadingByGroup),
            (0o620, Allowed::ReadingByGroup),
        ] {
            let text = said(mode, allowed).unwrap();
            assert!(
                text.contains(&format!("mode {mode:04o}")) && text.contains("chmod"),
                "{text}"
            );
        }
        fs::remove_file(path).unwrap();
    }
}
