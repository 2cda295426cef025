//! `security` (docs/mesh-protocol.md 7): users, groups, permissions and sessions, for administrators and for users
//! themselves.
//!
//! Enters: calls of any method that the component of either generation has. Leaves: their results, and events about
//! what was changed. Guarantees: a change is on disk and counts for everybody when it is answered. No hash, token or
//! secret is in a result. Only an administrator makes administrators. In a mesh that is not secured every method says
//! just that.

mod failure;
mod groups;
mod lookups;
mod sessions;
mod shapes;
mod users;

use super::{MethodEntry, arguments_of, is_truthy};
use failure::Failure;
use mesh_core::mesh::{BuiltinCall, Concerned, Handler, Mesh, error_array};
use mesh_plugin::{Answer, Status};
use mesh_scans::{Memory, Owner};
use mesh_security::permission::Purpose;
use mesh_security::{ANONYMOUS, Switch};
use mesh_store::{Commit, StoreError};
use mesh_wire::origin::Origin;
use serde_json::{Map, Value, json};
use std::sync::{Arc, Weak};

/// The fate of a user or group that is there already when one is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    /// There must be none.
    New,
    /// It gets what is given beside what it has.
    Merge,
    /// The given permissions or memberships replace those that it has.
    Replace,
}

impl Write {
    fn replacing_if(replaces: bool) -> Write {
        match replaces {
            true => Write::Replace,
            false => Write::Merge,
        }
    }
}

/// The change of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListChange {
    Add,
    Remove,
}

/// The subject of a list of revocations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Revoked {
    /// Sessions, with their ids.
    Sessions,
    /// Tokens, which nobody is shown.
    Tokens,
}

/// The methods of the first generation in their order, then those that the second one added. A parameter that only one
/// generation has is listed: clients cut off arguments for which there is no parameter.
pub(super) const METHODS: &[MethodEntry] = &[
    ("initialize", &["callback"]),
    ("attachToSecurityChanges", &["callback"]),
    ("attachToSessionChanges", &["callback"]),
    ("getComponentId", &[]),
    ("getSystemPermissions", &["params", "callback"]),
    ("associateGroups", &["user", "link", "unlink", "callback"]),
    ("upsertUser", &["user", "options", "callback"]),
    ("upsertGroup", &["group", "options", "callback"]),
    ("addGroup", &["group", "callback"]),
    ("updateGroup", &["group", "callback"]),
    (
        "addGroupPermissions",
        &["groupName", "mergePermissions", "callback"],
    ),
    (
        "removeGroupPermissions",
        &["groupName", "removePermissions", "callback"],
    ),
    ("addUser", &["user", "callback"]),
    ("updateOwnUser", &["user", "callback"]),
    ("updateUser", &["user", "callback"]),
    ("linkGroupName", &["groupName", "user", "callback"]),
    ("unlinkGroupName", &["groupName", "user", "callback"]),
    ("linkGroup", &["group", "user", "callback"]),
    ("unlinkGroup", &["group", "user", "callback"]),
    ("listGroups", &["groupName", "options", "callback"]),
    ("listUsers", &["userName", "options", "callback"]),
    ("getUser", &["userName", "options", "callback"]),
    ("getGroup", &["groupName", "callback"]),
    ("deleteGroup", &["group", "callback"]),
    ("deleteUser", &["user", "callback"]),
    ("sessionManagementActive", &[]),
    ("activateSessionManagement", &["logSessionActivity", "callback"]),
    ("deactivateSessionManagement", &["logSessionActivity", "callback"]),
    ("sessionActivityActive", &[]),
    ("activateSessionActivity", &["callback"]),
    ("deactivateSessionActivity", &["clear", "callback"]),
    ("clearSessionActivity", &["callback"]),
    ("revokeSession", &["session", "reason", "callback"]),
    ("restoreSession", &["session", "callback"]),
    ("listSessionActivity", &["filter", "callback"]),
    ("listActiveSessions", &["filter", "callback"]),
    ("listRevokedSessions", &["filter", "callback"]),
    // Added by the second generation.
    (
        "addUserPermissions",
        &["username", "mergePermissions", "callback"],
    ),
    ("changePassword", &["oldPassword", "newPassword"]),
    ("deleteLookupTable", &["name"]),
    ("fetchLookupPermissions", &["group"]),
    ("fetchLookupTable", &["tableName"]),
    ("insertLookupPath", &["table", "path"]),
    ("linkAnonymousGroup", &["groupName", "callback"]),
    ("listRevokedTokens", &["filter", "callback"]),
    ("listUserNamesByGroup", &["groupName", "callback"]),
    ("listUsersByGroup", &["groupName", "options"]),
    ("removeEventLookupPermission", &["group", "permission"]),
    ("removeExchangeLookupPermission", &["group", "permission"]),
    ("removeLookupPath", &["table", "path"]),
    ("removeLookupPermission", &["group", "permission"]),
    ("removeLookupPermissions", &["group", "permissions"]),
    (
        "removeUserPermissions",
        &["username", "removePermissions", "callback"],
    ),
    ("resetPassword", &["username"]),
    ("restoreToken", &["token", "callback"]),
    ("revokeToken", &["token", "reason", "callback"]),
    ("unlinkAnonymousGroup", &["groupName", "callback"]),
    ("unlinkGroups", &["unlink", "user", "callback"]),
    ("unlinkLookupTable", &["group", "table"]),
    ("upsertEventLookupPermission", &["group", "permission"]),
    ("upsertExchangeLookupPermission", &["group", "permission"]),
    ("upsertLookupPermission", &["group", "permission"]),
    ("upsertLookupPermissions", &["group", "permissions"]),
    ("upsertLookupTable", &["table"]),
];

