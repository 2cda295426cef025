//! Rights of one user: the permissions of all groups that the user is in, and the user's own.
//!
//! Enters: rules of groups and of the user, facts for templates; later actions and paths. Leaves: yes or no.
//! Guarantees: a prohibition beats whatever allows, from whatever group; what nothing allows is denied; immutable, so
//! that a decision needs no lock. A change of a group or user makes a new one.

use super::actions::Action;
use super::pattern::literal_beginning;
use super::rules::Rules;
use super::table::{Decision, Table};
use super::template::{Facts, fill, is_template};
use std::sync::Arc;

/// The rights of one user.
#[derive(Clone, Debug)]
pub struct Access {
    everything: bool,
    /// The rights that users of the same groups have in common.
    groups: Arc<Table>,
    /// The rights that only this user has: own permissions, and templates filled in.
    own: Arc<Table>,
}

impl Access {
    /// Access of members of the group `_ADMIN`: everything, whatever is forbidden.
    pub fn everything() -> Access {
        Access {
            everything: true,
            groups: Arc::default(),
            own: Arc::default(),
        }
    }

    /// Compiles the permissions of one user.
    #[cfg(test)]
    pub(super) fn compile<'a>(
        groups: impl IntoIterator<Item = &'a Rules>,
        own: &'a Rules,
        facts: &Facts<'_>,
    ) -> Access {
        let groups: Vec<&Rules> = groups.into_iter().collect();
        let table = Arc::new(Table::of_rules(groups.iter().copied()));
        Access::with_shared(table, groups, own, facts)
    }

    /// Compiles the permissions of one user of whom the groups' part is known: `table` must be [`Table::of_rules`] of the
    /// same groups. Users of the same groups then share it.
    pub fn with_shared<'a>(
        table: Arc<Table>,
        groups: impl IntoIterator<Item = &'a Rules>,
        own: &'a Rules,
        facts: &Facts<'_>,
    ) -> Access {
        let mut entries = Vec::new();
        for (path, permission) in groups.into_iter().flat_map(Rules::iter).chain(own.iter()) {
            if is_template(path) {
                let permission = permission.meaning();
                entries.extend(
                    fill(path, facts)
                        .into_iter()
                        .map(|path| (path.into(), permission)),
                );
            }
        }
        let fixed = own.iter().filter(|(path, _)| !is_template(path));
        entries.extend(fixed.map(|(path, permission)| (path.clone(), permission.meaning())));
        Access {
            everything: false,
            groups: table,
            own: Arc::new(Table::new(entries)),
        }
    }

    /// Whether nothing is denied, so that lookup tables and caches need not be asked.
    pub fn is_everything(&self) -> bool {
        self.everything
    }

    /// Whether an action is forbidden anywhere: then what a wildcard reaches must be looked at one by one.
    pub fn prohibits(&self, action: Action) -> bool {
        !self.everything && (self.groups.prohibits(action) || self.own.prohibits(action))
    }

    /// The decision of the permissions. Lookup tables may add to [`Decision::Silent`], and to nothing else.
    pub fn decide(&self, action: Action, path: &str) -> Decision {
        if self.everything {
            return Decision::Allowed;
        }
        match self.groups.decide(action, path) {
            Decision::Prohibited => Decision::Prohibited,
            decision => decision.and(self.own.decide(action, path)),
        }
    }

    /// Whether the permissions allow an action somewhere below the literal beginning of a wildcard.
    pub fn allows_below(&self, action: Action, wildcard: &str) -> bool {
        let beginning = literal_beginning(wildcard).unwrap_or(wildcard);
        let may = |table: &Table| {
            table.any_allowed_below(action, beginning, |path| {
                self.decide(action, path) == Decision::Allowed
            })
        };
        self.everything || may(&self.groups) || may(&self.own)
    }

    /// Whether the permissions allow it. `path` is the one of [`checked_path`].
    pub fn allows(&self, action: Action, path: &str) -> bool {
        self.decide(action, path) == Decision::Allowed
    }
}

