//! The permissions of the groups that every secured mesh has.
//!
//! Enters: nothing. Leaves: the rules of `_ADMIN`, `_MESH_ADM`, `_MESH_DELEGATE` and `_MESH_GST`, as real servers
//! store them. Guarantees: they are the same in each mesh; what an administrator changed of a group is not their business.

use super::actions::{Action, Actions};
use super::entry::Permission;
use super::rules::Rules;

/// The methods of `security` by which users change their own password.
const OWN_PASSWORD: [&str; 3] = ["updateOwnUser", "changePassword", "resetPassword"];

/// `_ADMIN`: everything. [`super::Access::everything`] is what its members get.
pub fn admin() -> Rules {
    let mut rules = Rules::new();
    rules.add("*", Permission::allow(Actions::ANY));
    rules
}

/// `_MESH_ADM`: all of the mesh, and no data.
pub fn mesh_admin() -> Rules {
    let mut rules = Rules::new();
    for path in ["/mesh/*", "/_exchange/*", "/_events/*"] {
        rules.add(path, Permission::allow(Actions::ANY));
    }
    rules
}

/// `_MESH_DELEGATE`: who may act for others may do what the mesh offers.
pub fn delegate() -> Rules {
    mesh_admin()
}

/// `_MESH_GST`: what every user needs to be a client of the mesh at all, and to change the own password.
pub fn guest() -> Rules {
    let mut rules = Rules::new();
    let read = Actions::of(Action::Get).union(Actions::of(Action::On));
    rules.add("/mesh/schema/*", Permission::allow(read));
    for method in OWN_PASSWORD {
        rules.add(
            format!("/_exchange/requests/{{{{happn.name}}}}/security/{method}"),
            Permission::allow(Actions::of(Action::Set)),
        );
        rules.add(
            format!("/_exchange/responses/{{{{happn.name}}}}/security/{method}/*/*"),
            Permission::allow(Actions::of(Action::On)),
        );
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permission::{Access, Facts};

    const BOB: Facts<'_> = Facts {
        username: "bob",
        custom_data: None,
        server_name: "TestNode",
    };

    #[test]
    fn a_guest_reads_the_schema_and_changes_the_own_password_and_nothing_else() {
        let access = Access::compile([&guest()], &Rules::new(), &BOB);
        assert!(access.allows(Action::Get, "/mesh/schema/description"));
        assert!(access.allows(Action::On, "/mesh/schema/config"));
        assert!(access.allows(
            Action::Set,
            "/_exchange/requests/TestNode/security/changePassword"
        ));
        assert!(access.allows(
            Action::On,
            "/_exchange/responses/TestNode/security/changePassword/S/1"
        ));
        assert!(!access.allows(Action::Set, "/mesh/schema/description"));
        assert!(!access.allows(Action::Set, "/_exchange/requests/TestNode/security/addUser"));
        assert!(!access.allows(Action::Set, "/_exchange/requests/Other/security/changePassword"));
        assert!(!access.allows(Action::Get, "/_SYSTEM/_SECURITY/_USER/bob"));
    }

    #[test]
    fn mesh_admins_and_delegates_have_the_mesh_and_no_data() {
        for rules in [mesh_admin(), delegate()] {
            let access = Access::compile([&rules], &Rules::new(), &BOB);
            assert!(access.allows(Action::Set, "/_exchange/requests/TestNode/security/addUser"));
            assert!(access.allows(Action::On, "/_events/TestNode/lab/ping"));
            assert!(!access.allows(Action::Get, "/_SYSTEM/_SECURITY/_USER/bob"));
            assert!(!access.allows(Action::Get, "/data"));
        }
    }

    #[test]
    fn the_admin_group_is_shown_as_everything() {
        assert_eq!(admin().to_value(), serde_json::json!({"*": {"actions": ["*"]}}));
    }
}
