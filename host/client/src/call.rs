//! Calls of component methods, as happner-client makes them.
//!
//! Enters: component, method, arguments and perhaps a version range. Leaves: the results, or the component's error
//! with all its fields. Guarantees: the response channel is subscribed to before the first call that needs it. Any
//! number of calls may be in flight. Each has its own callback address, and one that is given up leaves nothing
//! behind.

use super::handle::{Client, Request, encode};
use super::pending::Pending;
use super::{ClientError, ErrorKind, RemoteError, SubscriptionOptions};
use mesh_wire::address::{REQUESTS, RESPONSES};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::time::timeout;

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The call could not be made, or was not answered.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The method answered with an error.
    #[error("{0}")]
    Component(RemoteError),
    /// The host knows no such component, method or version.
    #[error("{0}")]
    Dispatch(RemoteError),
}

/// The kind of a [`CallError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallErrorKind {
    /// See [`CallError::Client`].
    Client(ErrorKind),
    /// See [`CallError::Component`].
    Component,
    /// See [`CallError::Dispatch`].
    Dispatch,
}

impl CallError {
    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> CallErrorKind {
        match self {
            CallError::Client(error) => CallErrorKind::Client(error.kind()),
            CallError::Component(_) => CallErrorKind::Component,
            CallError::Dispatch(_) => CallErrorKind::Dispatch,
        }
    }

    /// The error object that came over the wire.
    #[must_use]
    pub fn remote(&self) -> Option<&RemoteError> {
        match self {
            CallError::Client(error) => error.remote(),
            CallError::Component(error) | CallError::Dispatch(error) => Some(error),
        }
    }
}

/// The data of a request.
#[derive(Serialize)]
struct CallData<'a> {
    #[serde(rename = "callbackAddress")]
    callback_address: &'a str,
    args: &'a RawValue,
    origin: Origin<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
}

#[derive(Serialize)]
struct Origin<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
}

/// The data of a response.
#[derive(Deserialize)]
struct CallAnswer<'a> {
    #[serde(default)]
    status: Option<String>,
    #[serde(borrow, default)]
    args: Vec<&'a RawValue>,
}

/// The session that responses go to.
pub(crate) struct Answered<'a> {
    /// Its id.
    pub(crate) session: &'a str,
    /// It is one of a secure server.
    pub(crate) is_secure: bool,
}

/// A method, by its full name.
pub(crate) struct Called<'a> {
    /// The domain of its mesh.
    pub(crate) domain: &'a str,
    /// Its component.
    pub(crate) component: &'a str,
    /// Its own name.
    pub(crate) method: &'a str,
}

/// Where the responses to a method's calls arrive.
pub(crate) struct ResponseLayout {
    /// Channel to subscribe to.
    pub(crate) channel: String,
    /// The beginning of the callback address; the number of the call follows.
    pub(crate) address: String,
}

impl ResponseLayout {
    /// The layout for a session. On secure servers each method has its own channel, so that it can be permitted alone.
    pub(crate) fn of(session: &Answered<'_>, method: &Called<'_>) -> ResponseLayout {
        let Called {
            domain,
            component,
            method,
        } = method;
        let target = format!("{domain}/{component}/{method}");
        let Answered { session, is_secure } = session;
        if *is_secure {
            let address = format!("{RESPONSES}{target}/{session}/");
            ResponseLayout {
                channel: format!("/SET@{address}*"),
                address,
            }
        } else {
            let channel = format!("/SET@{RESPONSES}{session}/*");
            ResponseLayout {
                channel,
                address: format!("{RESPONSES}{session}/{target}/"),
            }
        }
    }
}

impl Client {
    /// Calls a method. `args` is anything that is written as a JSON array. Returns what the method passed to its
    /// callback after the error, usually one value.
    pub async fn call(
        &self,
        component: &str,
        method: &str,
        args: impl Serialize,
        range: Option<&str>,
    ) -> Result<Vec<Box<RawValue>>, CallError> {
        let label = format!("call {component}/{method}");
        let args = encode(&args)?;
        if !args.get().starts_with('[') {
            return Err(ClientError::new(
                ErrorKind::Encode,
                format!("{label}: the arguments are not a list"),
            )
            .into());
        }
        let domain = self.domain().await?;
        let answered = Answered {
            session: self.session_id(),
            is_secure: self.is_secure(),
        };
        let called = Called {
            domain,
            component,
            method,
        };
        let layout = ResponseLayout::of(&answered, &called);
        self.subscribe_responses(&layout.channel).await?;

        let number = self.shared.channels.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let address = format!("{}{number}", layout.address);
        let pending = &self.shared.pending;
        let response = pending
            .expect_call(&address)
            .map_err(|_| pending.closed_error(&label))?;
        let _forget = ForgetCall {
            pending,
            address: &address,
        };
        let data = CallData {
            callback_address: &address,
            args: &args,
            origin: Origin {
                id: self.session_id(),
                username: self.username(),
            },
            version: range,
        };
        let request = Request::new("set")
            .path(format!("{REQUESTS}{domain}/{component}/{method}"))
            .data(&data)?
            .option("noStore", true)
            .option("noCluster", true);
        let acknowledged = self.request(request);
        let answer = async { response.await.map_err(|_| pending.closed_error(&label)) };
        let limit = self.shared.timeout;
        let Ok(answer) = timeout(limit, answer_of(acknowledged, answer)).await else {
            return Err(ClientError::new(
                ErrorKind::Timeout,
                format!("{label}: no response within {limit:?}"),
            )
            .into());
        };
        results(&label, &answer?)
    }

