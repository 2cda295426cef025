//! The store of a host, opened and closed on threads of their own.
//!
//! Enters: a configuration, a mesh that has stopped. Leaves: an open store, or why there is none; documents on disk. Guarantees: no
//! thread of the runtime waits for a disk.

use mesh_config::{Config, ConfigError};
use mesh_core::mesh::Mesh;
use mesh_store::{DurableStore, MemoryStore, Options, Store};
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Instant;
use tokio::sync::oneshot;

/// Opens the store that the configuration asks for.
pub(super) async fn open_store(config: &Config) -> Result<Arc<dyn Store>, ConfigError> {
    let Some(path) = &config.store.path else {
        return Ok(Arc::new(MemoryStore::default()));
    };
    let options = Options {
        durability: config.store.durability,
        interval: config.store.interval,
        ..Options::default()
    };
    let (file, started) = (path.value.clone(), Instant::now());
    let refused = |what: String| config.diagnose(path.at, what, None);
    let store = on_a_thread("open-store", move || DurableStore::open(&file, &options))
        .await
        .map_err(|error| refused(format!("the store cannot be opened: {error}")))?
        .map_err(|error| refused(error.to_string()))?;
    tracing::info!(
        documents = store.count(),
        milliseconds = started.elapsed().as_millis() as u64,
        "store {}",
        path.value.display()
    );
    Ok(Arc::new(store))
}

/// Closes the store of a mesh that has stopped, or that ends at once.
pub async fn close_store(mesh: &Arc<Mesh>) {
    let mesh = mesh.clone();
    match on_a_thread("close-store", move || mesh.store().close()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!("not everything is on disk: {error}"),
        Err(error) => tracing::error!("the store was not closed: {error}"),
    }
}

/// Does what takes a while on a thread of its own. Those of the runtime may be busy, and it may get no other.
async fn on_a_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (report, done) = oneshot::channel();
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || drop(report.send(work())))?;
    done.await
        .map_err(|_| io::Error::other("its thread has panicked"))
}
