//! The part of a change that counts although the store could not keep it: the loss of rights.
//!
//! Enters: a user or group before a change, and after it. Leaves: the directory without what the change gave.
//! Guarantees: nobody has a right that the change took, nor one that it gave.

use super::{Group, State, User};
use crate::permission::{Actions, Rules, Words, Written};
use std::sync::Arc;

/// A user who was not there before is gone.
pub(super) fn user(state: &mut State, before: Option<&User>, after: &User) {
    let Some(before) = before else {
        state.users.remove(&after.name);
        return;
    };
    let mut left = before.clone();
    left.rules = rules(&before.rules, &after.rules);
    // A group that forbids something is no right.
    left.groups.retain(|group, _| {
        let forbids = state.groups.get(group).is_some_and(|group| forbids(&group.rules));
        after.groups.contains_key(group) || forbids
    });
    state.users.insert(left.name.clone(), Arc::new(left));
}

/// A group that was not there before is gone.
pub(super) fn group(state: &mut State, before: Option<&Group>, after: &Group) {
    let Some(before) = before else {
        state.groups.remove(&after.name);
        return;
    };
    let mut left = before.clone();
    left.rules = rules(&before.rules, &after.rules);
    left.lookups.retain(|lookup| after.lookups.contains(lookup));
    state.groups.insert(left.name.clone(), Arc::new(left));
}

fn forbids(rules: &Rules) -> bool {
    rules
        .iter()
        .any(|(_, permission)| !permission.prohibited.is_empty())
}

/// The actions that both allow, and those that one of them prohibits.
fn rules(before: &Rules, after: &Rules) -> Rules {
    let mut left = Rules::new();
    for (path, permission) in before.iter() {
        let kept = after
            .get(path)
            .map_or(Actions::NONE, |after| after.allowed.actions());
        left.add(
            path.clone(),
            Written {
                allowed: permission.allowed.within(kept),
                ..permission
            },
        );
    }
    for (path, permission) in after.iter() {
        left.add(
            path.clone(),
            Written {
                allowed: Words::NONE,
                ..permission
            },
        );
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::Holder;
    use mesh_wire::protocol::DocumentMeta;
    use serde_json::{Value, json};

    fn of(value: Value) -> Rules {
        Rules::from_value(&value, Holder::Group).unwrap()
    }

    #[test]
    fn withdrawn_rights_are_lost_and_granted_ones_are_not_had() {
        let before = of(
            json!({"/a": {"actions": ["get", "set"]}, "/b": {"prohibit": ["get"]}, "/c": {"actions": ["on"]}}),
        );
        let after = of(
            json!({"/a": {"actions": ["get", "on"]}, "/d": {"actions": ["get"]}, "/c": {"prohibit": ["set"], "actions": ["on"]}}),
        );
        let left = json!({"/a": {"actions": ["get"]}, "/b": {"prohibit": ["get"]}, "/c": {"actions": ["on"], "prohibit": ["set"]}});
        assert_eq!(rules(&before, &after).to_value(), left);
    }

    #[test]
    fn a_membership_that_ends_ends_unless_it_forbids_and_one_that_begins_does_not() {
        let mut state = State::default();
        for (name, rules) in [
            ("strict", json!({"/x": {"prohibit": ["*"]}})),
            ("wide", json!({"/x": {"actions": ["*"]}})),
        ] {
            let made = Group {
                name: name.into(),
                rules: of(rules),
                ..Group::default()
            };
            state.groups.insert(name.into(), Arc::new(made));
        }
        let member = |groups: &[&str]| {
            let groups = groups
                .iter()
                .map(|group| ((*group).into(), DocumentMeta::default()));
            User {
                name: "bob".into(),
                groups: groups.collect(),
                ..User::default()
            }
        };
        user(&mut state, Some(&member(&["strict", "wide"])), &member(&["new"]));
        let left: Vec<_> = state.users["bob"].groups.keys().map(|name| &**name).collect();
        assert_eq!(left, ["strict"]);
        user(&mut state, None, &member(&[]));
        assert!(state.users.is_empty());
    }
}
