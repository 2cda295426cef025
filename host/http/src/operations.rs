//! Descriptions of the fixed paths, for readers.
//!
//! Enters: nothing. Leaves: the words and numbers of which the OpenAPI document is made. Guarantees: nothing here knows
//! which paths there are, nor what answers them.

/// The access to a path in a secure mesh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Anybody.
    Anybody,
    /// Users with the permission for `/@HTTP` and the path.
    Permission,
    /// Users with the permission for the method that they call. The handler looks at that.
    PermissionOfMethod,
}

/// The description of a path in the OpenAPI document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    /// Its name.
    pub(crate) id: &'static str,
    /// The one verb that is described, in small letters.
    pub(crate) verb: &'static str,
    /// Its meaning in one sentence.
    pub(crate) summary: &'static str,
    /// The schema of the body, which is required then.
    pub(crate) body: Option<&'static str>,
    /// The schema of a successful answer; without one it is any object.
    pub(crate) success: Option<&'static str>,
    /// The failures that it shares with others, by their status; those of a missing permission are added.
    pub(crate) failures: &'static [&'static str],
    /// A failure that no other path has.
    pub(crate) own_failure: Option<OwnFailure>,
}

/// A failure of one path alone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnFailure {
    /// Its status.
    pub(crate) status: &'static str,
    /// Its meaning in one sentence.
    pub(crate) description: &'static str,
    /// The schema of its body.
    pub(crate) schema: &'static str,
}

/// One path, as it is documented.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Documented {
    /// The path.
    pub(crate) path: &'static str,
    /// Its access.
    pub(crate) access: Access,
    /// Its description.
    pub(crate) operation: Operation,
}
