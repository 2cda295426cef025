//! Calls of other components.

use crate::answer::Results;
use crate::context::Context;
use crate::executor::BoxFuture;
use crate::ffi::CallTarget;
use crate::{Error, javascript};
use serde::Serialize;
use std::future::IntoFuture;
use std::time::Duration;

/// A call about to be made: made when it is awaited. See [`Context::call`].
#[must_use = "a call is made when it is awaited"]
#[derive(Debug)]
pub struct CallRequest {
    context: Context,
    component: String,
    method: String,
    range: String,
    arguments: Result<Vec<u8>, Error>,
    timeout: Duration,
}

impl CallRequest {
    pub(crate) fn new<T: Serialize>(
        context: Context,
        component: &str,
        method: &str,
        arguments: &T,
    ) -> CallRequest {
        CallRequest {
            context,
            component: component.to_owned(),
            method: method.to_owned(),
            range: String::new(),
            arguments: write_arguments(arguments),
            timeout: Duration::ZERO,
        }
    }

    /// Only versions inside this npm range may answer, such as `^1.2.0`. Otherwise any version may.
    pub fn range(mut self, range: impl Into<String>) -> CallRequest {
        self.range = range.into();
        self
    }

    /// Gives up after this time. Otherwise the host's own limit counts.
    pub fn timeout(mut self, timeout: Duration) -> CallRequest {
        self.timeout = timeout;
        self
    }
}

impl IntoFuture for CallRequest {
    type Output = Result<Results, Error>;
    type IntoFuture = BoxFuture<Result<Results, Error>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let arguments = self.arguments?;
            let lane = self.context.lane();
            let target = CallTarget {
                component: &self.component,
                method: &self.method,
                range: &self.range,
                timeout_milliseconds: match u32::try_from(self.timeout.as_millis()) {
                    Ok(0) if !self.timeout.is_zero() => 1,
                    Ok(milliseconds) => milliseconds,
                    Err(_) => u32::MAX,
                },
            };
            let reply = self
                .context
                .request("calls", |asking| lane.host.call(asking, &target, &arguments));
            Results::read(&reply.await?)
        })
    }
}

/// Arguments as a JSON array.
pub(crate) fn write_arguments<T: Serialize>(arguments: &T) -> Result<Vec<u8>, Error> {
    let mut json = Vec::new();
    javascript::write(&mut json, arguments)?;
    Ok(match json.first() {
        Some(b'[') => json,
        _ if json == b"null" => b"[]".to_vec(),
        _ => [b"[", &*json, b"]"].concat(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_an_array() {
        let written = |json: Result<Vec<u8>, Error>| String::from_utf8(json.unwrap()).unwrap();
        assert_eq!(written(write_arguments(&(1, "two"))), r#"[1,"two"]"#);
        assert_eq!(written(write_arguments(&())), "[]");
        assert_eq!(written(write_arguments(&"one")), r#"["one"]"#);
        assert_eq!(written(write_arguments(&([1, 2],))), "[[1,2]]");
    }
}
