//! An instance of a component with its lanes: from work items to the component's code.
//!
//! Enters: batches of work items on a lane. Leaves: completions. Guarantees: a panic of the component ends
//! here; what was started is dropped before the instance is.

use crate::call::Call;
use crate::component::Component;
use crate::context::Context;
use crate::event::Event;
use crate::ffi::{Host, MadeFor};
use crate::guard::guarded;
use crate::lane::{Handler, Info, Lane};
use crate::work::WorkItem;
use crate::{Error, logging};
use mesh_plugin_abi::{Level, WorkKind};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The largest number of lanes that a host runs.
const MOST_LANES: u32 = 64;

/// One instance, shared by all its lanes.
pub(crate) struct Instance<C> {
    host: Host,
    component: Arc<C>,
    lanes: Box<[Context]>,
}

impl<C: Component> Instance<C> {
    pub(crate) fn create(host: Host, info: &[u8], config: &[u8]) -> Result<Instance<C>, Error> {
        let info: Arc<Info> = Arc::new(serde_json::from_slice(if info.is_empty() {
            b"{}"
        } else {
            info
        })?);
        logging::set_level(info.log_level.as_deref());
        // A host that does not say how many lanes there are may use any.
        let count = info.lanes.unwrap_or(MOST_LANES).clamp(1, MOST_LANES);
        let lanes: Box<[Context]> = (0..count)
            .map(|number| Context::new(Lane::new(info.clone(), host, number)))
            .collect();
        let created = C::create(&lanes[0], std::str::from_utf8(config)?);
        match created {
            Ok(component) => Ok(Instance {
                host,
                component: Arc::new(component),
                lanes,
            }),
            Err(error) => {
                lanes.iter().for_each(|lane| lane.lane().clear());
                Err(error)
            }
        }
    }

    pub(crate) fn host(&self) -> Host {
        self.host
    }

    pub(crate) fn component(&self) -> &Arc<C> {
        &self.component
    }

    pub(crate) fn lane(&self, number: u32) -> Option<&Context> {
        self.lanes.get(number as usize)
    }

    /// Works off a batch on a lane.
    pub(crate) fn work<'a>(&self, lane: u32, items: impl Iterator<Item = WorkItem<'a>>) {
        let Some(context) = self.lane(lane) else { return };
        self.host.enter(|| {
            let executor = &context.lane().executor;
            executor.enter();
            for item in items {
                self.handle(context, item);
            }
            executor.leave();
        });
    }

    /// Drops all that is unfinished, then the component.
    pub(crate) fn destroy(&self) {
        for lane in &self.lanes {
            let _ = catch_unwind(AssertUnwindSafe(|| lane.lane().clear()));
        }
    }

    fn handle(&self, context: &Context, item: WorkItem<'_>) {
        match item.kind {
            WorkKind::CALL => self.call(context, item),
            WorkKind::HTTP => self.http(context, item),
            WorkKind::REPLY => context.lane().reply(item.token, item.status, item.payload),
            WorkKind::EVENT => self.event(context, item),
            WorkKind::CANCEL => context.lane().cancel(item.token),
            WorkKind::START => {
                let (component, own) = (self.component.clone(), context.clone());
                Call::new(context, item, Some("start")).spawn(async move {
                    component.start(own.clone()).await?;
                    for (number, listen) in C::EVENTS.iter().enumerate() {
                        let handler = Handler::Declared(number);
                        own.lane().subscribe(
                            MadeFor::Component,
                            listen.component,
                            listen.key,
                            listen.range,
                            handler,
                        )?;
                    }
                    Ok::<(), Error>(())
                });
            }
            WorkKind::STOP => {
                let (component, own) = (self.component.clone(), context.clone());
                Call::new(context, item, Some("stop")).spawn(component.stop(own));
            }
            WorkKind::SNAPSHOT => {
                let mut call = Call::new(context, item, Some("snapshot"));
                let outcome = catch_unwind(AssertUnwindSafe(|| self.component.snapshot(&mut call)));
                call.ended(outcome);
            }
            WorkKind::RESTORE => {
                let mut call = Call::new(context, item, Some("restore"));
                let outcome = catch_unwind(AssertUnwindSafe(|| self.component.restore(&mut call)));
                call.ended(outcome);
            }
            WorkKind::HEALTH => {
                let (component, own) = (self.component.clone(), context.clone());
                Call::new(context, item, Some("health")).spawn(component.health(own));
            }
            WorkKind::QUIESCE => self.hint(context, "quiesce", C::quiesce),
            WorkKind::RESUME => self.hint(context, "resume", C::resume),
            // WAKE has done its work by arriving; kinds of later hosts are none of ours.
            _ => {}
        }
    }

    fn call(&self, context: &Context, item: WorkItem<'_>) {
        let known = match C::METHODS.get(item.method as usize) {
            Some(name) => Some((item.method as usize, *name)),
            None => C::METHODS
                .iter()
                .copied()
                .enumerate()
                .find(|(_, name)| name.as_bytes() == item.target),
        };
        let context = &context.made_for(MadeFor::Call(item.token));
        let mut call = Call::new(context, item, known.map(|(_, name)| name));
        let Some((number, _)) = known else {
            let (component, method) = (context.component(), String::from_utf8_lossy(item.target));
            let error = Error::new(format!("Call to unconfigured method [{component}.{method}()]"));
            return call.finish(Err::<(), Error>(error));
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| self.component.call(number, &mut call)));
        call.ended(outcome);
    }

    fn http(&self, context: &Context, item: WorkItem<'_>) {
        let context = &context.made_for(MadeFor::Call(item.token));
        let request = Call::new(context, item, Some("")).request();
        let route = request.as_ref().map_or("", |request| request.route());
        let known = C::ROUTES.iter().position(|name| *name == route);
        let mut call = Call::new(context, item, known.map(|number| C::ROUTES[number]));
        match (known, request) {
            (Some(number), Ok(request)) => {
                let outcome = catch_unwind(AssertUnwindSafe(|| {
                    self.component.http(number, request, &mut call)
                }));
                call.ended(outcome);
            }
            (None, Ok(request)) => {
                let message = format!("{} has no web route {}", context.component(), request.route());
                call.finish(Err::<(), Error>(Error::new(message)));
            }
            (_, Err(error)) => call.finish(Err::<(), Error>(error)),
        }
    }

    /// Does what needs no answer.
    fn hint<F>(&self, context: &Context, name: &'static str, function: fn(Arc<C>, Context) -> F)
    where
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        let (component, own) = (self.component.clone(), context.clone());
        let future = async move {
            // The hook has told the host of a panic.
            if let Ok(Err(error)) = guarded(function(component, own)).await {
                logging::write(Level::WARN, "sdk", &format!("{name} failed: {error}"));
            }
        };
        context.lane().start(0, Box::pin(future));
    }

    fn event(&self, context: &Context, item: WorkItem<'_>) {
        let Some(heard) = context.lane().handler(item.token) else {
            return;
        };
        let made_for = match heard.is_for_caller {
            true => MadeFor::Event(item.token),
            false => MadeFor::Component,
        };
        let context = &context.made_for(made_for);
        let event = Event::read(item.target, item.payload, item.origin);
        // The hook has told the host of a panic.
        let started = catch_unwind(AssertUnwindSafe(|| match heard.handler {
            Handler::Declared(number) => self.component.event(number, context, event),
            Handler::Function(function) => Some(function(context.clone(), event)),
        }));
        if let Ok(Some(future)) = started {
            context.lane().start(
                0,
                Box::pin(async move {
                    let _ = guarded(future).await;
                }),
            );
        }
    }
}
