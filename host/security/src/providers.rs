//! Which of several providers checks the password of a name.
//!
//! Enters: the configured providers, and names of those who log in. Leaves: a component, or the host. Guarantees: nobody but the
//! host checks the administrator. A user who is bound to one of them is checked by no other, whatever a client asks for.

use super::directory::User;
use super::names::Names;
use super::provider::{AUTH_TYPE, Provided, Provider};
use super::{ADMIN, ANONYMOUS, Security};
use std::sync::Arc;

/// The host's own name there.
pub const HOST: &str = "happn";
/// A word for whoever checks those of whom nothing is said.
pub const OTHERS: &str = "default";

/// Somebody who checks passwords.
#[derive(Clone)]
pub enum Checker {
    /// The host, with the hashes of its directory.
    Host,
    /// A component.
    Component(Arc<dyn Provider>),
}

/// The users whose passwords somebody checks.
pub struct Assignment {
    /// Who does.
    pub checker: Checker,
    /// Patterns of their names. None at all for those who choose.
    pub users: Vec<String>,
}

/// Those who check the passwords of a mesh.
pub struct Providers {
    components: Vec<Provided>,
    assigned: Vec<Rule>,
    others: Place,
}

/// The host, or a component by its place in the list of all.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Host,
    Component(usize),
}

struct Rule {
    checker: Place,
    users: Vec<String>,
}

impl Providers {
    /// The first entry that fits a name counts; `others` checks everybody else.
    pub fn new(others: Checker, assigned: Vec<Assignment>) -> Providers {
        let mut providers = Providers {
            components: Vec::new(),
            assigned: Vec::new(),
            others: Place::Host,
        };
        providers.others = providers.place(others);
        for Assignment { checker, users } in assigned {
            let checker = providers.place(checker);
            providers.assigned.push(Rule { checker, users });
        }
        providers
    }

    /// Entries about one component share its places for those who wait.
    fn place(&mut self, checker: Checker) -> Place {
        let Checker::Component(provider) = checker else {
            return Place::Host;
        };
        let known = self
            .components
            .iter()
            .position(|known| known.name() == provider.name());
        Place::Component(known.unwrap_or_else(|| {
            self.components.push(Provided::new(provider));
            self.components.len() - 1
        }))
    }

    /// The checker of this name.
    fn named(&self, name: &str) -> Option<Place> {
        if name == HOST {
            return Some(Place::Host);
        }
        let place = self.components.iter().position(|known| known.name() == name);
        place.map(Place::Component)
    }

    /// The checker that a user is bound to. Nobody else takes over from a component that is configured no more: the host
    /// has no password of its users, and refuses them.
    fn bound(&self, user: &User) -> Option<Place> {
        match user.fields.get(AUTH_TYPE)?.as_str()? {
            OTHERS => None,
            name => Some(self.named(name).unwrap_or(Place::Host)),
        }
    }

    /// The checker that a client may ask for: one that is for those who choose.
    fn offered(&self, name: &str) -> Option<Place> {
        let place = self.named(name)?;
        let mut offers = self.assigned.iter().filter(|rule| rule.users.is_empty());
        offers.any(|rule| rule.checker == place).then_some(place)
    }

    fn of(
        &self,
        username: &str,
        user: Option<&User>,
        chosen: Option<&str>,
        names: Names,
    ) -> Option<&Provided> {
        let by_name = || {
            let mut rules = self.assigned.iter();
            let fits = |rule: &&Rule| rule.users.iter().any(|pattern| names.fits(pattern, username));
            rules.find(fits).map(|rule| rule.checker)
        };
        // Another directory may have somebody else of the same name.
        let by_choice = || {
            chosen
                .filter(|_| user.is_none())
                .and_then(|name| self.offered(name))
        };
        let bound = user.and_then(|user| self.bound(user));
        let place = bound.or_else(by_name).or_else(by_choice).unwrap_or(self.others);
        self.component(place)
    }

    fn component(&self, place: Place) -> Option<&Provided> {
        match place {
            Place::Host => None,
            Place::Component(place) => self.components.get(place),
        }
    }
}

