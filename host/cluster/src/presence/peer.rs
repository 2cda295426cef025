//! One other node, as far as it was heard.
//!
//! Enters: signs of life, returns, the time. Leaves: changes of the verdict. Guarantees: only time and signs change a verdict; a final
//! one never changes.

use super::beat::Beat;
use super::settings::Settings;
use super::verdict::{Reason, Verdict};
use crate::moment::Moment;
use std::time::Duration;

/// Two returns that far apart make a node away.
const RETURNS_APART: Duration = Duration::from_millis(50);

/// No node makes others more patient than this.
const MOST_PATIENCE: Duration = Duration::from_secs(10);

/// A message to the node that came back.
#[derive(Clone, Copy, Debug)]
struct Returned {
    first: Moment,
    was_probed: bool,
}

/// One other node.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) beat: Beat,
    pub(super) verdict: Verdict,
    pub(super) since: Moment,
    heard: Moment,
    /// The latest of the sender's milliseconds that was heard.
    sent: u64,
    probed: Moment,
    returned: Option<Returned>,
}

/// Something that time brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Changed(Verdict, Reason),
    Probe,
}

impl Peer {
    pub(super) fn new(beat: Beat, now: Moment) -> Peer {
        Peer {
            sent: beat.sent,
            beat,
            verdict: Verdict::Alive,
            since: now,
            heard: now,
            probed: now,
            returned: None,
        }
    }

    /// A sign of life with the sender's milliseconds. Returns whether the verdict has changed. One that is older than another one that was
    /// heard does not count.
    pub(super) fn hear(&mut self, now: Moment, sent: u64) -> bool {
        if sent < self.sent || self.verdict.is_final() {
            return false;
        }
        self.sent = sent;
        self.heard = now;
        self.returned = None;
        if self.verdict == Verdict::Alive {
            return false;
        }
        self.become_(now, Verdict::Alive);
        true
    }

    pub(super) fn become_(&mut self, now: Moment, verdict: Verdict) {
        self.verdict = verdict;
        self.since = now;
    }

    /// A message to it came back. Returns whether the verdict has changed.
    pub(super) fn message_returned(&mut self, now: Moment) -> bool {
        if !matches!(self.verdict, Verdict::Alive | Verdict::Suspect) {
            return false;
        }
        match self.returned {
            None => {
                self.returned = Some(Returned {
                    first: now,
                    was_probed: false,
                });
                false
            }
            Some(returned) if now.since(returned.first) >= RETURNS_APART => {
                self.become_(now, Verdict::Away);
                true
            }
            Some(_) => false,
        }
    }

    /// The own node judges again, and times count from now on.
    pub(super) fn count_anew(&mut self, now: Moment) {
        self.heard = self.heard.max(now);
        self.returned = None;
        if !self.verdict.is_gone() {
            self.since = now;
        }
    }

    /// The next thing that time brings about, if it is due.
    pub(super) fn turn(&mut self, now: Moment, settings: &Settings) -> Option<Turn> {
        let (at, turn) = self.next(settings)?;
        if at > now {
            return None;
        }
        match turn {
            Turn::Changed(verdict, _) => self.become_(now, verdict),
            Turn::Probe => {
                self.probed = now;
                if let Some(returned) = &mut self.returned {
                    returned.was_probed = true;
                }
            }
        }
        Some(turn)
    }

    /// When time brings something about, if nothing else happens.
    pub(super) fn next_deadline(&self, settings: &Settings) -> Option<Moment> {
        self.next(settings).map(|(at, _)| at)
    }

    fn next(&self, settings: &Settings) -> Option<(Moment, Turn)> {
        let patience = self.beat.late.min(MOST_PATIENCE);
        let lost = (
            self.heard + settings.lost + patience,
            Turn::Changed(Verdict::Lost, Reason::Silent),
        );
        let probe = (self.probed + settings.beat, Turn::Probe);
        match self.verdict {
            Verdict::Alive => {
                let suspect = self.heard + settings.suspect() + patience;
                let suspect = (suspect, Turn::Changed(Verdict::Suspect, Reason::Silent));
                let again = self.returned.filter(|returned| !returned.was_probed);
                let again = again.map(|returned| (returned.first + RETURNS_APART, Turn::Probe));
                [suspect, lost].into_iter().chain(again).min_by_key(|(at, _)| *at)
            }
            Verdict::Suspect => {
                let again = self.returned.filter(|returned| !returned.was_probed);
                let again = again.map(|returned| (returned.first + RETURNS_APART, Turn::Probe));
                [lost, probe].into_iter().chain(again).min_by_key(|(at, _)| *at)
            }
            Verdict::Away => {
                let away = self.since + settings.away;
                let away = (away, Turn::Changed(Verdict::Lost, Reason::Returned));
                [away, lost, probe].into_iter().min_by_key(|(at, _)| *at)
            }
            Verdict::Lost => {
                let forgotten = Turn::Changed(Verdict::Forgotten, Reason::LongAgo);
                Some((self.since + settings.forget, forgotten))
            }
            Verdict::Forgotten | Verdict::Left | Verdict::Barred => None,
        }
    }
}
