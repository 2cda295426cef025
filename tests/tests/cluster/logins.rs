//! Who logs in to a server, and whom the connection believes.

use crate::connection::{connect, event, failure, message, password, publish, settings};
use crate::tokens::Account;
use mesh_cluster::wire::{Connection, Event, Wire};
use mesh_nats::{Credentials, Identity, Nats, Settings, SettingsErrorKind};
use mesh_tests::certificates::Authority;
use mesh_tests::host::Folder;
use mesh_tests::nats::{self, NatsServer};
use nkeys::KeyPair;

/// Two connections with the same settings hear each other.
async fn serves(settings: &Settings) {
    let (mut one, mut other) = (connect(settings.clone()).await, connect(settings.clone()).await);
    one.subscribe("a").unwrap();
    publish(&mut one, "a", "own").await;
    assert_eq!(message(&mut one).await.payload, "own");
    publish(&mut other, "a", "of the other").await;
    assert_eq!(message(&mut one).await.payload, "of the other");
}

/// No server takes the connection, and this is said.
async fn is_refused(settings: Settings, expected: &str) -> (Nats, String) {
    let nats = Nats::connect(settings).await.expect("the settings are right");
    let said = failure(&nats, expected).await;
    assert_eq!((nats.state(), nats.connects()), (Connection::Down, 0));
    (nats, said)
}

#[tokio::test]
async fn a_user_with_a_password_is_let_in_and_a_wrong_password_is_told_and_not_repeated() {
    if !nats::is_there() {
        return;
    }
    let users = |password: &str| format!("authorization {{ user: joe, password: \"{password}\" }}\n");
    let mut server = NatsServer::with(&users("right"));
    let with = |password: &str| Settings {
        credentials: crate::connection::password("joe", password),
        ..settings(&server.url())
    };
    serves(&with("right")).await;
    let (mut wrong, said) = is_refused(with("very-wrong"), "it refuses the credentials").await;
    let (url, (nobody, _)) = (
        server.url(),
        is_refused(settings(&server.url()), "it refuses the credentials").await,
    );
    assert_eq!(
        said,
        format!("no connection to the cluster: {url}: it refuses the credentials")
    );
    let shown = format!("{wrong:?}");
    assert!(!shown.contains("very-wrong"), "{shown}");
    drop(nobody);
    // It is tried again, so that nothing has to be started anew where the server was wrong.
    server.kill();
    server.start_again(Some(&users("very-wrong")));
    assert_eq!(event(&mut wrong).await, Event::Connection(Connection::Up));
    assert_eq!(wrong.last_error(), None);
}

#[tokio::test]
async fn a_node_logs_in_with_an_nkey_and_another_one_is_refused() {
    if !nats::is_there() {
        return;
    }
    let folder = Folder::new("nkeys");
    let (right, wrong) = (KeyPair::new_user(), KeyPair::new_user());
    let server = NatsServer::with(&format!(
        "authorization {{ users: [ {{ nkey: {} }} ] }}\n",
        right.public_key()
    ));
    let with = |name: &str, key: &KeyPair| Settings {
        credentials: Credentials::Nkey(folder.write(name, &key.seed().expect("it has a seed"))),
        ..settings(&server.url())
    };
    serves(&with("right.nk", &right)).await;
    is_refused(with("wrong.nk", &wrong), "it refuses the credentials").await;
}

#[tokio::test]
async fn a_node_logs_in_with_a_credentials_file_and_one_of_another_account_is_refused() {
    if !nats::is_there() {
        return;
    }
    let folder = Folder::new("credentials");
    let (account, other) = (Account::new(), Account::new());
    let server = NatsServer::with(&account.configuration);
    let with = |name: &str, account: &Account| Settings {
        credentials: Credentials::File(folder.write(name, &account.credentials())),
        ..settings(&server.url())
    };
    serves(&with("right.creds", &account)).await;
    is_refused(with("wrong.creds", &other), "it refuses the credentials").await;
}

/// A server with a certificate, which wants one of each client where `verify` says so.
fn encrypted(folder: &Folder, authority: &Authority, verify: bool) -> NatsServer {
    authority.issue().write(folder);
    let ca = authority.write(folder);
    let path = |name: &str| folder.path().join(name).display().to_string();
    NatsServer::with(&format!(
        "tls {{ cert_file: \"{}\", key_file: \"{}\", ca_file: \"{}\", verify: {verify}, timeout: 60 }}\n",
        path("cert.pem"),
        path("key.pem"),
        ca.display()
    ))
}

