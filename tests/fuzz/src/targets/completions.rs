//! Completions: a library answers calls in any order, late, twice, or with tokens that never were.
//!
//! Enters: steps of clients, of two versions of a component, and of the host that swaps them (some bytes each). Checked:
//! - Each call is answered exactly once: by the library, or by the host that gives it up or refuses it.
//! - A completion answers the call that it names and no other, with the bytes that were given.
//! - A completion that answers nothing is counted.
//! - What a caller has pending is counted as long as its call is not answered, and no longer.

use crate::{Input, Target};
use mesh_plugin::ffi::testing::Library;
use mesh_plugin::{Abandoned, Answer, Identity, Job, JobKind, Limits, Nested, NoServices, Response, Status};
use mesh_session::{Held, Share};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Completions.
pub const COMPLETIONS: Target = Target {
    name: "completions",
    run,
    inputs: 10_000,
    longest: 1024,
};

const LANES: u32 = 2;
/// Bytes that wait at one lane at most: few, so that some calls are refused.
const ROOM: usize = 4096;
/// How long each call may take.
const LIMIT: Duration = Duration::from_secs(10);

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
enum End {
    Answered(i32, Vec<u8>),
    Responded(u32, Vec<u8>),
    GivenUp(Abandoned),
    Refused,
}

/// The calls, and how each of them ended.
type Ends = Arc<Mutex<Vec<Vec<End>>>>;

struct Waits {
    place: usize,
    ends: Ends,
    share: Arc<Share>,
}

impl Waits {
    fn note(&self, end: End) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        ends[self.place].push(end);
    }
}

impl Answer for Waits {
    fn answer(self: Box<Self>, status: i32, payload: &[u8]) {
        self.note(End::Answered(status, payload.to_vec()));
    }

    fn respond(self: Box<Self>, response: Response<'_>) {
        self.note(End::Responded(response.status, response.body.to_vec()));
    }

    fn share(&self) -> Option<&Share> {
        Some(&self.share)
    }

    fn abandon(self: Box<Self>, why: Abandoned) {
        self.note(End::GivenUp(why));
    }
}

fn library(version: &str) -> Library {
    let identity = Identity {
        mesh: "World".to_owned(),
        domain: "World".to_owned(),
        component: "calc".to_owned(),
        version: version.to_owned(),
        number: 1,
    };
    let limits = Limits {
        bytes: ROOM,
        calls_of_each: 20,
        lanes: LANES as usize,
    };
    Library::new(identity, LANES, limits, Arc::new(NoServices))
}

/// A token that a library got, and the call that it stands for.
struct Known {
    library: usize,
    token: u64,
    /// The library has completed it once.
    is_used: bool,
}

struct Story {
    libraries: [Library; 2],
    ends: Ends,
    share: Arc<Share>,
    known: Vec<Known>,
    /// Completions that must have answered something.
    answers: u64,
    completions: u64,
    now: Instant,
}

fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let mut story = Story {
        libraries: [library("1.0.0"), library("2.0.0")],
        ends: Ends::default(),
        share: Arc::default(),
        known: Vec::new(),
        answers: 0,
        completions: 0,
        now: Instant::now(),
    };
    while !input.is_empty() {
        story.step(&mut input);
        story.is_counted();
    }
    story.end();
}

impl Story {
    fn step(&mut self, input: &mut Input<'_>) {
        let step = input.byte();
        let which = usize::from(step >> 7);
        match step & 0x7f {
            0..40 => self.call(which, input),
            40..70 => self.take(which, input),
            70..100 => self.complete(input),
            100..106 => self.complete_the_unknown(which, input),
            106..110 => self.libraries[which].hold(*input.pick(&[Nested::Waits, Nested::LetIn])),
            110..115 => self.libraries[which].release(),
            115..118 => {
                let waited = self.libraries[which].seal();
                self.libraries[1 - which].adopt(waited);
            }
            118..123 => {
                self.now += Duration::from_secs(u64::from(input.byte() % 16));
                self.libraries[which].expire(self.now);
            }
            123..125 => self.libraries[which].close(),
            _ => {
                self.libraries[which].abandon();
            }
        }
    }

    fn ends(&self) -> Vec<Vec<End>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn call(&mut self, which: usize, input: &mut Input<'_>) {
        let place = {
            let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
            ends.push(Vec::new());
            ends.len() - 1
        };
        let lane = input.below(LANES as usize);
        let kind = *input.pick(&[JobKind::Call, JobKind::Call, JobKind::Http, JobKind::Snapshot]);
        let job = Job {
            deadline_milliseconds: LIMIT.as_millis() as u32,
            // A token that somebody else has made is of no use.
            payload: vec![b' '; usize::from(input.byte()) * 4].into(),
            ..Job::new(kind, u64::MAX)
        };
        let answer = Waits {
            place,
            ends: self.ends.clone(),
            share: self.share.clone(),
        };
        let submitted = self.libraries[which].submit(lane, job, Box::new(answer), self.now + LIMIT);
        if let Err(refused) = submitted {
            refused.answer.abandon(Abandoned::Stopped);
            let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
            assert_eq!(
                ends[place],
                [End::GivenUp(Abandoned::Stopped)],
                "refused and answered"
            );
            ends[place] = vec![End::Refused];
        }
    }

