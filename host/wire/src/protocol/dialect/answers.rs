//! Answers that are more than yes or no.
//!
//! Enters and leaves: nothing, these are names. Guarantees: each variant says what is done, and none who does it.

/// The `data` of a `server-side-disconnect` message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndNotice {
    /// The reason itself, a text.
    Text,
    /// An object with the reason.
    Object,
}

/// How much the answers of `describe` and `login` tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginAnswer {
    /// Session and mesh, `encryptPayloads` and `publicKey`.
    Small,
    /// Session, mesh and connection, and the cookie's name for browsers.
    Large,
}

/// The user in the answer of a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoginUser {
    /// The stored documents of user and memberships.
    Documents,
    /// Name and id of the account.
    Account,
}

/// Of a new field and a stored one of the same name, which stays after a `set` with `merge`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MergeRule {
    /// The new one, unless it is `null`. New fields come first.
    NullKeeps,
    /// The new one. New fields come last.
    NullReplaces,
}

/// How criteria, sorting and fields of a query are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueryRules {
    /// Like is compared with like, arrays match by their elements.
    First,
    /// There is one order for everything, arrays are values.
    Later,
}

/// How the subscriptions of one session on the same channel are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listeners {
    /// They are counted. One event brings one frame, and `off` takes from the count.
    Counted,
    /// Each has an id, which `off` names.
    ById,
}

/// How the pattern of a subscription is matched with a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matching {
    /// As text: a `*` stands for any text, the end is open, and letter case does not count without a `*`.
    Text,
    /// By segments: `*` stands for one of them.
    Segments,
}

impl Matching {
    /// Whether a pattern may match more than its text says.
    #[inline]
    pub fn is_open_ended(self) -> bool {
        self == Matching::Text
    }
}

/// In which order several channels of one session are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelOrder {
    /// Channels of one action, then those of all actions; in each, the shortest beginning before a `*` comes first.
    ActionFirst,
    /// Channels of all actions by their wildcards, then those of one action.
    WildcardsFirst,
}

/// In which texts logins and tokens are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalTexts {
    /// Those of the old server: the cause stands in `reason`, or behind `invalid credentials`.
    Original,
    /// Those of the new server: the cause is the message.
    Revised,
}

/// Session of a login that does not hold any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpiredLogin {
    /// It stays open, hears nothing and is denied everything.
    StaysOpen,
    /// It is told the reason, and closed.
    Ends,
}

/// An HTTP request without a token that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpRefusal {
    /// 403.
    Forbidden,
    /// 401 with `WWW-Authenticate`.
    Challenge,
}

/// The status of a REST request that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RestFaults {
    /// 500, whatever is wrong.
    OfTheServer,
    /// The one that fits.
    OfTheClient,
}

impl RestFaults {
    /// The status, where this one would fit.
    pub fn status(self, fitting: u16) -> u16 {
        match self {
            RestFaults::OfTheServer => 500,
            RestFaults::OfTheClient => fitting,
        }
    }
}
