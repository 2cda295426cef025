//! The channels that the calls of a connection have in common.
//!
//! Enters: channels that calls need. Leaves: the same channels, each subscribed to once. Guarantees: two calls at the
//! same time wait for one subscription; no two calls have one number.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::{Mutex, OnceCell};

/// The response channels of a connection: subscribed to once, when first needed.
#[derive(Debug, Default)]
pub(super) struct ResponseChannels {
    pub(super) subscribed: Mutex<HashMap<String, Arc<OnceCell<()>>>>,
    pub(super) domain: OnceCell<String>,
    pub(super) calls: AtomicU64,
}
