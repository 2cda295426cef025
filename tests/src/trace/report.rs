//! The result of a replay.
//!
//! Enters: counts and mismatches while a trace is replayed. Leaves: text for people. Guarantees: what was
//! skipped is never counted as compared.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::compare::{Change, Difference};
use super::rules::{Category, Skip};

/// How much of a value is shown.
const SHOWN: usize = 300;

/// The outcome of one trace.
#[derive(Debug, Default)]
pub struct Report {
    /// The name of the trace.
    pub trace: String,
    /// Frames sent to the host.
    pub sent: usize,
    /// Frames of the host that were compared with recorded ones.
    pub compared: usize,
    /// How often each deviation was needed, by its id.
    pub deviations: BTreeMap<String, usize>,
    /// How many recorded frames and requests each rule left out.
    pub skipped: BTreeMap<(Category, String), usize>,
    /// The differences.
    pub mismatches: Vec<Mismatch>,
}

/// Something that does not match.
#[derive(Debug)]
pub struct Mismatch {
    /// The line of the recording.
    pub line: usize,
    /// The last note before it.
    pub note: String,
    /// The connection's name in the recording.
    pub connection: String,
    /// The client's request.
    pub request: Value,
    /// The fault.
    pub problem: Problem,
}

/// The kinds of faults.
#[derive(Debug)]
pub enum Problem {
    /// Fields differ.
    Fields(Vec<Difference>),
    /// A recorded frame did not come.
    Missing(Value),
    /// A frame came that was not recorded.
    Extra(Value),
    /// The frame came, but later than one that follows it in the recording.
    Order {
        /// The frame.
        frame: Value,
        /// The frame that came first.
        overtaken_by: Value,
    },
    /// The host ended the connection, or did not where the real server did.
    Connection(String),
}

impl Report {
    /// Counts something that is not compared.
    pub fn skip(&mut self, rule: &Skip) {
        *self.skipped.entry((rule.category, rule.id.clone())).or_default() += 1;
    }

    /// Counts something that happened later than a recording about time is followed.
    pub fn skip_late(&mut self) {
        *self
            .skipped
            .entry((
                Category::RealTime,
                "later than the recording is followed".to_owned(),
            ))
            .or_default() += 1;
    }

    /// Counts a recorded frame of a connection that was never opened because its requests are skipped.
    pub fn skip_unreachable(&mut self) {
        *self
            .skipped
            .entry((Category::NotReplayable, "frame of a closed connection".to_owned()))
            .or_default() += 1;
    }

    /// Counts an allowed deviation.
    pub fn deviate(&mut self, id: &str) {
        *self.deviations.entry(id.to_owned()).or_default() += 1;
    }

    /// Adds what was found out in another part of the same trace.
    pub fn absorb(&mut self, other: Self) {
        self.sent += other.sent;
        self.compared += other.compared;
        self.mismatches.extend(other.mismatches);
        for (id, count) in other.deviations {
            *self.deviations.entry(id).or_default() += count;
        }
        for (rule, count) in other.skipped {
            *self.skipped.entry(rule).or_default() += count;
        }
    }

    /// Whether everything that was compared matches.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.mismatches.is_empty()
    }

    fn skipped_of(&self, category: Category) -> usize {
        self.skipped
            .iter()
            .filter(|((other, _), _)| *other == category)
            .map(|(_, count)| count)
            .sum()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}: {} sent, {} compared, {} mismatches",
            self.trace,
            self.sent,
            self.compared,
            self.mismatches.len()
        )?;
        for (category, name) in [
            (Category::LaterMilestone, "skipped (later milestone)"),
            (Category::NotReplayable, "skipped (not replayable)"),
            (Category::OutOfScope, "skipped (out of scope)"),
            (Category::RealTime, "skipped (needs real time)"),
        ] {
            match self.skipped_of(category) {
                0 => {}
                count => write!(formatter, ", {count} {name}")?,
            }
        }
        writeln!(formatter)?;
        for (id, count) in &self.deviations {
            writeln!(formatter, "    deviation {id}: {count}")?;
        }
        for ((_, id), count) in &self.skipped {
            writeln!(formatter, "    skip {id}: {count}")?;
        }
        self.mismatches
            .iter()
            .try_for_each(|mismatch| write!(formatter, "{mismatch}"))
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            formatter,
            "  line {}, connection {}, section: {}",
            self.line, self.connection, self.note
        )?;
        if !self.request.is_null() {
            writeln!(formatter, "    request   {}", short(&self.request))?;
        }
        match &self.problem {
            Problem::Fields(differences) => differences.iter().try_for_each(|difference| {
                let (recorded, live) = (short(&difference.recorded), short(&difference.live));
                match difference.change {
                    Change::Missing => writeln!(formatter, "    - {} = {recorded}", difference.field),
                    Change::Extra => writeln!(formatter, "    + {} = {live}", difference.field),
                    Change::Different => {
                        writeln!(formatter, "    - {} = {recorded}", difference.field)?;
                        writeln!(formatter, "    + {} = {live}", difference.field)
                    }
                }
            }),
            Problem::Missing(frame) => writeln!(formatter, "    - frame   {}", short(frame)),
            Problem::Extra(frame) => writeln!(formatter, "    + frame   {}", short(frame)),
            Problem::Order { frame, overtaken_by } => {
                writeln!(formatter, "    late      {}", short(frame))?;
                writeln!(formatter, "    behind    {}", short(overtaken_by))
            }
            Problem::Connection(text) => writeln!(formatter, "    {text}"),
        }
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], text.len()),
        None => text,
    }
}
