//! Lines of the log about other nodes.
//!
//! Enters: a verdict, the one before it, and the times of presence. Leaves: a sentence for operators. Guarantees: none.

use mesh_cluster::presence::{Judgement, Reason, Settings, Verdict};
use std::fmt;
use std::time::Duration;

/// The knowledge of a node before a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing.
    Nothing,
    /// A former start of it.
    FormerStart,
    /// This verdict about the same start.
    Verdict(Verdict),
}

/// Writes a line about a verdict.
pub(super) fn tell(judgement: &Judgement, before: Before, settings: &Settings) {
    let node = judgement.node.as_str();
    let sentence = Sentence {
        judgement,
        before,
        settings,
    };
    match judgement.verdict {
        Verdict::Lost if matches!(judgement.reason, Reason::Replaced(_)) => {
            tracing::info!(target: "cluster", node, "{sentence}");
        }
        Verdict::Suspect | Verdict::Away | Verdict::Lost | Verdict::Barred => {
            tracing::warn!(target: "cluster", node, "{sentence}");
        }
        Verdict::Alive | Verdict::Left | Verdict::Forgotten => {
            tracing::info!(target: "cluster", node, "{sentence}");
        }
    }
}

struct Sentence<'a> {
    judgement: &'a Judgement,
    before: Before,
    settings: &'a Settings,
}

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Judgement {
            node,
            verdict,
            reason,
            ..
        } = self.judgement;
        let settings = self.settings;
        write!(formatter, "node {node} ")?;
        match (verdict, reason) {
            (Verdict::Alive, _) => match self.before {
                Before::Nothing => write!(formatter, "has joined"),
                Before::FormerStart => write!(formatter, "has joined again"),
                Before::Verdict(Verdict::Alive) => write!(formatter, "is alive"),
                Before::Verdict(before) => write!(formatter, "is back. It was {before}"),
            },
            (Verdict::Suspect, _) => {
                let silence = Seconds(settings.suspect());
                write!(formatter, "is suspect: it has been silent for {silence}")
            }
            (Verdict::Away, _) => {
                write!(
                    formatter,
                    "is away: messages to it come back, since nobody takes them"
                )
            }
            (Verdict::Lost, Reason::Replaced(_)) => {
                write!(formatter, "has started anew, and its former start is lost")
            }
            (Verdict::Lost, Reason::Returned) => {
                let away = Seconds(settings.away);
                write!(formatter, "is lost: messages to it have come back for {away}")
            }
            (Verdict::Lost, _) => {
                let silence = Seconds(settings.lost);
                write!(formatter, "is lost: it has been silent for {silence}")
            }
            (Verdict::Forgotten, _) => {
                let forget = Seconds(settings.forget);
                write!(formatter, "is forgotten: it has been lost for {forget}")
            }
            (Verdict::Left, _) => write!(formatter, "has left"),
            (Verdict::Barred, _) => {
                write!(formatter, "is shut out: it broke the rules of the protocol")
            }
        }
    }
}

/// A time for people.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} s", self.0.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_cluster::identity::{Incarnation, NodeName};
    use std::num::NonZeroU64;

    #[test]
    fn a_verdict_is_a_plain_sentence() {
        let incarnation = Incarnation::new(1, NonZeroU64::MIN);
        let line = |verdict, reason, before| {
            let judgement = Judgement {
                node: NodeName::new("shop-2").expect("it is a name"),
                incarnation,
                verdict,
                reason,
            };
            let settings = Settings {
                away: Duration::from_millis(2500),
                ..Settings::default()
            };
            let sentence = Sentence {
                judgement: &judgement,
                before,
                settings: &settings,
            };
            sentence.to_string()
        };
        let alive = Before::Verdict(Verdict::Alive);
        for (verdict, reason, before, expected) in [
            (
                Verdict::Alive,
                Reason::Heard,
                Before::Nothing,
                "node shop-2 has joined",
            ),
            (
                Verdict::Alive,
                Reason::Heard,
                Before::FormerStart,
                "node shop-2 has joined again",
            ),
            (
                Verdict::Alive,
                Reason::Heard,
                Before::Verdict(Verdict::Lost),
                "node shop-2 is back. It was lost",
            ),
            (
                Verdict::Suspect,
                Reason::Silent,
                alive,
                "node shop-2 is suspect: it has been silent for 3 s",
            ),
            (
                Verdict::Lost,
                Reason::Silent,
                alive,
                "node shop-2 is lost: it has been silent for 10 s",
            ),
            (
                Verdict::Lost,
                Reason::Returned,
                alive,
                "node shop-2 is lost: messages to it have come back for 2.5 s",
            ),
            (
                Verdict::Lost,
                Reason::Replaced(incarnation),
                alive,
                "node shop-2 has started anew, and its former start is lost",
            ),
            (Verdict::Left, Reason::Goodbye, alive, "node shop-2 has left"),
        ] {
            assert_eq!(line(verdict, reason, before), expected);
        }
    }
}