#[tokio::test]
async fn a_server_is_believed_when_the_authority_of_the_settings_has_signed_its_certificate() {
    if !nats::is_there() {
        return;
    }
    let (folder, elsewhere) = (Folder::new("tls"), Folder::new("tls-other"));
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = encrypted(&folder, &authority, false);
    let trusting = |url: String, ca| Settings {
        authorities: Some(ca),
        ..settings(&url)
    };
    let right = authority.write(&folder);
    serves(&trusting(server.tls_url(), right.clone())).await;
    // The server asks for TLS where the address does not.
    serves(&trusting(server.url(), right)).await;
    let wrong = stranger.write(&elsewhere);
    let (_, said) = is_refused(trusting(server.tls_url(), wrong), "not trusted").await;
    assert!(said.contains(&server.tls_url()), "{said}");
    // Those of the system have not signed it either. A system without any is an error of its own.
    match Nats::connect(settings(&server.tls_url())).await {
        Ok(nats) => drop(failure(&nats, "not trusted").await),
        Err(error) => assert!(
            matches!(error.kind(), SettingsErrorKind::NoAuthorities),
            "{error}"
        ),
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_of_a_node_that_wants_tls() {
    if !nats::is_there() {
        return;
    }
    let folder = Folder::new("tls-none");
    let server = NatsServer::with("authorization { user: joe, password: right }\n");
    let wanting = Settings {
        authorities: Some(Authority::new().write(&folder)),
        credentials: password("joe", "right"),
        ..settings(&server.tls_url())
    };
    is_refused(wanting, "no connection to the cluster").await;
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_of_the_node_gets_it() {
    if !nats::is_there() {
        return;
    }
    let (of_server, of_node, of_other) = (
        Folder::new("mtls"),
        Folder::new("mtls-node"),
        Folder::new("mtls-other"),
    );
    let (authority, stranger) = (Authority::new(), Authority::new());
    let server = encrypted(&of_server, &authority, true);
    let ca = authority.write(&of_server);
    authority.issue().write(&of_node);
    stranger.issue().write(&of_other);
    let with = |identity: Option<&Folder>| Settings {
        authorities: Some(ca.clone()),
        identity: identity.map(|folder| Identity {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
        }),
        ..settings(&server.tls_url())
    };
    serves(&with(Some(&of_node))).await;
    for refused in [None, Some(&of_other)] {
        is_refused(with(refused), "it refuses the certificate of this node").await;
    }
}

#[tokio::test]
async fn files_of_certificates_that_do_not_fit_are_named_before_anything_is_tried() {
    let (one, other) = (Folder::new("files-one"), Folder::new("files-other"));
    let authority = Authority::new();
    authority.issue().write(&one);
    authority.issue().write(&other);
    let with = |authorities, certificate, key| Settings {
        authorities: Some(authorities),
        identity: Some(Identity { certificate, key }),
        ..settings("tls://127.0.0.1:4222")
    };
    let (ca, cert, key) = (
        authority.write(&one),
        one.path().join("cert.pem"),
        one.path().join("key.pem"),
    );
    let empty = one.write("empty.pem", "");
    let missing = one.path().join("missing.pem");
    let of_other = other.path().join("key.pem");
    for (settings, file, expected) in [
        (
            with(empty.clone(), cert.clone(), key.clone()),
            &empty,
            "there is no certificate in this file",
        ),
        (
            with(missing.clone(), cert.clone(), key.clone()),
            &missing,
            "the file cannot be read",
        ),
        (
            with(key.clone(), cert.clone(), key.clone()),
            &key,
            "there is no certificate in this file",
        ),
        (
            with(ca.clone(), empty.clone(), key.clone()),
            &empty,
            "there is no certificate in this file",
        ),
        (
            with(ca.clone(), cert.clone(), cert.clone()),
            &cert,
            "there is no private key",
        ),
        (
            with(ca.clone(), cert.clone(), of_other.clone()),
            &of_other,
            "this key cannot be used with the certificate",
        ),
    ] {
        let error = Nats::connect(settings).await.expect_err("a file is wrong");
        let said = error.to_string();
        assert!(
            said.starts_with(&format!("{}: {expected}", file.display())),
            "{said}"
        );
        assert!(!said.contains("PRIVATE KEY-----\nM"), "{said}");
    }
}
