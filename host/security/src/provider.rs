//! Passwords that a component checks: what it is asked, and what becomes of its answer.
//!
//! Enters: a name, a password, and the answer of the component. Leaves: a login of a user of the directory.
//! Guarantees: the administrator's password is never checked by a component, so that a broken one locks nobody out
//! for good. A component makes nobody an administrator, and takes that from nobody. At most [`MOST`] answers of each are
//! waited for at once. No password is in the log.

use super::accounts::Accepted;
use super::credentials::{Client, Info};
use super::denied::Denied;
use super::directory::User;
use super::{GUESTS, POWERFUL, Security, is_username};
use mesh_wire::network::network_of;
use serde_json::Value;
use std::collections::HashMap;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The field of a user that says who checks the password.
pub(super) const AUTH_TYPE: &str = "authType";
/// Logins that may wait for one component at one time.
const MOST: usize = 256;

/// The question to a component.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    /// The name that somebody gives.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
    /// Where the client is.
    pub address: IpAddr,
    /// The client's `info`.
    pub info: &'a Info,
}

/// Its answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// That is not this user's password, or there is no such user.
    Refused,
    /// It is.
    Accepted(Person),
}

/// A component's description of a user whom it knows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Person {
    /// The groups; nothing where they stay what they are.
    pub groups: Option<Vec<String>>,
    /// The data of applications with the user; `None` where they stay as they are.
    pub custom_data: Option<Value>,
}

/// A component's later answer, or the reason why there is none, in words for the log.
pub type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, String>> + Send + 'a>>;

/// A component that checks passwords.
pub trait Provider: Send + Sync {
    /// Its name.
    fn name(&self) -> &str;

    /// Asks it. Takes a bounded time.
    fn authenticate<'a>(&'a self, question: Question<'a>) -> Answering<'a>;

    /// To be called when a user was made or changed by an answer, for everybody whom that concerns.
    fn user_changed(&self, user: &User);
}

/// A provider of a mesh, and the logins that wait for it.
pub(super) struct Provided {
    provider: Arc<dyn Provider>,
    places: Places,
}

impl Provided {
    pub(super) fn new(provider: Arc<dyn Provider>) -> Provided {
        let places = Places::default();
        Provided { provider, places }
    }

    pub(super) fn name(&self) -> &str {
        self.provider.name()
    }
}

/// Places of those who wait. No client takes more than half of those that are free, so that there is one for others.
#[derive(Debug, Default)]
struct Places(Mutex<HashMap<IpAddr, usize>>);

/// A place, until it is dropped.
struct Place<'a> {
    places: &'a Places,
    network: IpAddr,
}

impl Places {
    fn take(&self, address: IpAddr) -> Option<Place<'_>> {
        let network = network_of(address);
        let mut taken = self.lock();
        let free = MOST - taken.values().sum::<usize>();
        let own = taken.get(&network).copied().unwrap_or(0);
        if own >= free.div_ceil(2) {
            return None;
        }
        taken.insert(network, own + 1);
        Some(Place {
            places: self,
            network,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut taken = self.places.lock();
        match taken.get_mut(&self.network) {
            Some(own) if *own > 1 => *own -= 1,
            _ => {
                taken.remove(&self.network);
            }
        }
    }
}

impl Security {
    pub(super) async fn login_by_provider(
        &self,
        provided: &Provided,
        username: String,
        password: String,
        chosen: Option<&str>,
        client: &Client,
    ) -> Result<Accepted, Denied> {
        // Nobody could have such a name here.
        if self.directory.user(&username).is_none() && !is_username(&username) {
            return Err(Denied::Credentials);
        }
        let _place = provided.places.take(client.address).ok_or(Denied::Busy)?;
        let question = Question {
            username: &username,
            password: &password,
            address: client.address,
            info: &client.info,
        };
        let answer = provided.provider.authenticate(question).await;
        let answer = answer.map_err(|why| {
            tracing::error!(
                target: "audit", event = "provider", component = provided.provider.name(),
                "the component that checks passwords gave no answer: {}", why.escape_debug()
            );
            Denied::Provider
        })?;
        self.judge(&username, answer != Answer::Refused)?;
        match answer {
            // Judging has said so.
            Answer::Refused => Err(Denied::Credentials),
            Answer::Accepted(person) => {
                let user = self.take_over(provided, &username, chosen, person)?;
                self.accept(user, None, client)
            }
        }
    }

    /// The user of the directory whom a component knows: made at the first login, and as the component says at each.
    fn take_over(
        &self,
        provided: &Provided,
        username: &str,
        chosen: Option<&str>,
        person: Person,
    ) -> Result<Arc<User>, Denied> {
        let change = self.directory.change();
        let before = self.directory.user(username);
        // Somebody of the same name may have come from elsewhere while the component was asked.
        let entitled = self.provider_of(username, before.as_deref(), chosen);
        if entitled.map(Provided::name) != Some(provided.name()) {
            return Err(Denied::Credentials);
        }
        let mut user = match &before {
            Some(before) => User::clone(before),
            None => User {
                name: username.into(),
                id: uuid::Uuid::new_v4().to_string(),
                groups: [(GUESTS.into(), Default::default())].into(),
                fields: [(AUTH_TYPE.to_owned(), provided.provider.name().into())]
                    .into_iter()
                    .collect(),
                ..User::default()
            },
        };
        if let Some(groups) = person.groups {
            let mut wanted: Vec<&str> = groups.iter().map(String::as_str).collect();
            wanted.retain(|group| {
                let may = !POWERFUL.contains(group) && self.directory.group(group).is_some();
                if !may {
                    tracing::warn!(
                        target: "audit", event = "provider", component = provided.provider.name(), user = username,
                        group = &*mesh_wire::protocol::json::shorten(group), "the component names a group that does not exist, or that only administrators give"
                    );
                }
                may
            });
            let stays = |group: &str| wanted.contains(&group) || POWERFUL.contains(&group) || group == GUESTS;
            user.groups.retain(|group, _| stays(group));
            for group in wanted {
                user.groups.entry(group.into()).or_default();
            }
        }
        if let Some(custom_data) = person.custom_data {
            user.custom_data = Some(custom_data).filter(|data| !data.is_null());
        }
        if let Some(before) = before
            && before.groups.keys().eq(user.groups.keys())
            && before.custom_data == user.custom_data
        {
            return Ok(before);
        }
        let saved = change.put_user(user).map_err(|error| {
            tracing::error!("a user whom a component knows cannot be kept: {error}");
            Denied::Provider
        })?;
        drop(change);
        tracing::info!(target: "audit", event = "upsert-user", about = username, by = provided.provider.name(), "directory changed");
        self.users_changed([username]);
        provided.provider.user_changed(&saved.value);
        Ok(saved.value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_one_address_leaves_places_to_others_and_gives_its_own_back() {
        let places = Places::default();
        let address = |last: u8| IpAddr::from([10, 0, 0, last]);
        let crowd: Vec<_> = (0..MOST).map_while(|_| places.take(address(1))).collect();
        assert!(
            crowd.len() < MOST / 2 && crowd.len() > MOST / 4,
            "{}",
            crowd.len()
        );
        for last in 2..100 {
            assert!(places.take(address(last)).is_some());
        }
        let second: Vec<_> = (0..MOST).map_while(|_| places.take(address(2))).collect();
        assert!(!second.is_empty() && places.take(address(3)).is_some());
        drop((crowd, second));
        assert!(places.lock().is_empty());
    }
}
