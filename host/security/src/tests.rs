//! Logins, tokens and providers of one security or of several, without sockets.

use super::directory::User;
use super::provider::{Answer, Answering, Person, Provider, Question};
use super::token::{Claims, Tokens};
use super::*;
use mesh_config::ProfileConfig;
use mesh_store::{MemoryStore, Store};
use mesh_wire::protocol::Dialect;
use std::net::IpAddr;
use std::sync::atomic::AtomicUsize;

const SECRET: &str = "a secret of at least 32 bytes, for tests";
const PASSWORD: &str = "right";

fn settings() -> Settings {
    Settings {
        name: "TestNode".to_owned(),
        domain: "TestNode".to_owned(),
        allow_anonymous: false,
        admin_over_network: true,
        http_logout: false,
        lock_token_to_user: false,
        allow_nested_permissions: false,
        login_attempts: 4,
        lockout: Duration::from_secs(600),
        profiles: Profiles::new(&[], Names::Exact).expect("there are no operators"),
        names: Names::Exact,
        audited: Audited::default(),
    }
}

fn administrator(password: &str) -> Administrator {
    Administrator {
        password: Some(password.to_owned()),
        public_key: None,
    }
}

async fn security_of(settings: Settings, store: Arc<dyn Store>, administrator: Administrator) -> Security {
    let opened = Security::open(settings, store, administrator, Some(SECRET.as_bytes())).await;
    opened.unwrap_or_else(|error| panic!("{error}"))
}

async fn security(settings: Settings) -> Security {
    security_of(
        settings,
        Arc::new(MemoryStore::default()),
        administrator(PASSWORD),
    )
    .await
}

fn client() -> Client {
    Client {
        address: IpAddr::from([127, 0, 0, 1]),
        kind: TokenKind::Stateful,
        is_encrypted: false,
        info: Info::default(),
        dialect: Dialect::OF_HTTP,
        session_id: uuid::Uuid::new_v4().to_string(),
    }
}

fn by_password(username: &str, password: &str) -> Credentials {
    Credentials::Password {
        username: username.to_owned(),
        password: password.to_owned(),
        chosen: None,
    }
}

async fn add(security: &Security, name: &str) {
    let password = security.hash(ADMIN, PASSWORD.to_owned()).await.unwrap();
    let user = User {
        name: name.into(),
        id: uuid::Uuid::new_v4().to_string(),
        password: Some(password),
        ..User::default()
    };
    security.directory().change().put_user(user).unwrap();
}

async fn enter(security: &Security, name: &str) -> String {
    let accepted = security.login(by_password(name, PASSWORD), &client()).await;
    accepted.unwrap().login.token.to_string()
}

async fn show(security: &Security, token: &str) -> Result<Accepted, Denied> {
    security
        .login(Credentials::Token(token.to_owned()), &client())
        .await
}

#[tokio::test]
async fn a_token_holds_on_every_host_with_the_secret_and_after_a_restart() {
    let one = security(settings()).await;
    let other = security(Settings {
        name: "Other".to_owned(),
        ..settings()
    })
    .await;
    add(&one, "bob").await;
    for name in [ADMIN, "bob"] {
        let token = enter(&one, name).await;
        if name == "bob" {
            assert_eq!(
                show(&other, &token).await.err(),
                Some(Denied::Credentials),
                "nobody there"
            );
            add(&other, "bob").await;
        }
        assert_eq!(&*show(&other, &token).await.unwrap().user.name, name);
    }
}

