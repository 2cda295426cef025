//! The link to one incarnation of another node, with what the member needs to know of it.
//!
//! Enters: outputs of the link. Leaves: outputs of the member, with the node and the incarnation that they are about. Guarantees: the
//! order stays.

use super::Output;
use crate::identity::{Incarnation, NodeName};
use crate::link::{self, Link};
use std::collections::VecDeque;
use std::sync::Arc;

/// The link to one incarnation.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) incarnation: Incarnation,
    pub(super) link: Link,
    /// Its number in the subjects on which attempts come back.
    pub(super) number: u32,
    pub(super) inbox: Arc<str>,
    /// It is among those that are looked at next.
    pub(super) is_touched: bool,
}

impl Conversation {
    pub(super) fn touch(&mut self, node: &NodeName, touched: &mut VecDeque<NodeName>) {
        if !std::mem::replace(&mut self.is_touched, true) {
            touched.push_back(node.clone());
        }
    }

    pub(super) fn take_outputs(&mut self, node: &NodeName, outputs: &mut VecDeque<Output>) {
        let incarnation = self.incarnation;
        while let Some(output) = self.link.poll_output() {
            outputs.push_back(match output {
                link::Output::Delivered(message) => Output::Delivered {
                    from: node.clone(),
                    incarnation,
                    message,
                },
                link::Output::Gap(events) => Output::Gap {
                    from: node.clone(),
                    incarnation,
                    events,
                },
                link::Output::Notice(notice) => Output::Notice {
                    to: node.clone(),
                    incarnation,
                    notice,
                },
            });
        }
    }

    pub(super) fn close(&mut self, node: &NodeName, outputs: &mut VecDeque<Output>) {
        self.link.close(None);
        self.take_outputs(node, outputs);
    }
}