const NOT_SECURED: &str = "security module not initialized, is your happn configured to be secure?";

/// The component.
pub(super) struct Security {
    mesh: Weak<Mesh>,
}

impl Security {
    pub(super) fn new(mesh: &Arc<Mesh>) -> Security {
        Security {
            mesh: Arc::downgrade(mesh),
        }
    }
}

impl Handler for Security {
    fn call(&self, call: BuiltinCall, answer: Box<dyn Answer>) {
        let mesh = self.mesh.upgrade().filter(|mesh| mesh.security().is_some());
        let Some(mesh) = mesh else {
            return answer.answer(Status::ERROR, error_array("Error", NOT_SECURED).as_bytes());
        };
        let (runtime, shared) = (mesh.runtime().clone(), mesh.clone());
        // A list of many users or sessions takes a while to write, and waits for nothing.
        let is_list = call.method.starts_with(b"list");
        let work = work_off(mesh, call, answer);
        if !is_list {
            runtime.spawn(work);
        } else if let Err(error) =
            shared
                .scans()
                .spawn(Owner::Component("security".into()), Memory::Constant, |_| work)
        {
            tracing::warn!("a call of security was given up: {error}");
        }
    }
}

async fn work_off(mesh: Arc<Mesh>, call: BuiltinCall, answer: Box<dyn Answer>) {
    let Some(security) = mesh.security() else { return };
    let request = Request {
        mesh: &mesh,
        security,
        caller: Caller::of(&call.origin, mesh.id()),
        origin: call.origin.clone(),
        arguments: arguments_of(&call.arguments),
    };
    let method = std::str::from_utf8(&call.method).unwrap_or_default();
    match request.answer(method).await {
        Ok(results) => answer.answer(Status::OK, Value::Array(results).to_string().as_bytes()),
        Err(failure) => answer.answer(Status::ERROR, failure.payload().as_bytes()),
    }
}

/// One call.
pub(super) struct Request<'a> {
    mesh: &'a Arc<Mesh>,
    security: &'a mesh_security::Security,
    caller: Caller,
    /// The known facts about the caller.
    origin: Origin,
    arguments: Vec<Value>,
}

/// Arguments behind the leading `null` of an answer.
type Results = Result<Vec<Value>, Failure>;

/// The caller.
#[derive(Debug, PartialEq, Eq)]
enum Caller {
    /// The mesh itself, or a component on its own account.
    Mesh,
    /// Somebody who has logged in.
    User(String),
    /// It cannot be published, so nobody with any power.
    Unknown,
}

impl Caller {
    fn of(origin: &Origin, mesh: &str) -> Caller {
        match (origin.username(), origin.id()) {
            (Some(name), _) => Caller::User(name.to_owned()),
            (None, Some(id)) if id == mesh => Caller::Mesh,
            (None, _) => Caller::Unknown,
        }
    }

    /// The name of a user.
    fn username(&self) -> Option<&str> {
        match self {
            Caller::User(name) => Some(name),
            Caller::Mesh | Caller::Unknown => None,
        }
    }

    fn shown(&self) -> &str {
        match self {
            Caller::Mesh => "the mesh",
            Caller::User(name) => name,
            Caller::Unknown => "somebody unknown",
        }
    }
}

