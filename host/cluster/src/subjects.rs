//! The subjects of a cluster.
//!
//! Enters: names, or the subject of a message. Leaves: the subject as text, or the meaning of one. Guarantees: all that is written can
//! be read; nothing that belongs to another cluster is taken for a subject of this one.

use crate::identity::{ClusterName, Mark, NameError, NodeName};
use std::fmt::Write;
use thiserror::Error;

/// One attempt to send something, as the subject for its return names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The incarnation that sent it.
    pub sender: Mark,
    /// The link that sent it, numbered by its node. 0 is the node itself.
    pub link: u32,
    /// The number of the batch; 0 for what has none.
    pub batch: u64,
    /// Attempts of the same batch before this one.
    pub before: u32,
}

/// The meaning of a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The beats of a node.
    Beat(NodeName),
    /// Messages to a node.
    Inbox {
        /// The receiver.
        to: NodeName,
        /// The sender. The server lets only that node publish there.
        from: NodeName,
    },
    /// Returns of what a node sent and nobody took, and answers to its question for its own name.
    Return {
        /// The node that sent it.
        to: NodeName,
        /// The attempt that came back.
        attempt: Attempt,
    },
}

/// A subject without a meaning.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SubjectError {
    /// It begins otherwise.
    #[error("the subject does not begin with {prefix:?}, as all of this cluster do")]
    Foreign {
        /// The beginning of all subjects of the cluster.
        prefix: String,
    },
    /// The name in it is none.
    #[error("a token of the subject is no name: {0}")]
    Name(#[from] NameError),
    /// Behind the prefix is something else.
    #[error(
        "behind {prefix:?} the subject is none of beat.NODE, in.NODE.SENDER and nr.NODE.MARK.LINK.BATCH.BEFORE"
    )]
    Unknown {
        /// The beginning of all subjects of the cluster.
        prefix: String,
    },
}

/// The subjects that a node may use. A server that lets it use no others keeps it from speaking as another node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// Those that it may publish to; patterns of NATS.
    pub publish: Vec<String>,
    /// Those that it may subscribe to; patterns of NATS.
    pub subscribe: Vec<String>,
}

/// The subjects of one cluster.
#[derive(Clone, Debug)]
pub struct Subjects {
    prefix: String,
}

impl Subjects {
    /// Those of this cluster.
    pub fn new(cluster: &ClusterName) -> Subjects {
        Subjects {
            prefix: format!("mesh.{cluster}."),
        }
    }

    /// The subject of a node's beats.
    pub fn beat(&self, node: &NodeName) -> String {
        format!("{}beat.{node}", self.prefix)
    }

    /// The subject of all beats, to subscribe to.
    pub fn beats(&self) -> String {
        format!("{}beat.*", self.prefix)
    }

    /// The subject of messages from one node to another.
    pub fn inbox(&self, to: &NodeName, from: &NodeName) -> String {
        format!("{}in.{to}.{from}", self.prefix)
    }

    /// The subject of all messages to a node, to subscribe to.
    pub fn inboxes(&self, to: &NodeName) -> String {
        format!("{}in.{to}.*", self.prefix)
    }

    /// The subjects of all messages from a node, to let it publish there.
    pub fn sent(&self, from: &NodeName) -> String {
        format!("{}in.*.{from}", self.prefix)
    }

    /// The subjects that a node may use: all that it needs, and none where it would speak as another node or hear for it.
    pub fn permissions(&self, node: &NodeName) -> Permissions {
        Permissions {
            // A node answers the question for its own name on the subject of returns.
            publish: vec![self.beat(node), self.sent(node), self.attempts(node)],
            subscribe: vec![self.beats(), self.inboxes(node), self.attempts(node)],
        }
    }

    /// The subject on which an attempt comes back.
    pub fn attempt(&self, by: &NodeName, attempt: Attempt) -> String {
        let mut subject = String::with_capacity(self.prefix.len() + by.as_str().len() + 64);
        let Attempt {
            sender,
            link,
            batch,
            before,
        } = attempt;
        // Writing to a String cannot fail.
        let _ = write!(
            subject,
            "{}nr.{by}.{:016x}.{link}.{batch}.{before}",
            self.prefix,
            sender.number()
        );
        subject
    }

    /// The subject of all attempts that come back to a node, to subscribe to.
    pub fn attempts(&self, by: &NodeName) -> String {
        format!("{}nr.{by}.>", self.prefix)
    }