    /// The name that the paths of this mesh begin with. Read from its description once.
    pub async fn domain(&self) -> Result<&str, ClientError> {
        let domain = &self.shared.channels.domain;
        domain
            .get_or_try_init(async || Ok(self.description().await?.name))
            .await
            .map(String::as_str)
    }

    async fn subscribe_responses(&self, channel: &str) -> Result<(), ClientError> {
        let cell = Arc::clone(
            self.shared
                .channels
                .subscribed
                .lock()
                .await
                .entry(channel.to_owned())
                .or_default(),
        );
        let subscribe = async || self.on(channel, SubscriptionOptions::default()).await.map(drop);
        cell.get_or_try_init(subscribe).await.copied()
    }
}

/// The answer of a call. A refused request ends it at once; a missing acknowledgement does not matter.
async fn answer_of<T>(
    acknowledged: impl Future<Output = Result<T, ClientError>>,
    answer: impl Future<Output = Result<Box<RawValue>, ClientError>>,
) -> Result<Box<RawValue>, ClientError> {
    let mut answer = pin!(answer);
    tokio::select! {
        biased;
        answer = &mut answer => return answer,
        acknowledged = acknowledged => match acknowledged {
            Err(error) if error.kind() != ErrorKind::Timeout => return Err(error),
            _ => {}
        },
    }
    answer.await
}

/// The results in an answer: what follows the error argument.
fn results(label: &str, answer: &RawValue) -> Result<Vec<Box<RawValue>>, CallError> {
    let answer: CallAnswer<'_> = serde_json::from_str(answer.get()).map_err(|error| {
        ClientError::caused(
            ErrorKind::Protocol,
            format!("{label}: the response is not of the expected form"),
            error,
        )
    })?;
    let mut args = answer.args.into_iter();
    let error = args.next().filter(|error| error.get() != "null");
    let status = answer.status.as_deref();
    if status == Some("ok") && error.is_none() {
        return Ok(args.map(RawValue::to_owned).collect());
    }
    let error = error.and_then(|error| serde_json::from_str::<Value>(error.get()).ok());
    let error = RemoteError::from_value(error.unwrap_or_default());
    // Real servers of the first generation also answer `failed` when a method throws.
    Err(if matches!(status, Some("ok" | "error")) {
        CallError::Component(error)
    } else {
        CallError::Dispatch(error)
    })
}

/// Takes a call off the list of those that wait.
struct ForgetCall<'a> {
    pending: &'a Pending,
    address: &'a str,
}

impl Drop for ForgetCall<'_> {
    fn drop(&mut self) {
        self.pending.forget_call(self.address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn results_of(text: &str) -> Result<Vec<String>, CallErrorKind> {
        let raw = RawValue::from_string(text.to_owned()).expect("JSON");
        let values = results("call", &raw).map_err(|error| error.kind())?;
        Ok(values.into_iter().map(|value| value.get().to_owned()).collect())
    }

    #[test]
    fn results_and_errors_of_calls_are_told_apart() {
        assert_eq!(
            results_of(r#"{"status":"ok","args":[null,1,"two"]}"#),
            Ok(vec!["1".into(), "\"two\"".into()])
        );
        assert_eq!(results_of(r#"{"status":"ok","args":[]}"#), Ok(vec![]));
        assert_eq!(
            results_of(r#"{"status":"ok","args":["text"]}"#),
            Err(CallErrorKind::Component)
        );
        assert_eq!(
            results_of(r#"{"status":"error","args":[{"message":"m"},2]}"#),
            Err(CallErrorKind::Component)
        );
        assert_eq!(
            results_of(r#"{"status":"failed","args":[{"message":"m"}]}"#),
            Err(CallErrorKind::Dispatch)
        );
        assert_eq!(
            results_of(r#"{"args":[{"name":"bad endpoint"}]}"#),
            Err(CallErrorKind::Dispatch)
        );
        assert_eq!(results_of("1"), Err(CallErrorKind::Client(ErrorKind::Protocol)));
    }

    #[test]
    fn layouts() {
        let called = Called {
            domain: "D",
            component: "c",
            method: "m",
        };
        let layout = |is_secure| {
            let session = "S";
            ResponseLayout::of(&Answered { session, is_secure }, &called)
        };
        let open = layout(false);
        assert_eq!(
            (open.channel.as_str(), open.address.as_str()),
            ("/SET@/_exchange/responses/S/*", "/_exchange/responses/S/D/c/m/")
        );
        let secure = layout(true);
        assert_eq!(secure.channel, "/SET@/_exchange/responses/D/c/m/S/*");
        assert_eq!(secure.address, "/_exchange/responses/D/c/m/S/");
    }
}
