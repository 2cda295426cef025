//! Calls that no node of the cluster has taken, or that a node took and never answered, as HTTP says it.
//!
//! Enters: the arguments of such an answer (docs/mesh-protocol.md 2). Leaves: a status and a sentence. Guarantees: none.

use serde::Deserialize;
use std::borrow::Cow;

/// The error of such a call.
#[derive(Deserialize)]
struct CallError<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    name: Cow<'a, str>,
    code: Option<u16>,
}

/// The status and the sentence for the arguments of an answer.
pub(crate) fn read(arguments: &str) -> (u16, String) {
    let Ok([error]) = serde_json::from_str::<[CallError<'_>; 1]>(arguments) else {
        return (503, "no node can take the call".to_owned());
    };
    let status = match (&*error.name, error.code) {
        ("TimeoutError", _) => 504,
        (_, Some(code @ (413 | 502 | 503))) => code,
        // There is no such component, version or method.
        _ => 404,
    };
    (status, error.message.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesh_cluster::calls::CallError;
    use mesh_cluster::identity::NodeName;

    #[test]
    fn each_error_of_the_cluster_has_a_status() {
        let (component, method) = ("calc".into(), "add".into());
        let node = NodeName::new("b").expect("it is a name");
        for (error, status) in [
            (
                CallError::NodeLost {
                    component,
                    method,
                    node,
                },
                502,
            ),
            (
                CallError::Busy {
                    component: "calc".into(),
                },
                503,
            ),
            (
                CallError::Unavailable {
                    component: "calc".into(),
                    asked: "^1".into(),
                },
                503,
            ),
            (CallError::ArgumentsTooLarge { bytes: 2, most: 1 }, 413),
            (
                CallError::TimedOut {
                    component: "calc".into(),
                    method: "add".into(),
                    milliseconds: 5,
                },
                504,
            ),
            (
                CallError::UnknownMethod {
                    component: "calc".into(),
                    method: "add".into(),
                },
                404,
            ),
        ] {
            assert_eq!(read(&error.arguments()), (status, error.to_string()));
        }
    }
}
