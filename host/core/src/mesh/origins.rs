//! Pages of which origins may use the mesh from a browser.
//!
//! Enters: origins as the configuration names them, and the header `Origin` of requests. Leaves: whether a page may
//! read answers, and whether the cookie of whoever looks at it counts. Guarantees: a cookie counts for named origins only.

use std::collections::HashSet;

/// The origins that the configuration names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    listed: HashSet<String>,
    is_any: bool,
    credentials: bool,
}

impl Origins {
    /// These origins, or every one when `*` is among them. With `credentials` their pages may act with a cookie.
    pub fn new(listed: &[String], credentials: bool) -> Origins {
        let is_any = listed.iter().any(|origin| origin == "*");
        Origins {
            listed: listed.iter().cloned().collect(),
            is_any,
            credentials: credentials && !is_any,
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.listed.is_empty()
    }

    /// Whether every page is let in, wherever it is from.
    pub fn is_any(&self) -> bool {
        self.is_any
    }

    /// Whether pages of this origin may read answers.
    pub fn admits(&self, origin: &str) -> bool {
        self.is_any || self.listed.contains(origin)
    }

    /// Whether pages of this origin may act with a cookie.
    pub fn trusts(&self, origin: &str) -> bool {
        self.credentials && self.listed.contains(origin)
    }
}
