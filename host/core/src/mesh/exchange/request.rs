//! A call as a client sent it.
//!
//! Enters: the value of a `set` on a request path. Leaves: the address for the answer, the arguments and the version. Guarantees: the
//! address is one of this very session.

use mesh_session::Session;
use mesh_wire::address::{RESPONSES, Response};
use mesh_wire::protocol::{WireError, json};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// A call as a client sent it. Nothing in it is believed but the arguments.
#[derive(Debug)]
pub struct CallRequest<'a> {
    /// Where to publish the answer; `None` when nothing was said, and nothing can be answered.
    pub(super) callback: Option<Cow<'a, str>>,
    pub(super) arguments: Option<&'a RawValue>,
    pub(super) version: Option<&'a RawValue>,
}

impl<'a> CallRequest<'a> {
    /// Reads the value of a request. The address must be one of the two response layouts of this very session.
    ///
    /// # Errors
    ///
    /// When the address is somebody else's, or no response address at all.
    pub fn read(
        value: Option<&'a RawValue>,
        session: &Session,
        domain: &str,
    ) -> Result<CallRequest<'a>, WireError> {
        let fields = match value {
            Some(value) if value.get().starts_with('{') => {
                serde_json::from_str::<Fields>(value.get()).unwrap_or_default()
            }
            _ => Fields::default(),
        };
        let callback = fields.callback.and_then(json::as_text);
        if let Some(address) = &callback
            && !is_own_address(address, session.id(), domain)
        {
            return Err(WireError::access_denied(format!(
                "callbackAddress {} is not a response address of this session, expected {RESPONSES}{}/…",
                json::shorten(address),
                session.id()
            )));
        }
        Ok(CallRequest {
            callback,
            arguments: fields.arguments,
            version: fields.version,
        })
    }
}

/// Whether answers for this session may go to this address: `/_exchange/responses/<session>/…`, or with a domain,
/// component and method in front of the session. Sessions listen to everything below their own id, which is a UUID. A
/// UUID in the place of the domain would make an answer to somebody else of it.
pub fn is_own_address(address: &str, session_id: &str, domain: &str) -> bool {
    let Some(response) = Response::parse(address) else {
        return false;
    };
    if address.contains('*') {
        return false;
    }
    let first = response.first();
    let may_be_domain = first == domain || uuid::Uuid::try_parse(first).is_err();
    first == session_id || (may_be_domain && response.fourth() == Some(session_id))
}

#[derive(Default)]
struct Fields<'a> {
    callback: Option<&'a RawValue>,
    arguments: Option<&'a RawValue>,
    version: Option<&'a RawValue>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("a call")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut fields = Fields::default();
                while let Some(key) = map.next_key::<Cow<'de, str>>()? {
                    let field = match &*key {
                        "callbackAddress" => &mut fields.callback,
                        "args" => &mut fields.arguments,
                        "version" => &mut fields.version,
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            continue;
                        }
                    };
                    *field = Some(map.next_value()?);
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}
