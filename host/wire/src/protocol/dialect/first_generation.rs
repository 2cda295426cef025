//! The first generation: `happn_1.…`, all that is not known, and clients that announce nothing.
//!
//! Leaves: its answers. Guarantees: without an announcement only the end of frames differs.

use super::answers::{
    ChannelOrder, EndNotice, ExpiredLogin, HttpRefusal, Listeners, LoginAnswer, LoginUser, Matching,
    MergeRule, QueryRules, RefusalTexts, RestFaults,
};
use super::questions::Answers;

pub(super) const ANSWERS: Answers = Answers {
    name: "1.3.0",
    tail: r#","protocol":"1.3.0","__outbound":true}"#,
    listed_as: "happn_1.3.0",
    server_pings: false,
    announces_stop: true,
    end_notice: EndNotice::Text,
    says_that_it_closes: false,
    login_answer: LoginAnswer::Small,
    login_user: LoginUser::Documents,
    echoes_session_at_login: false,
    has_requests_about_login: false,
    refuses_to_revoke_nothing: true,
    honours_no_data_response: false,
    has_bulk_writes: false,
    names_modifier: true,
    merge_rule: MergeRule::NullKeeps,
    has_tags_and_siblings: true,
    has_increment: false,
    names_item_id: true,
    refuses_aggregates: false,
    has_count: false,
    requires_channel: true,
    listeners: Listeners::Counted,
    echoes_reference_at_off: false,
    publishes_initial_values: true,
    orders_initial_values_by_time: false,
    refuses_unknown_acknowledgements: true,
    checks_path_characters: false,
    matching: Matching::Text,
    channel_order: ChannelOrder::ActionFirst,
    names_event_origin: false,
    stamps_remove_publications: true,
    has_merge_subscriptions: false,
    acknowledges_consistency_0: false,
    query_rules: QueryRules::First,
    explains_query_errors: false,
    has_code_401: false,
    refusal_texts: RefusalTexts::Original,
    takes_tokens_of_http: true,
    expired_login: ExpiredLogin::StaysOpen,
    tells_security_changes: false,
    is_kept_over_http: true,
    http_refusal: HttpRefusal::Forbidden,
    rest_faults: RestFaults::OfTheServer,
    refuses_to_hear_all_answers: true,
    keeps_order_of_permissions: true,
    replaces_permissions_of_group: true,
};

/// Of a session that has announced nothing, or `happn`.
pub(super) const UNCONFIGURED: Answers = Answers {
    name: "happn",
    tail: r#","protocol":"happn"}"#,
    ..ANSWERS
};
