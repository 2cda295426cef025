//! `security` in a mesh that is not secured (MESH.md section 7): every method says just that.
//!
//! What enters: calls of any method that the component of either generation has. What leaves: one error. Guarantees:
//! nothing is changed, and no caller is left without an answer. Administration scripts find the methods that they look
//! for in the description and learn from the answer what is missing.

use super::MethodEntry;
use crate::mesh::error_array;
use crate::plugin::{Answer, Native, NativeCall, Status};

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
pub(super) struct Security;

impl Native for Security {
    fn call(&self, _: NativeCall, answer: Box<dyn Answer>) {
        answer.answer(Status::ERROR, error_array("Error", NOT_SECURED).as_bytes());
    }
}
