//! The check of states that a component cannot read.
//!
//! Enters: a subject. Leaves: findings about RESTORE of bytes and schemas that are not its own. Guarantees: a
//! component that declares no state is not given any; bytes that might be a state of some component by chance may be
//! taken.

use super::orders::{self, Signs};
use super::report::{Finding, Reporter, Verdict};
use super::subject::{Loaded, Outcome};
use super::{Subject, lives};
use bytes::Bytes;
use mesh_plugin::{Job, JobKind, LoadError, StateSchema, Status};

const MEBIBYTE: usize = 1 << 20;

/// So many of the things that went wrong are named before the rest is counted.
const NAMED: usize = 3;

struct Wrong {
    words: String,
    schema: u32,
    state: Bytes,
    /// Whether it cannot be right by any chance.
    is_nonsense: bool,
}

/// Hands over what is no state, to an instance that serves and to one that has not started.
pub(super) async fn wrong_state(
    subject: &Subject,
    reporter: &mut Reporter,
) -> Result<Vec<Finding>, LoadError> {
    let descriptor = orders::descriptor(subject, reporter).await?;
    let Some(declared) = descriptor.state() else {
        reporter.remark("not declared: without `state` in its descriptor it is never given one");
        return Ok(Vec::new());
    };
    let signs = Signs::of(subject, reporter).await?;
    let mut findings = Vec::new();
    let mut loaded = Loaded::load(subject, 1).await?;
    loaded.completed_twice().await;
    reporter.step("SNAPSHOT");
    let own = match given(&loaded).await {
        Some(own) => own,
        // That it gives no state is another check's business, and must not look like the fault of what follows here.
        None => {
            loaded.leave();
            loaded = Loaded::load(subject, 1).await?;
            Bytes::new()
        }
    };
    loaded.completed_twice().await;
    let mut seen = Seen::default();
    for wrong in all(declared, &own) {
        let what = format!("RESTORE of {}", wrong.words);
        reporter.step(what.as_str());
        let outcome = loaded.restore(wrong.state.clone(), wrong.schema).await;
        seen.note(outcome, &wrong);
        findings.extend(orders::completed_once(&mut loaded, &what).await);
        if let Some(missing) = signs.missing(&loaded, &format!("after {what}")).await {
            findings.push(missing);
            loaded.leave();
            loaded = Loaded::load(subject, 1).await?;
        }
    }
    findings.extend(seen.findings(subject));
    reporter.step("STOP, `destroy` and unloading after states that were refused");
    findings.extend(lives::unloading(
        loaded.stop().await,
        "after states that it refused",
    ));

    findings.extend(keeps_its_own(subject, reporter, &signs, declared.schema).await?);

    // A swap that fails so ends an instance which never started.
    reporter.step("`create` of an instance for RESTORE");
    let fresh = Loaded::create(subject, 1).await?;
    reporter.step("RESTORE of noise in a new instance, before START");
    fresh.restore(noise(64), declared.schema).await;
    reporter.step("`destroy` and unloading of an instance that refused a state and never started");
    findings.extend(lives::unloading(
        fresh.discard().await,
        "after a state that it refused before START",
    ));
    Ok(findings)
}

/// Whether an instance that refuses a state still has its own. Without calls in between, which may change it.
async fn keeps_its_own(
    subject: &Subject,
    reporter: &mut Reporter,
    signs: &Signs,
    schema: u32,
) -> Result<Option<Finding>, LoadError> {
    reporter.step("SNAPSHOT before and after states that are refused");
    let loaded = Loaded::load(subject, 1).await?;
    for method in &signs.methods {
        loaded.call(method, Bytes::from_static(b"[]")).await;
    }
    let mut found = None;
    // A state that is written differently each time cannot be compared.
    if let (Some(own), Some(again)) = (given(&loaded).await, given(&loaded).await)
        && own == again
    {
        for (words, state) in [("64 bytes of noise", noise(64)), ("half of a state", half(&own))] {
            let refused = matches!(
                loaded.restore(state, schema).await,
                Outcome::Answered(Status::ERROR | Status::PANIC, _)
            );
            let kept = given(&loaded).await;
            if refused && kept.is_some_and(|kept| kept != own) {
                found = Some(Finding::failed(format!(
                    "RESTORE of {words} was refused and changed the state all the same: an instance that refuses a state keeps its own, since it may have to serve with it"
                )));
                break;
            }
        }
    }
    loaded.stop().await;
    Ok(found)
}

/// The state that a component gives; it serves again then.
async fn given(loaded: &Loaded) -> Option<Bytes> {
    let outcome = loaded.order(JobKind::Snapshot).await;
    loaded.push(Job::new(JobKind::Resume, 0));
    match outcome {
        Outcome::Answered(Status::OK, payload) => Some(Bytes::from(payload)),
        _ => None,
    }
}

fn half(state: &Bytes) -> Bytes {
    state.slice(..state.len().saturating_sub(1) / 2)
}

