//! Faults in the answers of a method, collected over many calls.
//!
//! Enters: a [`Fault`] and where it was seen. Leaves: one [`Finding`] for each kind of fault, which names the
//! first places. Guarantees: a library that fails in every call makes a short report all the same.

use super::report::{Finding, Verdict};
use std::collections::BTreeMap;
use std::time::Duration;

/// Something wrong with how calls are answered. The order is that of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// More completions than calls.
    CompletedTwice,
    /// Success with something that is no list of results.
    WrongResults,
    /// An error with something that is no error object.
    WrongError,
    /// An error value that is neither text nor object.
    WrongValueError,
    /// The host could not hand the call over, or lost sight of it.
    Lost,
    /// A call of a method that does not exist was not answered.
    SilentOnUnknown,
    /// Such a call was answered with success.
    SuccessOnUnknown,
    /// A panic, whatever the arguments were.
    Panicked,
    /// A status that the contract does not know.
    UnknownStatus,
    /// No work is done on the lane while the method runs.
    Blocks,
    /// No answer in time.
    Silent,
}

impl Fault {
    fn verdict(self) -> Verdict {
        match self {
            Fault::CompletedTwice
            | Fault::WrongResults
            | Fault::WrongError
            | Fault::WrongValueError
            | Fault::Lost
            | Fault::SilentOnUnknown => Verdict::Failed,
            Fault::SuccessOnUnknown
            | Fault::Panicked
            | Fault::UnknownStatus
            | Fault::Blocks
            | Fault::Silent => Verdict::Warning,
        }
    }

    fn sentence(self, places: &str, answer_time: Duration) -> String {
        let milliseconds = answer_time.as_millis();
        match self {
            Fault::CompletedTwice => {
                format!(
                    "{places} completed a token more than once: each token must be completed exactly once"
                )
            }
            Fault::WrongResults => format!(
                "{places} answered with bytes that are no JSON array: results are `[]`, `[result]` or `[first,second]`"
            ),
            Fault::WrongError => format!(
                "{places} failed with bytes that are no error: an error is a JSON array whose first element is an object with the texts `message` and `name`"
            ),
            Fault::WrongValueError => format!(
                "{places} failed with a wrong error value: it is a JSON array whose first element is a string or an object"
            ),
            Fault::Lost => {
                format!(
                    "{places} could not be handed over or was dropped: every call must be taken and completed"
                )
            }
            Fault::SilentOnUnknown => {
                format!(
                    "{places} was not answered within {milliseconds} ms: an unknown method must be completed with an error"
                )
            }
            Fault::SuccessOnUnknown => {
                format!(
                    "{places} was answered with success: an unknown method should be completed with an error"
                )
            }
            Fault::Panicked => {
                format!(
                    "{places} panicked: arguments that a method cannot use should be answered with an error"
                )
            }
            Fault::UnknownStatus => {
                format!(
                    "{places} answered with a status that the ABI does not know: use one of MESH_STATUS_*"
                )
            }
            Fault::Blocks => format!(
                "{places} kept its lane busy for more than {milliseconds} ms: what takes long should be completed later, from a timer or a thread"
            ),
            Fault::Silent => format!(
                "{places} did not answer within {milliseconds} ms: right where it waits by design, else each call must be completed"
            ),
        }
    }
}

/// Faults, and the methods and ways in which they were seen.
#[derive(Debug, Default)]
pub(super) struct Faults(BTreeMap<Fault, Vec<Place>>);

/// A method, and the words that follow its name.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    method: String,
    how: String,
}

/// So many methods are named before the rest is counted.
const NAMED: usize = 3;

impl Faults {
    /// Notes a fault. `how` is what follows the method's name in a sentence: "with no arguments".
    pub(super) fn note(&mut self, fault: Fault, method: &str, how: &str) {
        let place = Place {
            method: method.to_owned(),
            how: how.to_owned(),
        };
        let places = self.0.entry(fault).or_default();
        if !places.contains(&place) {
            places.push(place);
        }
    }

    /// One finding for each kind.
    pub(super) fn findings(self, answer_time: Duration) -> Vec<Finding> {
        self.0
            .into_iter()
            .map(|(fault, places)| Finding {
                verdict: fault.verdict(),
                sentence: fault.sentence(&subject_of(&places), answer_time),
            })
            .collect()
    }
}

/// The subject of a sentence about these places, of which there is at least one.
fn subject_of(places: &[Place]) -> String {
    let mut methods: Vec<&str> = places.iter().map(|place| place.method.as_str()).collect();
    // The places of a method follow each other.
    methods.dedup();
    let how = places.first().map_or("", |place| place.how.as_str());
    match methods.as_slice() {
        [method] if places.len() == 1 => format!("method `{method}` {how}"),
        [method] => format!("method `{method}` {how}, and otherwise,"),
        _ => {
            let named = methods[..methods.len().min(NAMED)].join("`, `");
            let more = match methods.len() - methods.len().min(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            format!("methods `{named}`{more}, the first {how},")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_places_make_one_sentence() {
        let mut faults = Faults::default();
        for number in 0..5 {
            faults.note(Fault::WrongResults, &format!("m{number}"), "with nulls");
            faults.note(Fault::WrongResults, &format!("m{number}"), "with texts");
        }
        faults.note(Fault::Silent, "later", "with nulls");
        faults.note(Fault::Panicked, "divide", "with nulls");
        faults.note(Fault::Panicked, "divide", "with nulls");
        faults.note(Fault::Panicked, "divide", "with texts");
        let findings = faults.findings(Duration::from_millis(50));
        for (finding, begins) in findings.iter().zip([
            "methods `m0`, `m1`, `m2` and 2 more, the first with nulls, answered with bytes",
            "method `divide` with nulls, and otherwise, panicked:",
            "method `later` with nulls did not answer within 50 ms",
        ]) {
            assert!(finding.sentence.starts_with(begins), "{finding:?}");
        }
        assert_eq!(findings.len(), 3);
        assert_eq!(findings[2].verdict, Verdict::Warning);
    }
}