#[tokio::test]
async fn a_profile_and_a_key_lock_tokens_to_a_mesh_and_to_a_user() {
    let strict = ProfileConfig {
        name: "strict".to_owned(),
        users: vec!["bob".to_owned()],
        groups: Vec::new(),
        kind: None,
        browser: None,
        info: Vec::new(),
        ttl: None,
        inactivity: None,
        usage_limit: None,
        token_logins: true,
        lock_token_to_address: false,
        lock_token_to_origin: true,
        addresses: Vec::new(),
        permissions: None,
    };
    let one = security(settings()).await;
    let locked = Settings {
        name: "Other".to_owned(),
        profiles: Profiles::new(&[strict], Names::Exact).unwrap(),
        lock_token_to_user: true,
        ..settings()
    };
    let other = security(locked).await;
    for name in ["bob", "carol"] {
        add(&one, name).await;
        add(&other, name).await;
    }
    let denied = show(&other, &enter(&one, "bob").await).await.err();
    assert_eq!(
        denied,
        Some(Denied::OtherUser("bob".to_owned())),
        "the user counts first"
    );
    let own = enter(&other, "bob").await;
    assert!(show(&other, &own).await.is_ok());

    let unlocked = Settings {
        lock_token_to_user: false,
        allow_nested_permissions: false,
        ..other.settings().clone()
    };
    let third = security(unlocked).await;
    add(&third, "bob").await;
    add(&third, "carol").await;
    let denied = show(&third, &enter(&one, "bob").await).await.err();
    assert_eq!(denied, Some(Denied::TokenOrigin));
    assert!(
        show(&third, &enter(&one, "carol").await).await.is_ok(),
        "another profile"
    );
}

#[tokio::test]
async fn a_user_who_is_made_again_is_another_user() {
    let security = security(settings()).await;
    add(&security, "bob").await;
    let before = enter(&security, "bob").await;
    {
        let change = security.directory().change();
        let mark = security.tokens_valid_from_now();
        change.remove_user("bob", mark).unwrap();
    }
    assert_eq!(show(&security, &before).await.err(), Some(Denied::Credentials));
    add(&security, "bob").await;
    let denied = show(&security, &before).await.err();
    assert_eq!(denied, Some(Denied::OtherUser("bob".to_owned())));
    let after = enter(&security, "bob").await;
    assert!(show(&security, &after).await.is_ok());
}

#[tokio::test]
async fn tokens_of_the_future_and_tokens_of_an_older_password_do_not_hold() {
    let security = security(settings()).await;
    add(&security, "bob").await;
    let own = enter(&security, "bob").await;
    let tokens = Tokens::new(SECRET.as_bytes()).unwrap();
    let made_at = |timestamp: u64| {
        let claims = Claims {
            id: uuid::Uuid::new_v4().to_string(),
            timestamp,
            ..tokens.read(&own).unwrap()
        };
        tokens.issue(&claims).unwrap()
    };
    const DAY: u64 = 24 * 60 * 60 * 1000;
    assert_eq!(
        show(&security, &made_at(now() + DAY)).await.err(),
        Some(Denied::Future)
    );
    assert_eq!(
        show(&security, &made_at(u64::MAX)).await.err(),
        Some(Denied::Future)
    );
    let ahead = made_at(now() + 30_000);
    assert!(
        show(&security, &ahead).await.is_ok(),
        "the clock of another host is a little ahead"
    );

    let renewed = security.hash(ADMIN, "new".to_owned()).await.unwrap();
    {
        let change = security.directory().change();
        let bob = security.directory().user("bob").unwrap();
        let changed = User {
            password: Some(renewed),
            tokens_valid_from: security.tokens_valid_from_now(),
            ..User::clone(&bob)
        };
        change.put_user(changed).unwrap();
    }
    assert_eq!(show(&security, &own).await.err(), Some(Denied::Outdated));
    assert_eq!(
        show(&security, &ahead).await.err(),
        Some(Denied::Outdated),
        "although it says that it was made later"
    );
    let accepted = security
        .login(by_password("bob", "new"), &client())
        .await
        .unwrap();
    assert!(show(&security, &accepted.login.token).await.is_ok());
}

#[tokio::test]
async fn a_new_password_of_the_administrator_ends_tokens_and_a_new_store_does_not() {
    let store = Arc::new(MemoryStore::default());
    let first = security_of(settings(), store.clone(), administrator(PASSWORD)).await;
    let token = enter(&first, ADMIN).await;
    let again = security_of(settings(), store.clone(), administrator(PASSWORD)).await;
    assert!(show(&again, &token).await.is_ok());
    let changed = security_of(settings(), store, administrator("another")).await;
    assert_eq!(show(&changed, &token).await.err(), Some(Denied::Outdated));
    let elsewhere = security(settings()).await;
    assert!(show(&elsewhere, &token).await.is_ok());
}