impl Request<'_> {
    async fn answer(&self, method: &str) -> Results {
        match method {
            "initialize" => Ok(vec![]),
            "getComponentId" => Ok(vec![json!("security")]),
            "getSystemPermissions" => self.system_permissions(),

            "addUser" => self.add_user().await,
            "updateUser" => self.update_user().await,
            "upsertUser" => self.upsert_user().await,
            "updateOwnUser" => self.update_own_user().await,
            "changePassword" => self.change_password().await,
            "resetPassword" => Err(match self.arguments.first() {
                Some(Value::String(_)) => Failure::system("providerResetPassword not implemented."),
                _ => Failure::plain("Invalid arguments"),
            }),
            "deleteUser" => self.delete_user().await,
            "getUser" => self.get_user(),
            "listUsers" => self.list_users(),
            "listUsersByGroup" => self.list_users_by_group(),
            "listUserNamesByGroup" => self.list_user_names_by_group(),
            "addUserPermissions" => self.change_user_permissions(Purpose::Add).await,
            "removeUserPermissions" => self.change_user_permissions(Purpose::Remove).await,

            "addGroup" => self.add_group().await,
            "updateGroup" => {
                let dialect = self.mesh.dialect_of(&self.origin);
                let replaces = dialect.replaces_permissions_of_group();
                self.upsert_group(Write::replacing_if(replaces)).await
            }
            "upsertGroup" => {
                let replaces = self.option(1, "overwritePermissions");
                self.upsert_group(Write::replacing_if(replaces)).await
            }
            "addGroupPermissions" => self.change_group_permissions(Purpose::Add).await,
            "removeGroupPermissions" => self.change_group_permissions(Purpose::Remove).await,
            "deleteGroup" => self.delete_group().await,
            "getGroup" => self.get_group(),
            "listGroups" => self.list_groups(),
            "linkGroup" | "linkGroupName" => self.link(self.name(0)?, self.user_name(1)?).await,
            "unlinkGroup" | "unlinkGroupName" => self.unlink_group().await,
            "linkAnonymousGroup" => self.link(self.group_of_nobody()?, ANONYMOUS.to_owned()).await,
            "unlinkAnonymousGroup" => {
                let rules = self.kept_order();
                self.unlink(self.group_of_nobody()?, ANONYMOUS.to_owned(), rules)
                    .await
            }
            "associateGroups" => self.associate_groups().await,
            "unlinkGroups" => self.unlink_groups().await,

            "attachToSecurityChanges" => self.switch_on(&self.security.activity().security_events),
            "attachToSessionChanges" => self.switch_on(&self.security.activity().session_events),
            "activateSessionManagement" => self.activate_session_management(),
            "deactivateSessionManagement" => self.deactivate_session_management(),
            "activateSessionActivity" => self.switch_on(&self.security.activity().logging),
            "deactivateSessionActivity" => {
                if self.arguments.first().is_some_and(is_truthy) {
                    self.security.activity().clear();
                }
                self.switch_off(&self.security.activity().logging)
            }
            "clearSessionActivity" => {
                self.security.activity().clear();
                Ok(vec![])
            }
            "sessionManagementActive" => Ok(vec![json!(self.security.activity().management.is_on())]),
            "sessionActivityActive" => Ok(vec![json!(self.security.activity().logging.is_on())]),
            "listActiveSessions" => self.list_active_sessions(),
            "listSessionActivity" => self.list_session_activity(),
            "revokeSession" => self.revoke_session().await,
            "restoreSession" => self.restore_session().await,
            "listRevokedSessions" => self.list_revoked(Revoked::Sessions),
            "revokeToken" => self.revoke_token().await,
            "restoreToken" => self.restore_token().await,
            "listRevokedTokens" => self.list_revoked(Revoked::Tokens),

            "upsertLookupTable" => self.upsert_lookup_table().await,
            "fetchLookupTable" => self.fetch_lookup_table(),
            "deleteLookupTable" => self.delete_lookup_table().await,
            "insertLookupPath" => self.change_lookup_path(ListChange::Add).await,
            "removeLookupPath" => self.change_lookup_path(ListChange::Remove).await,
            "unlinkLookupTable" => self.unlink_lookup_table().await,
            "fetchLookupPermissions" => self.fetch_lookup_permissions(),
            "upsertLookupPermission"
            | "upsertLookupPermissions"
            | "upsertEventLookupPermission"
            | "upsertExchangeLookupPermission" => {
                self.change_lookup_permissions(method, ListChange::Add).await
            }
            "removeLookupPermission"
            | "removeLookupPermissions"
            | "removeEventLookupPermission"
            | "removeExchangeLookupPermission" => {
                self.change_lookup_permissions(method, ListChange::Remove).await
            }
            _ => Err(Failure::plain(format!(
                "Call to unconfigured method [security.{method}()]"
            ))),
        }
    }

    /// The permissions that there could be, for people who choose among them.
    fn system_permissions(&self) -> Results {
        let permission = || json!({"authorized": true, "description": "system permission"});
        let (mut methods, mut web) = (Map::new(), Map::new());
        let domain = self.mesh.domain();
        let mut events = Map::new();
        for component in self.mesh.registry().in_order() {
            let name = component.name();
            methods.insert(format!("/{domain}/{name}/*"), permission());
            events.insert(format!("/{domain}/{name}/*"), permission());
            for method in component.descriptor().methods() {
                methods.insert(format!("/{domain}/{name}/{}", method.name()), permission());
            }
            web.insert(format!("/{domain}/{name}/*"), permission());
            for (route, _) in component.descriptor().routes() {
                web.insert(format!("/{domain}/{name}/{route}"), permission());
            }
        }
        Ok(vec![json!({"events": events, "methods": methods, "web": web})])
    }

    fn switch_on(&self, switch: &Switch) -> Results {
        switch.set(true);
        Ok(vec![])
    }

    fn switch_off(&self, switch: &Switch) -> Results {
        switch.set(false);
        Ok(vec![])
    }

    /// The name that an argument is, or has: methods take both.
    fn name(&self, position: usize) -> Result<String, Failure> {
        let argument = self.arguments.get(position).unwrap_or(&Value::Null);
        let named = ["username", "name"].iter().find_map(|key| argument.get(key));
        let text = named.unwrap_or(argument).as_str();
        text.map(str::to_owned).ok_or_else(|| {
            Failure::plain(format!(
                "argument {} must be a name, or an object with one",
                position + 1
            ))
        })
    }

    /// The name of a user that an argument is, or has, as it is kept.
    fn user_name(&self, position: usize) -> Result<String, Failure> {
        let name = self.name(position)?;
        Ok(self.security.directory().name_of(&name))
    }

    /// The name of a group for those who log in as nobody, where that is allowed.
    fn group_of_nobody(&self) -> Result<String, Failure> {
        match self.security.settings().allow_anonymous {
            true => self.name(0),
            false => Err(Failure::plain("Anonymous access is not configured")),
        }
    }

    /// The name of a group in the first argument, for those who list its members.
    fn group_asked_for(&self) -> Result<String, Failure> {
        let name = self.name(0);
        name.map_err(|_| Failure::plain("validation error: groupName must be specified"))
    }

    /// An argument that must be an object.
    fn object(&self, position: usize, what: &str) -> Result<&Map<String, Value>, Failure> {
        let object = self.arguments.get(position).and_then(Value::as_object);
        object.ok_or_else(|| Failure::plain(format!("{what} is null or not an object")))
    }

    /// Whether an option among the arguments is set.
    fn option(&self, position: usize, key: &str) -> bool {
        let options = self.arguments.get(position);
        options
            .and_then(|options| options.get(key))
            .is_some_and(is_truthy)
    }

    /// Whether the caller is an administrator, or the mesh itself.
    fn is_admin(&self) -> bool {
        match &self.caller {
            Caller::Mesh => true,
            Caller::User(_) => {
                let access = self.security.access_of_caller(&self.origin);
                access.is_some_and(|access| access.is_everything())
            }
            Caller::Unknown => false,
        }
    }

    /// Waits until a change survives.
    async fn kept(&self, commit: Commit) -> Result<(), Failure> {
        let outcome = self.mesh.committed(commit).await;
        outcome.map_err(|error| self.not_kept(error))
    }

    /// Lets count for everybody what is left of a change that the store could not keep.
    fn not_kept(&self, error: StoreError) -> Failure {
        let users = self.security.directory().users();
        let names: Vec<Arc<str>> = users.iter().map(|user| user.name.clone()).collect();
        self.mesh
            .security_changed(Concerned::Members(&names), "not-kept", &json!({}));
        error.into()
    }

    /// Notes a change in the log.
    fn audit(&self, event: &str, about: &str) {
        let by = self.caller.shown();
        tracing::info!(target: "audit", event, about, by, "directory changed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_origin_that_says_so_is_the_mesh_itself() {
        let caller = |origin: Origin| Caller::of(&origin, "mesh-id");
        assert_eq!(caller(Origin::of_session("mesh-id")), Caller::Mesh);
        let bob = Caller::User("bob".to_owned());
        assert_eq!(caller(Origin::of_user("1", "bob")), bob);
        assert_eq!(caller(Origin::of_user("mesh-id", "bob")), bob);
        // An empty name is a name all the same.
        assert_eq!(
            caller(Origin::of_user("mesh-id", "")),
            Caller::User(String::new())
        );
        for odd in [
            Origin::nobody(),
            Origin::of_session(""),
            Origin::of_session("1"),
            Origin::of_session("mesh-id "),
        ] {
            assert_eq!(caller(odd.clone()), Caller::Unknown, "{odd:?}");
        }
    }
}