impl Security {
    /// Lets others than the host check passwords, but for the administrator's. Only the first call counts.
    pub fn provide(&self, providers: Providers) {
        let _ = self.providers.set(providers);
    }

    /// The component that checks the password of this name; none where the host does.
    pub(super) fn provider_of(
        &self,
        username: &str,
        user: Option<&User>,
        chosen: Option<&str>,
    ) -> Option<&Provided> {
        let providers = self.providers.get().filter(|_| username != ADMIN)?;
        providers.of(username, user, chosen, self.settings.names)
    }

    /// The word by which clients know who checks a user's password.
    pub fn auth_type(&self, user: &User) -> &str {
        if [ADMIN, ANONYMOUS].contains(&&*user.name) {
            return HOST;
        }
        let providers = self.providers.get();
        let bound = providers.and_then(|providers| providers.component(providers.bound(user)?));
        let says_host = user.fields.get(AUTH_TYPE).is_some_and(|field| field == HOST);
        match bound {
            Some(provided) => provided.name(),
            None if says_host => HOST,
            None => OTHERS,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::{Answering, Question};

    struct Named(&'static str);

    impl Provider for Named {
        fn name(&self) -> &str {
            self.0
        }

        fn authenticate<'a>(&'a self, _: Question<'a>) -> Answering<'a> {
            Box::pin(std::future::ready(Err("never asked".to_owned())))
        }

        fn user_changed(&self, _: &User) {}
    }

    fn component(name: &'static str) -> Checker {
        Checker::Component(Arc::new(Named(name)))
    }

    fn assignment(checker: Checker, users: &[&str]) -> Assignment {
        let users = users.iter().map(|pattern| (*pattern).to_owned());
        Assignment {
            checker,
            users: users.collect(),
        }
    }

    fn providers(others: Checker) -> Providers {
        Providers::new(
            others,
            vec![
                assignment(component("staff"), &["*@staff.example", "chief"]),
                assignment(Checker::Host, &["service-*"]),
                assignment(component("partners"), &[]),
                assignment(component("staff"), &["*@office.example"]),
            ],
        )
    }

    fn user(name: &str, auth_type: Option<&str>) -> User {
        let field = auth_type.map(|word| (AUTH_TYPE.to_owned(), word.into()));
        User {
            name: name.into(),
            fields: field.into_iter().collect(),
            ..User::default()
        }
    }

    #[test]
    fn names_choose_who_checks_them_and_clients_only_what_is_offered() {
        let providers = providers(component("doorman"));
        let of = |name: &str, chosen: Option<&str>| {
            let found = providers.of(name, None, chosen, Names::Exact);
            found.map_or(HOST, Provided::name).to_owned()
        };
        assert_eq!(of("bob@staff.example", None), "staff");
        assert_eq!(of("bob@office.example", None), "staff");
        assert_eq!(of("chief", Some("partners")), "staff", "the name goes first");
        assert_eq!(of("service-7", None), HOST);
        assert_eq!(of("ann", None), "doorman");
        assert_eq!(of("ann", Some("partners")), "partners");
        for other in ["staff", "doorman", HOST, OTHERS, "nobody", ""] {
            assert_eq!(of("ann", Some(other)), "doorman", "{other:?} is not offered");
        }
        assert_eq!(providers.components.len(), 3, "one for each component");
    }

    #[test]
    fn a_user_who_is_bound_or_known_is_checked_by_nobody_else() {
        let providers = providers(Checker::Host);
        let of = |user: User, chosen: Option<&str>| {
            let found = providers.of(&user.name, Some(&user), chosen, Names::Exact);
            found.map_or(HOST, Provided::name).to_owned()
        };
        assert_eq!(of(user("ann", Some("partners")), None), "partners");
        assert_eq!(of(user("ann", Some("staff")), Some("partners")), "staff");
        assert_eq!(of(user("chief", Some(HOST)), Some("partners")), HOST);
        assert_eq!(of(user("ann", None), Some("partners")), HOST, "she is known here");
        assert_eq!(of(user("ann", Some("gone")), Some("partners")), HOST);
        assert_eq!(of(user("chief", Some("gone")), None), HOST, "nobody takes over");
        assert_eq!(of(user("chief", Some(OTHERS)), None), "staff");
    }
}