#[tokio::test]
async fn the_administrator_may_have_a_key_and_no_password() {
    use data_encoding::BASE64;
    use k256::ecdsa::signature::hazmat::PrehashSigner;
    use k256::ecdsa::{Signature, SigningKey};
    let key = SigningKey::from_slice(&[7; 32]).unwrap();
    let public_key = BASE64.encode(key.verifying_key().to_sec1_point(true).as_bytes());
    assert!(digest::is_public_key(&public_key));
    let store = Arc::new(MemoryStore::default());
    let configured = Administrator {
        password: None,
        public_key: Some(public_key.clone()),
    };
    let before = security_of(settings(), store.clone(), administrator(PASSWORD)).await;
    let token = enter(&before, ADMIN).await;
    let security = security_of(settings(), store, configured).await;
    assert_eq!(show(&security, &token).await.err(), Some(Denied::Outdated));
    let refused = security.login(by_password(ADMIN, PASSWORD), &client()).await;
    assert_eq!(
        refused.err(),
        Some(Denied::Credentials),
        "the former password is gone"
    );
    let nonce = security.nonce(&public_key).unwrap();
    let nonce = BASE64.decode(nonce.as_bytes()).unwrap();
    let signature: Signature = key.sign_prehash(&nonce).unwrap();
    let signed = Credentials::Digest {
        username: ADMIN.to_owned(),
        public_key,
        digest: BASE64.encode(signature.to_der().as_bytes()),
    };
    let accepted = security.login(signed, &client()).await.unwrap();
    assert!(security.access_of_login(&accepted.login).unwrap().is_everything());
}

/// Knows `bob` and what it is told; breaks for `broken`.
struct Doorman {
    person: Mutex<Person>,
    asked: AtomicUsize,
    told: Mutex<Vec<String>>,
}

impl Provider for Doorman {
    fn name(&self) -> &str {
        "doorman"
    }

    fn authenticate<'a>(&'a self, question: Question<'a>) -> Answering<'a> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            tokio::task::yield_now().await;
            match (question.username, question.password) {
                ("broken", _) => Err("no connection".to_owned()),
                (_, PASSWORD) => Ok(Answer::Accepted(self.person.lock().unwrap().clone())),
                _ => Ok(Answer::Refused),
            }
        })
    }

    fn user_changed(&self, user: &User) {
        self.told.lock().unwrap().push(user.name.to_string());
    }
}

fn doorman(groups: &[&str]) -> Arc<Doorman> {
    Arc::new(Doorman {
        person: Mutex::new(Person {
            groups: Some(groups.iter().map(|name| (*name).to_owned()).collect()),
            custom_data: Some(serde_json::json!({"team": "a"})),
        }),
        asked: AtomicUsize::new(0),
        told: Mutex::default(),
    })
}