    fn take(&mut self, which: usize, input: &mut Input<'_>) {
        // One lane does not exist.
        let lane = input.below(LANES as usize + 1) as u32;
        for work in self.libraries[which].take(lane) {
            let is_owed = [JobKind::Call, JobKind::Http, JobKind::Snapshot]
                .iter()
                .any(|kind| *kind as u32 == work.kind);
            if is_owed {
                let is_new = !self
                    .known
                    .iter()
                    .any(|known| known.token == work.token && known.library == which);
                assert!(is_new, "the token {:#x} was given twice", work.token);
                self.known.push(Known {
                    library: which,
                    token: work.token,
                    is_used: false,
                });
            }
        }
    }

    /// Completes a call with a token that the library got, at its own version or at the other.
    fn complete(&mut self, input: &mut Input<'_>) {
        let (place, how) = (input.byte(), input.byte());
        if self.known.is_empty() {
            return;
        }
        let place = usize::from(place) % self.known.len();
        let Known {
            library,
            token,
            is_used,
        } = self.known[place];
        let before = self.ends();
        let number = self.completions.to_be_bytes();
        let target = &self.libraries[library];
        let expected = match how % 8 {
            0 => {
                target.complete_with_impossible_length(token, usize::from(how));
                None
            }
            1 | 2 => {
                target.respond(token, 200 + u32::from(how), b"{}", &number);
                Some(End::Responded(200 + u32::from(how), number.to_vec()))
            }
            _ => {
                let status = i32::from(how % 4) - 1;
                target.complete(token, status, &number);
                Some(End::Answered(status, number.to_vec()))
            }
        };
        self.completions += 1;
        let after = self.ends();
        let new: Vec<&End> = before
            .iter()
            .zip(&after)
            .filter(|(before, after)| before.len() < after.len())
            .filter_map(|(_, after)| after.last())
            .collect();
        self.answers += new.len() as u64;
        assert!(new.len() <= 1, "one completion answered {new:?}");
        if let Some(end) = new.first() {
            assert!(!is_used, "the token {token:#x} was used twice");
            match expected {
                Some(expected) => assert_eq!(**end, expected),
                None => assert!(matches!(end, End::Answered(Status::ERROR, _)), "{end:?}"),
            }
            self.known[place].is_used = true;
        }
    }

    /// Completes something with a token that nobody got.
    fn complete_the_unknown(&mut self, which: usize, input: &mut Input<'_>) {
        let token = match input.below(3) {
            0 => u64::from(input.number()) << 32 | u64::from(input.number()),
            1 => u64::from(input.byte()) << 56 | u64::from(input.byte()) << 32 | u64::from(input.byte()),
            // One of another version, or another generation of one that is known.
            _ => match self.known.first() {
                Some(known) => known.token ^ 1 << input.below(64),
                None => 0,
            },
        };
        if self.known.iter().any(|known| known.token == token) {
            return;
        }
        // A job in the queue has a token that the library does not know yet; it cannot be told from a good guess.
        let is_guess = self.libraries[which].load() > 0;
        let before = self.ends();
        self.libraries[which].complete(token, 0, b"[\"forged\"]");
        self.completions += 1;
        let answered = self.ends() != before;
        self.answers += u64::from(answered);
        assert!(is_guess || !answered, "the token {token:#x} was never given");
    }

    fn is_counted(&self) {
        let ends = self.ends();
        let open = ends.iter().filter(|end| end.is_empty()).count();
        assert!(ends.iter().all(|end| end.len() <= 1), "{ends:?}");
        assert_eq!(self.share.held().calls, open, "{ends:?}");
        let there: usize = self
            .libraries
            .iter()
            .map(|one| one.pending() + one.waiting())
            .sum();
        assert_eq!(there, open);
        let late: u64 = self.libraries.iter().map(Library::late_completions).sum();
        assert_eq!(late + self.answers, self.completions);
    }

    /// Both versions end, and every call was answered.
    fn end(self) {
        for library in &self.libraries {
            library.close();
            library.abandon();
        }
        let ends = self.ends();
        assert!(ends.iter().all(|end| end.len() == 1), "{ends:?}");
        assert_eq!(self.share.held(), Held { calls: 0, bytes: 0 });
    }
}
