//! The questions that code asks a dialect, one for each difference that a client can see.
//!
//! Enters: a dialect. Leaves: its answer. Guarantees: a dialect without an answer to one of them does not compile. The
//! numbers are sections of docs/protocol.md, whose section 14 is the table of the answers.

use super::Dialect;
use super::answers::{
    ChannelOrder, EndNotice, ExpiredLogin, HttpRefusal, Listeners, LoginAnswer, LoginUser, Matching,
    MergeRule, QueryRules, RefusalTexts, RestFaults,
};

/// Makes of each question a field of [`Answers`] and a method of [`Dialect`].
macro_rules! questions {
    ($($(#[$about:meta])* $question:ident: $answer:ty,)*) => {
        /// The answers of one dialect.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(super) struct Answers {
            $(pub(super) $question: $answer,)*
        }

        impl Dialect {
            $($(#[$about])*
            #[inline]
            pub fn $question(self) -> $answer {
                self.answers().$question
            })*
        }
    };
}

questions! {
    /// The `protocol` of frames (3.6). It is also the text that chooses the dialect (3.2).
    name: &'static str,
    /// The end of every object frame: its `protocol`, and for some dialects the mark of outgoing frames (3.6).
    tail: &'static str,
    /// The `protocol` of a session in lists of sessions and in their events (docs/mesh-protocol.md 7.5).
    listed_as: &'static str,

    /// Whether the server sends the heartbeats (2.3). A ping to a client that does not expect it ends the client's process.
    server_pings: bool,
    /// Whether clients expect a `server-side-disconnect` message before the socket closes on a graceful stop (2.6).
    announces_stop: bool,
    /// The form of the reason for which a session ends (3.8).
    end_notice: EndNotice,
    /// Whether `primus::server::close` follows that reason (3.8).
    says_that_it_closes: bool,

    /// How much the answers of `describe` and `login` tell (3.3, 3.4).
    login_answer: LoginAnswer,
    /// The user in the answer of a login (3.5).
    login_user: LoginUser,
    /// Whether answers of `describe` and `login` repeat a `sessionId` that the request carried (3.4).
    echoes_session_at_login: bool,
    /// Whether there are `revoke-token`, `disconnect-child-sessions` and `change-password` (3.9).
    has_requests_about_login: bool,
    /// Whether `revoke-session` is an error where nobody has to log in (3.9).
    refuses_to_revoke_nothing: bool,

    /// Whether `noDataResponse` shortens the answer of a `set` (5.1).
    honours_no_data_response: bool,
    /// Whether `upsertType: 3` suppresses the publication of a `set` (5.1).
    has_bulk_writes: bool,
    /// Whether `_meta` of answers, items and publications names the user who wrote the document (5.1).
    names_modifier: bool,
    /// Which fields a `set` with `merge` keeps (5.1.1).
    merge_rule: MergeRule,
    /// Whether there are the options `tag` and `set_type: "sibling"` (5.1.2, 5.1.3).
    has_tags_and_siblings: bool,
    /// Whether there is the option `increment` (5.1.4).
    has_increment: bool,
    /// Whether items of array responses carry `_id` beside `path` (5.2).
    names_item_id: bool,
    /// Whether `aggregate` and `collation` are errors (5.2).
    refuses_aggregates: bool,
    /// Whether there is the action `count` (5.3).
    has_count: bool,

    /// Whether an `on` needs a channel (5.5). Elsewhere a bare `*` hears everything, and another text nothing.
    requires_channel: bool,
    /// How subscriptions on one channel are told apart (5.5, 5.6).
    listeners: Listeners,
    /// Whether the answer of `off` repeats the id that was sent (5.6).
    echoes_reference_at_off: bool,
    /// Whether `initialEmit` publishes each document that is there already (5.5.1).
    publishes_initial_values: bool,
    /// Whether these documents come in the order of their changes (5.5.1). Elsewhere it is that of their paths.
    orders_initial_values_by_time: bool,
    /// Whether an acknowledgement that nobody waits for is an error (5.7).
    refuses_unknown_acknowledgements: bool,

    /// Whether a `path` is limited to the characters of 6.1 in `set`, `remove` and `on`.
    checks_path_characters: bool,
    /// How patterns of subscriptions are matched (6.3).
    matching: Matching,
    /// In which order several channels are served (6.3).
    channel_order: ChannelOrder,

    /// Whether publications name their `eventOrigin` (7.1).
    names_event_origin: bool,
    /// Whether the publication of a `remove` carries a `timestamp` (7.1). Responses of all dialects do.
    stamps_remove_publications: bool,
    /// Whether a subscription with `merge` gets what was sent (7.2).
    has_merge_subscriptions: bool,
    /// Whether a publisher of consistency 0 is told when its publication is done (7.5).
    acknowledges_consistency_0: bool,

    /// How queries are understood (8.3).
    query_rules: QueryRules,
    /// Whether an error of a query says what is wrong with it (8.3).
    explains_query_errors: bool,

    /// Whether it is 401 that tells of wrong credentials (9.3). Elsewhere it is 403.
    has_code_401: bool,
    /// In which texts logins and tokens are refused (9.3, 9.7).
    refusal_texts: RefusalTexts,
    /// Whether a token of a login over HTTP logs a websocket in (9.3).
    takes_tokens_of_http: bool,
    /// Session of a login that does not hold any more (9.7).
    expired_login: ExpiredLogin,
    /// Whether a session is told when the rights of its user change (9.9).
    tells_security_changes: bool,

    /// Whether requests over HTTP from an address whose last websocket spoke this dialect are answered in it (10).
    is_kept_over_http: bool,
    /// How a request over HTTP without a token is refused (10).
    http_refusal: HttpRefusal,
    /// The status of a REST request that is wrong (docs/mesh-protocol.md 8).
    rest_faults: RestFaults,

    /// Whether an `on` with a `*` in the place of the session is an error below `/_exchange/responses/` (11).
    refuses_to_hear_all_answers: bool,
    /// Whether the component `security` shows lists of permissions as they were given (docs/mesh-protocol.md 7.4). Elsewhere
    /// they are sorted.
    keeps_order_of_permissions: bool,
    /// Whether `updateGroup` replaces the permissions of a group (docs/mesh-protocol.md 7.4). Elsewhere it merges them.
    replaces_permissions_of_group: bool,
}
