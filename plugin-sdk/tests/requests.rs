//! Requests of components: they name the call they are made for, on whatever thread, and end when nobody waits for them.

use mesh_plugin_sdk::prelude::*;
use mesh_plugin_sdk::testing::Harness;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;

/// The first of two futures that is done. The other one is dropped.
async fn first<A, B>(one: impl Future<Output = A>, other: impl Future<Output = B>) -> Result<A, B> {
    let (mut one, mut other) = (pin!(one), pin!(other));
    poll_fn(|context| {
        if let Poll::Ready(done) = one.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        other.as_mut().poll(context).map(Err)
    })
    .await
}

#[derive(Default)]
struct Asks {
    kept: Mutex<Option<Context>>,
}

#[component(name = "asks", version = "1.0.0", export = false)]
impl Asks {
    /// Whichever comes first, the other one is cancelled.
    async fn hurries(&self, context: &Context) -> bool {
        let call = async { context.call("other", "method", ()).await };
        first(call, context.sleep(Duration::from_secs(9))).await.is_ok()
    }

    async fn reads_for_a_moment(&self, context: &Context) -> bool {
        let read = context.data();
        let read = read.get::<Value>("path");
        first(context.sleep(Duration::ZERO), read).await.is_ok()
    }

    async fn naps(&self, context: &Context) {
        for _ in 0..1000 {
            let (short, long) = (Duration::from_millis(1), Duration::from_secs(3600));
            let _ = first(context.sleep(short), context.sleep(long)).await;
        }
    }

    /// Asks on a thread of its own, where nothing says for whom.
    async fn elsewhere(&self, context: &Context) -> Result<(), Error> {
        let own = context.clone();
        let emitted = std::thread::spawn(move || own.emit("elsewhere", &1)).join();
        emitted.map_err(|_| Error::new("the thread has panicked"))?;
        context.data().set("path", &1).await?;
        context.as_component().data().set("own", &1).await?;
        Ok(())
    }

    fn keeps(&self, context: &Context) {
        *self.kept.lock().unwrap() = Some(context.clone());
    }

    /// Asks with the context of a call that is over.
    async fn late(&self, context: &Context) -> Result<String, Error> {
        let kept = self.kept.lock().unwrap().clone();
        let kept = kept.ok_or_else(|| Error::new("nothing was kept"))?;
        kept.emit("late", &1);
        // Waiting is nobody's right.
        kept.sleep(Duration::from_millis(1)).await;
        kept.as_component().emit("own", &1);
        context.emit("in time", &1);
        let heard = kept.subscribe("other", "*", "", |_, _| async {});
        assert_eq!(heard.unwrap_err().type_name(), "AccessDenied");
        let refused = kept.data().get::<Value>("path").await.unwrap_err();
        Ok(refused.type_name().to_owned())
    }

    fn listens(&self, context: &Context) -> Result<(), Error> {
        context.subscribe("other", "*", "", |context, _| async move {
            context.emit("heard", &1);
        })?;
        context
            .as_component()
            .subscribe("other", "*", "", |context, _| async move {
                context.emit("heard as itself", &1);
            })?;
        Ok(())
    }

    async fn wrong(&self, context: &Context) -> Result<(), Error> {
        context.data().set("", &1).await?;
        Ok(())
    }
}

fn bob() -> Value {
    json!({"id": "s", "username": "bob"})
}

#[test]
fn whichever_of_two_comes_first_leaves_no_request_behind() {
    let harness = Harness::<Asks>::new(json!({}));
    harness.answer("other", "method", |_| Ok(json!(1)));
    assert!(harness.call("hurries", ()).unwrap().one::<bool>().unwrap());
    assert_eq!(harness.pending_requests(), 0, "the timer is gone");
    harness.call("readsForAMoment", ()).unwrap();
    assert_eq!(harness.pending_requests(), 0, "the document is wanted by nobody");
    harness.call("naps", ()).unwrap();
    assert_eq!(harness.pending_requests(), 0);
}

#[test]
fn a_request_is_made_for_its_call_on_any_thread() {
    let harness = Harness::<Asks>::new(json!({}));
    harness.call_as(&bob(), "elsewhere", ()).unwrap();
    let asked = harness.requests();
    let bob = Some("bob".to_owned());
    let expected = [
        ("emit elsewhere".to_owned(), bob.clone()),
        ("set path".to_owned(), bob),
        ("set own".to_owned(), None),
    ];
    assert_eq!(asked, expected);
}

#[test]
fn nothing_is_asked_for_a_call_that_is_over_but_time() {
    let harness = Harness::<Asks>::new(json!({}));
    harness.call_as(&bob(), "keeps", ()).unwrap();
    let refused: String = harness.call("late", ()).unwrap().one().unwrap();
    assert_eq!(refused, "AccessDenied");
    let emitted: Vec<String> = harness.events().into_iter().map(|(key, _)| key).collect();
    assert_eq!(emitted, ["own", "in time"]);
    let logs = harness.logs();
    assert!(
        logs[0]
            .1
            .starts_with("event late was not emitted: AccessDenied: unauthorized: the call is over"),
        "{logs:?}"
    );
}

#[test]
fn a_handler_asks_with_the_rights_for_which_it_listens() {
    let harness = Harness::<Asks>::new(json!({}));
    harness.call_as(&bob(), "listens", ()).unwrap();
    harness.publish("other", "key", json!({}));
    let expected = [
        ("emit heard".to_owned(), Some("bob".to_owned())),
        ("emit heard as itself".to_owned(), None),
    ];
    assert_eq!(harness.requests(), expected);
}

#[test]
fn a_wrong_request_fails_at_once() {
    let harness = Harness::<Asks>::new(json!({}));
    let error = harness.call("wrong", ()).unwrap_err();
    assert_eq!(error.type_name(), "TypeError");
    assert!(harness.requests().is_empty());
    assert_eq!(harness.pending_requests(), 0);
}