/// The path that permissions are about: that of a subscription is its channel without the event's name in front. As in
/// real servers it is taken away once, whatever the request.
pub fn checked_path(path: &str) -> &str {
    const EVENTS: [&str; 3] = ["/SET@", "/REMOVE@", "/ALL@"];
    EVENTS
        .iter()
        .find_map(|event| path.strip_prefix(event))
        .unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Holder;
    use serde_json::{Value, json};

    fn rules(value: Value) -> Rules {
        Rules::from_value(&value, Holder::Group).unwrap()
    }

    fn facts<'a>(username: &'a str, custom_data: Option<&'a Value>) -> Facts<'a> {
        Facts {
            username,
            custom_data,
            server_name: "TestNode",
        }
    }

    /// Every request of the table in docs/protocol.md 9.5, as later servers answer it.
    #[test]
    fn the_documented_requests_are_answered_as_documented() {
        let group = rules(json!({
            "/open/*": {"actions": ["*"]}, "/ro/*": {"actions": ["get", "on"]}, "/exact": {"actions": ["set", "get"]},
            "/deep/*/mid": {"actions": ["get", "set"]}, "/onlyon/*": {"actions": ["on"]},
            "/open/forbidden": {"prohibit": ["get", "set"]}, "/tpl/{{user.username}}/*": {"actions": ["get"]},
        }));
        let access = Access::compile([&group], &Rules::new(), &facts("bob", None));
        let may = |action, path| access.allows(action, checked_path(path));
        for path in [
            "/open/1",
            "/open/",
            "/open/a/b/c",
            "/open/*",
            "/deep/x/y/mid",
            "/exact",
            "/ro/1",
            "/tpl/bob/1",
        ] {
            assert!(may(Action::Get, path), "{path}");
        }
        for path in [
            "/open",
            "/OPEN/1",
            "/*",
            "*",
            "/r*",
            "/exact/sub",
            "/deep/x/mid/more",
            "/prefix/open/1",
            "/open/forbidden",
            "/tpl/eve/1",
            "/onlyon/1",
            "",
            "/none/1",
        ] {
            assert!(!may(Action::Get, path), "{path}");
        }
        for path in ["/ALL@/open/**", "/SET@/onlyon/*/x", "/REMOVE@/ro/1", "/open/x"] {
            assert!(may(Action::On, path), "{path}");
        }
        for path in [
            "/ALL@*",
            "*",
            "/SET@/exact",
            "/SET@/op*",
            "/set@/open/1",
            "/SET@/SET@/open/1",
            "SET@/open/1",
        ] {
            assert!(!may(Action::On, path), "{path}");
        }
        assert!(may(Action::Set, "/SET@/open/1"));
        assert!(!may(Action::Set, "/ro/1"));
        assert!(may(Action::Other, "/open/1"));
        assert!(!may(Action::Other, "/ro/1"));
    }

    #[test]
    fn groups_and_the_user_add_up_and_each_may_forbid() {
        let readers = rules(json!({"/d/*": {"actions": ["get"]}}));
        let writers = rules(json!({"/d/*": {"actions": ["set"]}, "/d/secret": {"prohibit": ["get"]}}));
        let own =
            rules(json!({"/d/*": {"actions": ["remove"], "prohibit": ["on"]}, "/mine": {"actions": ["*"]}}));
        let access = Access::compile([&readers, &writers], &own, &facts("bob", None));
        for action in [Action::Get, Action::Set, Action::Remove] {
            assert!(access.allows(action, "/d/1"), "{action:?}");
        }
        assert!(access.allows(Action::On, "/mine"));
        assert_eq!(access.decide(Action::On, "/d/1"), Decision::Prohibited);
        assert_eq!(access.decide(Action::Get, "/d/secret"), Decision::Prohibited);
        assert!(access.allows(Action::Set, "/d/secret"));
        let alone = Access::compile([&readers], &Rules::new(), &facts("bob", None));
        assert!(alone.allows(Action::Get, "/d/secret"));
        assert_eq!(alone.decide(Action::Set, "/d/1"), Decision::Silent);
    }

    #[test]
    fn the_admin_passes_everything_and_nobody_nothing() {
        let none = Rules::new();
        let nothing = Access::compile([], &none, &facts("bob", None));
        for path in ["/_SYSTEM/_SECURITY/_USER/_ADMIN", "*", ""] {
            assert!(Access::everything().allows(Action::Other, path));
            assert!(!nothing.allows(Action::Get, path));
        }
    }

    #[test]
    fn users_of_the_same_groups_share_what_does_not_depend_on_them() {
        let group = rules(json!({
            "/common/*": {"actions": ["get"]}, "/home/{{user.username}}/*": {"actions": ["*"]},
            "/team/{{user.custom_data.teams}}": {"actions": ["set"]}, "/home/{{user.username}}/x": {"prohibit": ["set"]},
        }));
        let table = Arc::new(Table::of_rules([&group]));
        assert_eq!(table.len(), 1);
        let data = json!({"teams": ["red", "blue"]});
        let access = |facts: &Facts<'_>| Access::with_shared(table.clone(), [&group], &Rules::new(), facts);
        let bob = access(&facts("bob", Some(&data)));
        let eve = access(&facts("eve", Some(&json!({"teams": ["*"]}))));
        assert!(bob.allows(Action::Get, "/common/1") && eve.allows(Action::Get, "/common/1"));
        assert!(bob.allows(Action::Set, "/home/bob/1") && !eve.allows(Action::Set, "/home/bob/1"));
        assert!(!bob.allows(Action::Set, "/home/bob/x"));
        assert!(bob.allows(Action::Set, "/team/red") && bob.allows(Action::Set, "/team/blue"));
        assert!(!eve.allows(Action::Set, "/team/red") && !eve.allows(Action::Set, "/team/*"));
    }

    #[test]
    fn five_thousand_patterns_can_be_shared_between_threads() {
        let entry = |number: usize| {
            (
                format!("/g{}/p{number}/*", number % 100),
                json!({"actions": ["get"]}),
            )
        };
        let group = rules(Value::Object((0..5000).map(entry).collect()));
        let access = Access::compile([&group], &Rules::new(), &facts("bob", None));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    assert!(access.allows(Action::Get, "/g99/p4999/x"));
                    assert!(!access.allows(Action::Get, "/g98/p4999/x"));
                });
            }
        });
    }
}
