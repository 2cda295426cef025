//! How clients connect.
//!
//! Leaves: the keys of `[happn]`, `[happn.tls]`. Guarantees: see [`super::super`].

use super::*;

/// Keys of `[happn]`.
pub(super) const HAPPN: &[Key] = &[
    Key {
        section: "happn",
        name: "host",
        takes: Takes::Text,
        default: KeyDefault::Text(DEFAULT_HOST),
        applies: Restart,
        meaning: "Address or host name to listen on; `0.0.0.0` is every IPv4 interface.",
    },
    integer(
        "happn",
        "port",
        PORT,
        Restart,
        "TCP port to listen on; 0 is any free port.",
    ),
    Key {
        section: "happn",
        name: "secure",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(DEFAULT_SECURE),
        applies: Restart,
        meaning: "Whether clients must log in and are checked against permissions.",
    },
    integer(
        "happn",
        "max_frame_bytes",
        MAX_FRAME_BYTES,
        Restart,
        "Bytes one message may have; a longer one ends its session.",
    ),
    integer(
        "happn",
        "outbound_queue_bytes",
        OUTBOUND_QUEUE_BYTES,
        Restart,
        "Bytes that may wait for one session before it is disconnected as too slow.",
    ),
    integer(
        "happn",
        "max_connections",
        MAX_CONNECTIONS,
        Restart,
        "Sessions that may be open at one time.",
    ),
    integer(
        "happn",
        "max_connections_before_login",
        MAX_CONNECTIONS_BEFORE_LOGIN,
        Restart,
        "Connections without a login that may be open at one time, HTTP among them.",
    ),
    integer(
        "happn",
        "max_connections_before_login_per_address",
        MAX_CONNECTIONS_BEFORE_LOGIN_PER_ADDRESS,
        Restart,
        "How many of them one address may have.",
    ),
    integer(
        "happn",
        "login_timeout_ms",
        LOGIN_TIMEOUT_MS,
        Restart,
        "Milliseconds that a websocket may stay open without a login.",
    ),
    integer(
        "happn",
        "ping_interval_ms",
        PING_INTERVAL_MS,
        Restart,
        "Milliseconds between two pings of clients that expect the server to ping (happn_4).",
    ),
    Key {
        section: "happn",
        name: "compression",
        takes: Takes::Boolean,
        default: KeyDefault::Boolean(false),
        applies: Restart,
        meaning: "Whether messages are compressed for clients that offer it (permessage-deflate).",
    },
    integer(
        "happn",
        "max_subscriptions",
        MAX_SUBSCRIPTIONS,
        Restart,
        "Subscriptions that one session may have.",
    ),
    integer(
        "happn",
        "max_subscription_bytes",
        MAX_SUBSCRIPTION_BYTES,
        Restart,
        "Bytes of memory that the subscriptions of one session may take, about.",
    ),
    integer(
        "happn",
        "acknowledge_timeout_ms",
        ACKNOWLEDGE_TIMEOUT_MS,
        Restart,
        "Milliseconds that recipients have to acknowledge a publication of consistency 3.",
    ),
];

/// Keys of `[happn.tls]`.
pub(super) const TLS: &[Key] = &[
    Key {
        section: "happn.tls",
        name: "cert",
        takes: Takes::Path,
        default: KeyDefault::Required,
        applies: Restart,
        meaning: "PEM file of the certificate, and below it of those between it and its authority.",
    },
    Key {
        section: "happn.tls",
        name: "key",
        takes: Takes::Path,
        default: KeyDefault::Required,
        applies: Restart,
        meaning: "PEM file of the certificate's private key, without a passphrase.",
    },
    integer(
        "happn.tls",
        "hsts_seconds",
        HSTS_SECONDS,
        Restart,
        "Seconds for which browsers use nothing but TLS for this name; 0 leaves that to others.",
    ),
];
