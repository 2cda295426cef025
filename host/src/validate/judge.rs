//! Whether an answer is one that the contract knows.
//!
//! Enters: a status and a payload as the library gave them. Leaves: the [`Fault`], if there is one.
//! Guarantees: nothing here recurses, however deep a payload nests.

use super::faults::Fault;
use mesh_plugin::Status;
use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
struct ErrorObject {
    message: String,
    name: String,
}

/// Looks at one completion.
pub(super) fn judge(status: i32, payload: &[u8]) -> Option<Fault> {
    match status {
        Status::OK if payload.is_empty() => None,
        Status::OK => elements(payload).is_none().then_some(Fault::WrongResults),
        Status::ERROR | Status::PANIC => {
            let error = elements(payload)
                .and_then(|elements| serde_json::from_str::<ErrorObject>(elements.first()?.get()).ok());
            match error {
                None => Some(Fault::WrongError),
                Some(error) => (status == Status::PANIC || error.name == "Panic").then_some(Fault::Panicked),
            }
        }
        Status::VALUE_ERROR => {
            let right = elements(payload).is_some_and(|elements| {
                elements
                    .first()
                    .is_some_and(|first| first.get().starts_with(['"', '{', 'n']))
            });
            (!right).then_some(Fault::WrongValueError)
        }
        _ => Some(Fault::UnknownStatus),
    }
}

/// The message of an error, for people.
pub(super) fn reason(payload: &[u8]) -> String {
    let error = elements(payload)
        .and_then(|elements| serde_json::from_str::<ErrorObject>(elements.first()?.get()).ok());
    error.map_or_else(|| "it gave no reason".to_owned(), |error| error.message)
}

fn elements(payload: &[u8]) -> Option<Vec<&RawValue>> {
    serde_json::from_slice(payload).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_contract_are_accepted() {
        for (status, payload) in [
            (Status::OK, ""),
            (Status::OK, "[]"),
            (Status::OK, " [1, {\"a\":[]}] "),
            (Status::ERROR, r#"[{"message":"no","name":"Error","code":7}, 2]"#),
            (Status::VALUE_ERROR, r#"["no"]"#),
            (Status::VALUE_ERROR, r#"[{}]"#),
            (Status::VALUE_ERROR, "[null]"),
        ] {
            assert_eq!(judge(status, payload.as_bytes()), None, "{status} {payload}");
        }
    }

    #[test]
    fn answers_outside_the_contract_are_rejected() {
        for (status, payload, fault) in [
            (Status::OK, "1", Fault::WrongResults),
            (Status::OK, "[1", Fault::WrongResults),
            (Status::OK, "[1][2]", Fault::WrongResults),
            (Status::ERROR, "", Fault::WrongError),
            (Status::ERROR, "[]", Fault::WrongError),
            (Status::ERROR, r#"["no"]"#, Fault::WrongError),
            (Status::ERROR, r#"[{"message":"no"}]"#, Fault::WrongError),
            (Status::VALUE_ERROR, "[1]", Fault::WrongValueError),
            (
                Status::PANIC,
                r#"[{"message":"no","name":"Panic"}]"#,
                Fault::Panicked,
            ),
            (77, "[]", Fault::UnknownStatus),
        ] {
            assert_eq!(
                judge(status, payload.as_bytes()),
                Some(fault),
                "{status} {payload}"
            );
        }
        assert_eq!(judge(Status::OK, b"[\"\xff\"]"), Some(Fault::WrongResults));
    }

    #[test]
    fn deep_answers_are_judged_without_a_deep_stack() {
        let deep = format!("{}{}", "[".repeat(200_000), "]".repeat(200_000));
        assert_eq!(judge(Status::OK, deep.as_bytes()), None);
    }
}