fn all(declared: &StateSchema, own: &Bytes) -> Vec<Wrong> {
    let mut all = Vec::new();
    for &schema in &declared.restores {
        let mut add = |words: &str, state: Bytes, is_nonsense| {
            all.push(Wrong {
                words: format!("{words} as schema {schema}"),
                schema,
                state,
                is_nonsense,
            });
        };
        add("64 bytes of noise", noise(64), true);
        add("1 MiB of noise", noise(MEBIBYTE), true);
        add("no bytes", Bytes::new(), false);
        add("half of a state", half(own), false);
        add(
            "JSON of another kind",
            Bytes::from_static(b"[[null,{\"\":-1.5e300}]]"),
            false,
        );
        add("1 MiB of brackets", Bytes::from(vec![b'['; MEBIBYTE]), false);
        add("1 MiB of zeros", Bytes::from(vec![0; MEBIBYTE]), false);
    }
    let beyond = declared
        .restores
        .iter()
        .max()
        .map_or(2, |most| most.saturating_add(1));
    for schema in [0, beyond, u32::MAX] {
        if !declared.restores.contains(&schema) {
            all.push(Wrong {
                words: format!("a state of schema {schema}, which it does not declare"),
                schema,
                state: own.clone(),
                is_nonsense: true,
            });
        }
    }
    all
}

/// Bytes without any meaning, the same ones each time, and no UTF-8.
fn noise(length: usize) -> Bytes {
    let mut number = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes: Vec<u8> = (0..length)
        .map(|_| {
            number ^= number << 13;
            number ^= number >> 7;
            number ^= number << 17;
            (number >> 56) as u8
        })
        .collect();
    if let Some(first) = bytes.first_mut() {
        *first = 0xff;
    }
    Bytes::from(bytes)
}

/// How RESTORE ended where it should have been an error.
#[derive(Default)]
struct Seen {
    taken: Vec<String>,
    silent: Vec<String>,
    lost: Vec<String>,
    panicked: Vec<String>,
}

impl Seen {
    fn note(&mut self, outcome: Outcome, wrong: &Wrong) {
        let list = match outcome {
            Outcome::Answered(Status::OK, _) if wrong.is_nonsense => &mut self.taken,
            Outcome::Answered(Status::PANIC, _) => &mut self.panicked,
            Outcome::Answered(..) => return,
            Outcome::Silent => &mut self.silent,
            Outcome::Lost => &mut self.lost,
        };
        list.push(wrong.words.clone());
    }

    fn findings(&self, subject: &Subject) -> Vec<Finding> {
        let silent = format!(
            "was not completed within {} ms: what is no state must be completed with an error",
            subject.answer_time.as_millis()
        );
        let lists: [(&Vec<String>, Verdict, &str); 4] = [
            (
                &self.taken,
                Verdict::Failed,
                "was completed with MESH_STATUS_OK: bytes that are no state of its own and schemas that its descriptor does not list must be completed with an error",
            ),
            (&self.silent, Verdict::Failed, &silent),
            (
                &self.lost,
                Verdict::Failed,
                "could not be handed over or was dropped: every order must be taken and completed",
            ),
            (
                &self.panicked,
                Verdict::Warning,
                "panicked: what is no state should be answered with an error",
            ),
        ];
        lists
            .into_iter()
            .filter(|(words, ..)| !words.is_empty())
            .map(|(words, verdict, seen)| Finding {
                verdict,
                sentence: format!("RESTORE of {} {seen}", listed(words)),
            })
            .collect()
    }
}

fn listed(words: &[String]) -> String {
    let named = words[..words.len().min(NAMED)].join(", ");
    match words.len() - words.len().min(NAMED) {
        0 => named,
        more => format!("{named} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nonsense_is_no_text_and_always_the_same() {
        assert!(std::str::from_utf8(&noise(64)).is_err());
        assert_eq!(noise(MEBIBYTE).len(), MEBIBYTE);
        assert_eq!(noise(100), noise(100));
    }

    #[test]
    fn every_declared_schema_gets_nonsense_and_others_a_state() {
        let declared = StateSchema {
            schema: 2,
            restores: vec![1, 2],
        };
        let all = all(&declared, &Bytes::from_static(b"{\"a\":1}"));
        for schema in [1, 2] {
            assert!(
                all.iter()
                    .any(|wrong| wrong.schema == schema && wrong.state.len() == MEBIBYTE)
            );
        }
        let foreign: Vec<u32> = all
            .iter()
            .filter(|wrong| &*wrong.state == b"{\"a\":1}")
            .map(|wrong| wrong.schema)
            .collect();
        assert_eq!(foreign, [0, 3, u32::MAX]);
    }

    #[test]
    fn a_long_list_is_cut() {
        let words: Vec<String> = ["a", "b", "c", "d", "e"].map(str::to_owned).into();
        assert_eq!(listed(&words), "a, b, c and 2 more");
        assert_eq!(listed(&words[..1]), "a");
    }
}