    /// The meaning of a subject.
    pub fn read(&self, subject: &str) -> Result<Subject, SubjectError> {
        let Some(rest) = subject.strip_prefix(&self.prefix) else {
            return Err(SubjectError::Foreign {
                prefix: self.prefix.clone(),
            });
        };
        let mut tokens = rest.split('.');
        let [sort, first, second, third, fourth, fifth, none] = [(); 7].map(|()| tokens.next());
        match (sort, first, second, third, fourth, fifth, none) {
            (Some("beat"), Some(node), None, ..) => Ok(Subject::Beat(NodeName::new(node)?)),
            (Some("in"), Some(to), Some(from), None, ..) => Ok(Subject::Inbox {
                to: NodeName::new(to)?,
                from: NodeName::new(from)?,
            }),
            (Some("nr"), Some(node), Some(sender), Some(link), Some(batch), Some(before), None) => {
                let attempt = attempt(sender, link, batch, before).ok_or_else(|| self.unknown())?;
                Ok(Subject::Return {
                    to: NodeName::new(node)?,
                    attempt,
                })
            }
            _ => Err(self.unknown()),
        }
    }

    fn unknown(&self) -> SubjectError {
        SubjectError::Unknown {
            prefix: self.prefix.clone(),
        }
    }
}

fn attempt(sender: &str, link: &str, batch: &str, before: &str) -> Option<Attempt> {
    Some(Attempt {
        sender: Mark::of(u64::from_str_radix(sender, 16).ok()?),
        link: link.parse().ok()?,
        batch: batch.parse().ok()?,
        before: before.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn subjects() -> Subjects {
        Subjects::new(&ClusterName::new("shop").unwrap())
    }

    #[test]
    fn subjects_are_written_as_permissions_name_them() {
        let subjects = subjects();
        assert_eq!(subjects.beat(&node("a")), "mesh.shop.beat.a");
        assert_eq!(subjects.beats(), "mesh.shop.beat.*");
        assert_eq!(subjects.inbox(&node("a"), &node("b")), "mesh.shop.in.a.b");
        assert_eq!(subjects.inboxes(&node("a")), "mesh.shop.in.a.*");
        assert_eq!(subjects.attempts(&node("a")), "mesh.shop.nr.a.>");
        let attempt = Attempt {
            sender: Mark::of(0xabc),
            link: 3,
            batch: 71,
            before: 1,
        };
        let written = subjects.attempt(&node("a"), attempt);
        assert_eq!(written, "mesh.shop.nr.a.0000000000000abc.3.71.1");
        let read = Subject::Return {
            to: node("a"),
            attempt,
        };
        assert_eq!(subjects.read(&written), Ok(read));
    }

    #[test]
    fn a_node_may_speak_as_itself_and_hear_what_is_for_it() {
        let permissions = subjects().permissions(&node("a"));
        assert_eq!(
            permissions.publish,
            ["mesh.shop.beat.a", "mesh.shop.in.*.a", "mesh.shop.nr.a.>"]
        );
        assert_eq!(
            permissions.subscribe,
            ["mesh.shop.beat.*", "mesh.shop.in.a.*", "mesh.shop.nr.a.>"]
        );
    }

    #[test]
    fn subjects_are_read_and_others_are_refused() {
        let subjects = subjects();
        assert_eq!(subjects.read("mesh.shop.beat.b"), Ok(Subject::Beat(node("b"))));
        let inbox = Subject::Inbox {
            to: node("a"),
            from: node("b"),
        };
        assert_eq!(subjects.read("mesh.shop.in.a.b"), Ok(inbox));
        for foreign in ["", "mesh.shop", "mesh.shop2.beat.b", "beat.b"] {
            assert!(
                matches!(subjects.read(foreign), Err(SubjectError::Foreign { .. })),
                "{foreign}"
            );
        }
        for unknown in [
            "mesh.shop.",
            "mesh.shop.beat",
            "mesh.shop.beat.a.b",
            "mesh.shop.in.a",
            "mesh.shop.in.a.b.c",
            "mesh.shop.nr.a.0.1.2",
            "mesh.shop.nr.a.0.1.2.3.4",
            "mesh.shop.nr.a.x.1.2.3",
            "mesh.shop.nr.a.0.1.-2.3",
            "mesh.shop.nr.a.11112222333344445.1.2.3",
            "mesh.shop.log.a",
        ] {
            assert!(
                matches!(subjects.read(unknown), Err(SubjectError::Unknown { .. })),
                "{unknown}"
            );
        }
        assert!(matches!(
            subjects.read("mesh.shop.in.a."),
            Err(SubjectError::Name(_))
        ));
    }
}
