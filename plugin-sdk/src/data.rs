//! The component's own data, kept by the host under `/_data/<component>/`.

use crate::context::Context;
use crate::error::parse;
use crate::raw::{Raw, from_bytes};
use crate::{Error, javascript};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Stores, reads and removes the component's documents. Made by [`Context::data`].
///
/// ```
/// use mesh_plugin_sdk::prelude::*;
///
/// #[derive(Default)]
/// struct Notes;
///
/// #[component(name = "notes", version = "1.0.0", export = false)]
/// impl Notes {
///     async fn write(&self, context: &Context, name: String, text: String) -> Result<(), Error> {
///         context.data().set(&format!("notes/{name}"), &json!({"text": text})).await?;
///         Ok(())
///     }
///
///     async fn read(&self, context: &Context, name: String) -> Result<Option<Value>, Error> {
///         let note: Option<Value> = context.data().get(&format!("notes/{name}")).await?;
///         Ok(note.map(|note| note["text"].clone()))
///     }
/// }
///
/// # use mesh_plugin_sdk::testing::Harness;
/// # fn main() -> Result<(), Error> {
/// # let harness = Harness::<Notes>::new(json!({}));
/// # harness.call("write", json!(["a", "hello"]))?;
/// # assert_eq!(harness.call("read", json!(["a"]))?.one::<String>()?, "hello");
/// # assert_eq!(harness.call("read", json!(["b"]))?.one::<Value>()?, Value::Null);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Data {
    context: Context,
}

impl Data {
    pub(crate) fn new(context: Context) -> Data {
        Data { context }
    }

    /// Stores a value at a path, and returns the stored document with its `_meta`.
    ///
    /// # Errors
    ///
    /// The host's error, such as for an empty path.
    pub async fn set<T: Serialize + ?Sized>(&self, path: &str, value: &T) -> Result<Raw, Error> {
        let mut json = Vec::new();
        javascript::write(&mut json, value)?;
        let lane = self.context.lane();
        let reply = self
            .context
            .request("data", |asking| lane.host.data_set(asking, path, &json));
        drop(json);
        Ok(from_bytes(&reply.await?))
    }

    /// Reads the document at a path, `_meta` included; `None` when there is none.
    ///
    /// # Errors
    ///
    /// The host's error, and a `TypeError` when the document is not a `T`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Error> {
        let found = self.read(path).await?;
        if found.get() == "null" {
            Ok(None)
        } else {
            parse(path, &found).map(Some)
        }
    }

    /// Reads all documents at a path with wildcards.
    ///
    /// # Errors
    ///
    /// The host's error, and a `TypeError` when a document is not a `T`.
    pub async fn find<T: DeserializeOwned>(&self, pattern: &str) -> Result<Vec<T>, Error> {
        let found = self.read(pattern).await?;
        match found.get().as_bytes().first() {
            Some(b'[') => parse(pattern, &found),
            _ if found.get() == "null" => Ok(Vec::new()),
            _ => Ok(vec![parse(pattern, &found)?]),
        }
    }

    /// Removes what is at a path, wildcards included, and returns how many documents that were.
    ///
    /// # Errors
    ///
    /// The host's message.
    pub async fn remove(&self, path: &str) -> Result<u64, Error> {
        #[derive(Deserialize)]
        struct Removed {
            removed: u64,
        }
        let lane = self.context.lane();
        let reply = self
            .context
            .request("data", |asking| lane.host.data_remove(asking, path));
        Ok(parse::<Removed>(path, &from_bytes(&reply.await?))?.removed)
    }

    async fn read(&self, path: &str) -> Result<Raw, Error> {
        let lane = self.context.lane();
        let reply = self
            .context
            .request("data", |asking| lane.host.data_get(asking, path));
        Ok(from_bytes(&reply.await?))
    }
}
