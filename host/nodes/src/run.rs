//! The task of the cluster.
//!
//! Enters: a mesh, settings, a connection. Leaves: a task that serves both until the node leaves. Guarantees: all that has happened is
//! taken before anything is sent, so that messages share batches; the task sleeps while there is nothing to do.

use crate::engine::Engine;
use crate::nodes::Nodes;
use crate::settings::Settings;
use mesh_cluster::presence::End;
use mesh_cluster::wire::{Connection, Event, Wire};
use mesh_core::mesh::Mesh;
use std::future::poll_fn;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};

/// How long a goodbye may take, beside what others are owed.
const GOODBYE: Duration = Duration::from_millis(500);
/// After so many events of the connection, what follows from them is carried out.
const MOST_AT_ONCE: usize = 256;

/// Why a node is not in its cluster.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    /// Another process that lives has its name.
    #[error(
        "another host of the cluster has the name {node:?}: {about}. Each host needs a `name` of its own in mesh.toml"
    )]
    NameTaken {
        /// The name.
        node: String,
        /// The other process, in its own words.
        about: String,
    },
    /// The membership ended before it began.
    #[error("the node could not join its cluster")]
    Ended,
}

/// A node that joins its cluster, or has joined it.
pub struct Joined {
    /// The cluster, as the mesh and operators see it.
    pub nodes: Arc<Nodes>,
    name: oneshot::Receiver<()>,
    ended: oneshot::Receiver<End>,
    task: JoinHandle<()>,
}

impl Joined {
    /// Waits until the own name was found free. Without a server this waits, too. It is called once.
    ///
    /// # Errors
    ///
    /// Why this node cannot be one of the cluster.
    pub async fn named(&mut self) -> Result<(), JoinError> {
        match (&mut self.name).await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.excluded().await),
        }
    }

    /// Waits until this node cannot be one of the cluster any more. It serves on alone then, and others do not see it.
    pub async fn excluded(&mut self) -> JoinError {
        match (&mut self.ended).await {
            Ok(End::NameTaken { about, .. }) => JoinError::NameTaken {
                node: self.nodes.node().to_string(),
                about,
            },
            Ok(End::Fenced { .. } | End::Left) | Err(_) => JoinError::Ended,
        }
    }

    /// Says goodbye, and waits until all is worked off that others were sent, for at most this time and a moment. Nothing goes to
    /// other nodes afterwards.
    pub async fn leave(mut self, patience: Duration) {
        self.nodes.leave(patience);
        // A task that cannot say goodbye must not keep the host from stopping.
        let _ = timeout(patience + GOODBYE, self.ended).await;
        self.task.abort();
        // All who wait for it have their answers when it is gone.
        let _ = timeout(GOODBYE, &mut self.task).await;
    }
}

/// Joins a cluster over this connection. `random` is a number that no other start has.
pub fn join(
    mesh: &Arc<Mesh>,
    settings: &Settings,
    random: NonZeroU64,
    wire: impl Wire + Send + 'static,
) -> Joined {
    let nodes = Arc::new(Nodes::new(settings));
    mesh.join(nodes.clone());
    mesh.subscriptions().watch(nodes.clone());
    let (joined, name) = oneshot::channel();
    let (has_ended, ended) = oneshot::channel();
    let engine = Engine::new(mesh.clone(), nodes.clone(), settings, random, joined, has_ended);
    let task = tokio::spawn(run(engine, nodes.clone(), wire));
    Joined {
        nodes,
        name,
        ended,
        task,
    }
}

/// Held while the task runs. However it ends, nothing waits for it any more.
struct Running(Arc<Nodes>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.close();
    }
}

async fn run(mut engine: Engine, nodes: Arc<Nodes>, mut wire: impl Wire + Send + 'static) {
    let _running = Running(nodes.clone());
    let mut commands = Vec::new();
    let mut first = match wire.state() {
        Connection::Up => Some(Event::Connection(Connection::Up)),
        Connection::Down | Connection::Closed => None,
    };
    loop {
        let now = nodes.now();
        if let Some(event) = first.take() {
            engine.event(now, event);
        }
        nodes.queue.take(&mut commands);
        for command in commands.drain(..) {
            engine.command(now, command);
        }
        let mut taken = 0;
        while taken < MOST_AT_ONCE
            && let Some(event) = ready_event(&mut wire).await
        {
            engine.event(now, event);
            taken += 1;
        }
        engine.turn(now);
        engine.work(now, &mut wire);
        if taken == MOST_AT_ONCE {
            tokio::task::yield_now().await;
            continue;
        }
        let deadline = engine.next_deadline().map(|moment| nodes.instant(moment));
        tokio::select! {
            () = nodes.queue.queued() => {}
            event = poll_fn(|context| wire.poll_event(context)) => first = Some(event),
            () = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => std::future::pending().await,
                }
            } => {}
        }
    }
}

/// An event that is there already.
async fn ready_event(wire: &mut impl Wire) -> Option<Event> {
    poll_fn(|context| match wire.poll_event(context) {
        Poll::Ready(event) => Poll::Ready(Some(event)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
