//! Stories of a node that serves. The edge asks.

use super::frames::whole;
use super::*;

/// A node that serves, and the edge that asks.
fn served(serving: &mut Serving<u64>, frame: &CallFrame<'_>, age: u64, limit: u64) -> Result<Served, Fault> {
    let (age, limit) = (Duration::from_millis(age), Duration::from_millis(limit));
    serving.receive(&peer("edge"), frame, age, limit, || frame.number)
}

fn refusal(served: &Served) -> Option<Refusal> {
    let Served::Refuse(body) = served else { return None };
    match AnswerFrame::read(&body.joined()).unwrap().outcome {
        Outcome::Refused(refusal) => Some(refusal),
        _ => None,
    }
}

#[test]
fn a_served_call_is_answered_once() {
    let mut serving = Serving::new(MOST_BYTES);
    let left = Duration::from_millis(1_134);
    assert_eq!(
        served(&mut serving, &whole(), 100, 60_000),
        Ok(Served::Execute(left))
    );
    let body = serving.finished(&peer("edge"), 7, ok()).unwrap();
    let answer = AnswerFrame::read(&body.joined()).unwrap();
    assert_eq!((answer.number, answer.outcome), (7, ok()));
    assert_eq!(serving.finished(&peer("edge"), 7, ok()), None);
    assert_eq!((serving.running(), serving.unwanted()), (0, 1));
}

#[test]
fn the_smaller_of_both_limits_counts_and_nothing_old_is_executed() {
    let mut serving = Serving::new(MOST_BYTES);
    let at = |number| CallFrame { number, ..whole() };
    let own = Ok(Served::Execute(Duration::from_millis(50)));
    assert_eq!(served(&mut serving, &at(1), 100, 50), own);
    for (number, age) in [(2, 1_234), (3, 90_000)] {
        let refused = served(&mut serving, &at(number), age, 50).unwrap();
        assert_eq!(refusal(&refused), Some(Refusal::Expired));
    }
    assert_eq!(serving.running(), 1);
}

#[test]
fn a_number_that_does_not_rise_closes_the_link() {
    let mut serving = Serving::new(MOST_BYTES);
    served(&mut serving, &whole(), 0, 50).unwrap();
    serving.finished(&peer("edge"), 7, ok());
    for number in [7, 6, 0] {
        let again = CallFrame { number, ..whole() };
        let fault = Fault::Repeated { number, highest: 7 };
        assert_eq!(served(&mut serving, &again, 0, 50), Err(fault));
    }
}

#[test]
fn a_cancelled_call_gives_its_job_back_and_no_answer() {
    let mut serving = Serving::new(MOST_BYTES);
    served(&mut serving, &whole(), 0, 50).unwrap();
    assert_eq!(serving.cancel(&peer("edge"), 7), Some(7));
    assert_eq!(serving.cancel(&peer("edge"), 7), None);
    assert_eq!(serving.cancel(&peer("other"), 7), None);
    assert_eq!(serving.finished(&peer("edge"), 7, ok()), None);
}

#[test]
fn a_peer_has_a_bounded_number_of_calls_here() {
    let mut serving = Serving::new(MOST_BYTES);
    for number in 1..=MOST_SERVED as u64 + 1 {
        let frame = CallFrame { number, ..whole() };
        let taken = served(&mut serving, &frame, 0, 50).unwrap();
        let expected = (number > MOST_SERVED as u64).then_some(Refusal::Full);
        assert_eq!(refusal(&taken), expected);
    }
    serving.gone(&peer("edge"));
    assert_eq!(serving.running(), 0);
    assert_eq!(serving.finished(&peer("edge"), 1, ok()), None);
}

#[test]
fn what_is_too_long_is_said_by_the_serving_node_too() {
    let mut serving = Serving::new(MOST_BYTES);
    let arguments = Bytes::from(vec![b' '; MOST_BYTES + 1]);
    let long = CallFrame {
        arguments: arguments.clone(),
        ..whole()
    };
    let refused = served(&mut serving, &long, 0, 50).unwrap();
    assert_eq!(refusal(&refused), Some(Refusal::TooLarge));
    served(&mut serving, &CallFrame { number: 8, ..whole() }, 0, 50).unwrap();
    let outcome = Outcome::Answered {
        status: 0,
        payload: arguments,
    };
    let body = serving.finished(&peer("edge"), 8, outcome).unwrap();
    let answer = AnswerFrame::read(&body.joined()).unwrap();
    assert_eq!(
        answer.outcome,
        Outcome::TooLarge {
            bytes: MOST_BYTES as u64 + 1
        }
    );
}
