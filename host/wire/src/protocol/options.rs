//! The `options` of a request, read leniently: unknown keys and wrong types count as absent.

use super::json;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// The options that this host acts on (docs/protocol.md 5). `timeout` is informative and not kept.
#[derive(Debug, Default)]
pub struct Options<'a> {
    /// The value is published, not stored.
    pub no_store: bool,
    /// The value is stored, not published.
    pub no_publish: bool,
    /// `happn_4` only: answer without the data.
    pub no_data_response: bool,
    /// Publication before the answer (2, also when absent or unknown), after it (0 and 1), or after it and acknowledged by
    /// its recipients (3).
    pub consistency: Option<u8>,
    /// Keys that go into the publication's `_meta`.
    pub meta: Option<&'a RawValue>,
    /// Only these sessions hear of it.
    pub target_clients: Option<&'a RawValue>,
    /// Sessions of other nodes of a cluster do not hear of it.
    pub no_cluster: bool,
    /// First generation: how many listeners an `on` adds or an `off` takes away.
    pub reference_count: Option<f64>,
    /// Later generations: which subscription an `off` ends.
    pub reference_id: Option<&'a RawValue>,
    /// How many segments a `**` subscription reaches.
    pub depth: Option<f64>,
    /// The answer of an `on` carries the documents that match at present.
    pub initial_callback: bool,
    /// The documents that match at present are delivered like events.
    pub initial_emit: bool,
    /// For a `set`: the value is merged into what is stored. For an `on`: events carry what was sent, not what is stored.
    pub merge: bool,
    /// First generation: the value is stored under a new path below the one given.
    pub sibling: bool,
    /// First generation: what is stored is copied under this tag.
    pub tag: Option<&'a RawValue>,
    /// Later generations: the value names a gauge, and this is added to it.
    pub increment: Option<&'a RawValue>,
    /// The value is `null`, which clients cannot send as such.
    pub null_value: bool,
    /// The answer tells how many recipients there were.
    pub publish_results: bool,
    /// Whom the request is done for (docs/mesh-protocol.md 2.8).
    pub on_behalf_of: Option<&'a RawValue>,
    /// Later generations: one of many documents, written without a publication (`upsertType` 3).
    pub bulk: bool,
}

impl<'a> Options<'a> {
    /// Reads the options of a request. Anything but an object is taken for no options.
    pub fn read(raw: Option<&'a RawValue>) -> Options<'a> {
        match raw {
            Some(raw) if raw.get().starts_with('{') => serde_json::from_str(raw.get()).unwrap_or_default(),
            _ => Options::default(),
        }
    }

    /// `meta`, when it is an object.
    pub fn meta_object(&self) -> Option<&'a RawValue> {
        self.meta.filter(|meta| meta.get().starts_with('{'))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Options<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(OptionsVisitor)
    }
}

struct OptionsVisitor;

impl<'de> Visitor<'de> for OptionsVisitor {
    type Value = Options<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object of options")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut options = Options::default();
        while let Some(key) = map.next_key::<Key>()? {
            if matches!(key, Key::Other) {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            let value = map.next_value::<&'de RawValue>()?;
            match key {
                Key::NoStore => options.no_store = json::is_truthy(value),
                Key::NoPublish => options.no_publish = json::is_truthy(value),
                Key::NoDataResponse => options.no_data_response = json::is_truthy(value),
                Key::Consistency => options.consistency = value.get().parse().ok(),
                Key::Meta => options.meta = Some(value),
                Key::TargetClients => options.target_clients = Some(value),
                Key::NoCluster => options.no_cluster = json::is_truthy(value),
                Key::ReferenceCount => options.reference_count = value.get().parse().ok(),
                Key::ReferenceId => options.reference_id = Some(value),
                Key::Depth => options.depth = value.get().parse().ok(),
                Key::Merge => options.merge = json::is_truthy(value),
                Key::Tag => options.tag = Some(value).filter(|tag| json::is_truthy(tag)),
                Key::SetType => options.sibling = value.get() == "\"sibling\"",
                Key::Increment => options.increment = Some(value).filter(|step| step.get() != "null"),
                Key::NullValue => options.null_value = json::is_truthy(value),
                Key::PublishResults => options.publish_results = json::is_truthy(value),
                Key::OnBehalfOf => options.on_behalf_of = Some(value).filter(|name| names_a_principal(name)),
                Key::UpsertType => options.bulk = value.get() == "3",
                Key::InitialCallback => options.initial_callback = json::is_truthy(value),
                Key::InitialEmit => options.initial_emit = json::is_truthy(value),
                Key::Other => {}
            }
        }
        Ok(options)
    }
}

/// Whether a value of `onBehalfOf` asks for something. An empty text does, and names nobody.
fn names_a_principal(value: &RawValue) -> bool {
    json::is_truthy(value) || value.get() == "\"\""
}

#[derive(Clone, Copy)]
enum Key {
    NoStore,
    NoPublish,
    NoDataResponse,
    Consistency,
    Meta,
    TargetClients,
    NoCluster,
    ReferenceCount,
    ReferenceId,
    Depth,
    Merge,
    Tag,
    SetType,
    Increment,
    NullValue,
    PublishResults,
    OnBehalfOf,
    UpsertType,
    InitialCallback,
    InitialEmit,
    Other,
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl Visitor<'_> for KeyVisitor {
            type Value = Key;

            fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
                formatter.write_str("the name of an option")
            }

            fn visit_str<E>(self, key: &str) -> Result<Key, E> {
                Ok(match key {
                    "noStore" => Key::NoStore,
                    "noPublish" => Key::NoPublish,
                    "noDataResponse" => Key::NoDataResponse,
                    "consistency" => Key::Consistency,
                    "meta" => Key::Meta,
                    "targetClients" => Key::TargetClients,
                    "noCluster" => Key::NoCluster,
                    "refCount" => Key::ReferenceCount,
                    "referenceId" => Key::ReferenceId,
                    "depth" => Key::Depth,
                    "merge" => Key::Merge,
                    "tag" => Key::Tag,
                    "set_type" => Key::SetType,
                    "increment" => Key::Increment,
                    "nullValue" => Key::NullValue,
                    "publishResults" => Key::PublishResults,
                    "onBehalfOf" => Key::OnBehalfOf,
                    "upsertType" => Key::UpsertType,
                    "initialCallback" => Key::InitialCallback,
                    "initialEmit" => Key::InitialEmit,
                    _ => Key::Other,
                })
            }
        }
        deserializer.deserialize_identifier(KeyVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> &RawValue {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn known_options_are_parsed() {
        let text = r#"{"timeout":10000,"noStore":true,"consistency":2,"meta":{"componentVersion":"^1.0.0"},"depth":3,"refCount":1}"#;
        let options = Options::read(Some(raw(text)));
        assert!(options.no_store && !options.no_publish);
        assert_eq!(options.consistency, Some(2));
        assert_eq!(
            options.meta_object().unwrap().get(),
            r#"{"componentVersion":"^1.0.0"}"#
        );
        assert_eq!((options.depth, options.reference_count), (Some(3.0), Some(1.0)));
    }

    #[test]
    fn odd_options_are_no_options() {
        for text in [
            "null",
            "[]",
            "17",
            "\"noStore\"",
            r#"{"noStore":0,"consistency":"2","meta":"x","depth":"y"}"#,
        ] {
            let options = Options::read(Some(raw(text)));
            assert!(!options.no_store, "{text}");
            assert_eq!((options.consistency, options.depth), (None, None), "{text}");
            assert!(options.meta_object().is_none(), "{text}");
        }
    }
}