#[tokio::test]
async fn a_provider_decides_and_its_users_are_in_the_directory() {
    let security = security(settings()).await;
    for name in ["readers", "writers"] {
        let group = Group {
            name: name.into(),
            ..Group::default()
        };
        security.directory().change().put_group(group).unwrap();
    }
    add(&security, "local").await;
    let doorman = doorman(&["readers", "nowhere", ADMIN, DELEGATES]);
    security.provide(Providers::new(Checker::Component(doorman.clone()), Vec::new()));

    let bob = security
        .login(by_password("bob", PASSWORD), &client())
        .await
        .unwrap()
        .user;
    let groups = |user: &User| {
        user.groups
            .keys()
            .map(|name| name.to_string())
            .collect::<Vec<_>>()
    };
    assert_eq!(groups(&bob), [GUESTS, "readers"], "no administrators are made");
    assert_eq!(bob.custom_data, Some(serde_json::json!({"team": "a"})));
    assert_eq!(bob.fields["authType"], "doorman");
    let again = security
        .login(by_password("bob", PASSWORD), &client())
        .await
        .unwrap()
        .user;
    assert_eq!(again.id, bob.id);
    assert_eq!(
        *doorman.told.lock().unwrap(),
        ["bob"],
        "nothing has changed since"
    );

    doorman.person.lock().unwrap().groups = Some(vec!["writers".to_owned()]);
    let changed = security
        .login(by_password("bob", PASSWORD), &client())
        .await
        .unwrap()
        .user;
    assert_eq!(groups(&changed), [GUESTS, "writers"]);
    doorman.person.lock().unwrap().groups = None;
    let kept = security
        .login(by_password("bob", PASSWORD), &client())
        .await
        .unwrap()
        .user;
    assert_eq!(groups(&kept), [GUESTS, "writers"], "nothing was said of them");

    // A password that is kept here counts for nothing, and neither does a name that nobody may have.
    let wrong = security.login(by_password("local", "other"), &client()).await;
    assert_eq!(wrong.err(), Some(Denied::Credentials));
    let asked = doorman.asked.load(Ordering::Relaxed);
    for name in ["a/b", "a*", " bob", ""] {
        let refused = security.login(by_password(name, PASSWORD), &client()).await;
        assert_eq!(refused.err(), Some(Denied::Credentials), "{name:?}");
    }
    assert_eq!(doorman.asked.load(Ordering::Relaxed), asked);
}

#[tokio::test]
async fn a_provider_that_breaks_locks_nobody_out_for_good() {
    let security = security(settings()).await;
    let doorman = doorman(&[]);
    security.provide(Providers::new(Checker::Component(doorman.clone()), Vec::new()));
    for _ in 0..10 {
        let refused = security.login(by_password("broken", PASSWORD), &client()).await;
        assert_eq!(refused.err(), Some(Denied::Provider));
    }
    assert!(security.directory().user("broken").is_none());
    let asked = doorman.asked.load(Ordering::Relaxed);
    assert!(
        security
            .login(by_password(ADMIN, PASSWORD), &client())
            .await
            .is_ok()
    );
    let wrong = security.login(by_password(ADMIN, "wrong"), &client()).await;
    assert_eq!(wrong.err(), Some(Denied::Credentials));
    assert_eq!(
        doorman.asked.load(Ordering::Relaxed),
        asked,
        "nobody asks it about the administrator"
    );

    let mut outcomes = Vec::new();
    for password in ["a", "b", "c", "d", PASSWORD] {
        let outcome = security.login(by_password("bob", password), &client()).await;
        outcomes.push(outcome.err().unwrap());
    }
    assert_eq!(outcomes[4], Denied::Locked, "{outcomes:?}");
}

/// A component during whose answer somebody of the same name comes from elsewhere.
#[derive(Default)]
struct Late(OnceLock<Arc<Security>>);

impl Provider for Late {
    fn name(&self) -> &str {
        "late"
    }

    fn authenticate<'a>(&'a self, question: Question<'a>) -> Answering<'a> {
        let other = User {
            name: question.username.into(),
            id: "another".to_owned(),
            fields: [("authType".to_owned(), HOST.into())].into_iter().collect(),
            ..User::default()
        };
        let security = self.0.get().expect("it is set before a login");
        security.directory().change().put_user(other).unwrap();
        Box::pin(std::future::ready(Ok(Answer::Accepted(Person::default()))))
    }

    fn user_changed(&self, _: &User) {}
}

#[tokio::test]
async fn a_name_that_another_directory_took_meanwhile_is_not_taken_over() {
    let (security, late) = (Arc::new(security(settings()).await), Arc::new(Late::default()));
    assert!(late.0.set(security.clone()).is_ok());
    let offered = Assignment {
        checker: Checker::Component(late),
        users: Vec::new(),
    };
    security.provide(Providers::new(Checker::Host, vec![offered]));
    let credentials = Credentials::Password {
        username: "bea".to_owned(),
        password: PASSWORD.to_owned(),
        chosen: Some("late".to_owned()),
    };
    let refused = security.login(credentials, &client()).await;
    assert_eq!(refused.err(), Some(Denied::Credentials));
    assert_eq!(security.directory().user("bea").unwrap().id, "another");
}
