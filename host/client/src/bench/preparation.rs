//! Preparation of a server before it is measured: documents, and subscriptions of no interest.
//!
//! Enters: a plan. Leaves: a server with that many documents or subscriptions. Guarantees: many requests are in
//! flight at a time, and one that fails ends it with what the server said.

use super::BenchError;
use super::data::DataRequests;
use super::link::Link;
use super::plan::{Events, Plan, Workload};
use super::round::{Ready, Session};
use super::scan::{Scanner, Sighting};
use serde_json::json;
use std::time::Instant;
use tokio::time::timeout;

/// Requests in flight.
const BATCH: u64 = 100;
/// Subscriptions that one connection makes.
const SUBSCRIPTIONS_EACH: u64 = 1000;

impl Ready {
    /// Makes the documents of a data workload.
    pub(super) async fn create_documents(&self, plan: &Plan) -> Result<(), BenchError> {
        let Workload::Data(data) = &plan.workload else {
            return Ok(());
        };
        let mut session = self.session(plan).await?;
        let requests = DataRequests::new(data, &self.root, &session.id, plan.load.payload, 1);
        let total = data.documents as u64;
        self.ask_many(plan, &mut session, total, "set of the documents", |number| {
            requests.create(1000 + number, number)
        })
        .await
    }

    /// Removes the documents of a data workload.
    pub(super) async fn remove_documents(&self, plan: &Plan) -> Result<(), BenchError> {
        if !matches!(plan.workload, Workload::Data(_)) {
            return Ok(());
        }
        let mut session = self.session(plan).await?;
        let path = format!("{}/*", self.root);
        let request =
            json!({ "action": "remove", "path": path, "data": null, "options": { "timeout": 60000 } });
        self.ask(plan, &mut session, request).await.map(drop)
    }

    /// Subscribes to paths that no event is published on, every second one a wildcard. They last as long as the returned
    /// connections.
    pub(super) async fn subscribe_elsewhere(
        &self,
        plan: &Plan,
        events: &Events,
    ) -> Result<Vec<Link>, BenchError> {
        let total = events.others as u64;
        let mut links = Vec::new();
        for first in (0..total).step_by(SUBSCRIPTIONS_EACH as usize) {
            let mut session = self.session(plan).await?;
            let id = session.id.clone();
            let subscription = |number: u64| {
                let position = first + number;
                let pattern = match position % 2 {
                    0 => format!("other/{position}/path"),
                    _ => format!("other/{position}/*"),
                };
                json!({ "action": "on", "eventId": 1000 + number, "path": format!("/SET@{}/{pattern}", self.root),
                    "data": null, "sessionId": id,
                    "options": { "event_type": "set", "count": 0, "listenerId": 0, "refCount": 1, "timeout": 60000 } })
                .to_string()
                .into_bytes()
            };
            let each = SUBSCRIPTIONS_EACH.min(total - first);
            self.ask_many(plan, &mut session, each, "other subscriptions", subscription)
                .await?;
            links.push(session.link);
        }
        Ok(links)
    }

    /// Sends `total` requests, each with an `eventId` of its own, and waits for their answers.
    async fn ask_many(
        &self,
        plan: &Plan,
        session: &mut Session,
        total: u64,
        label: &str,
        request: impl Fn(u64) -> Vec<u8>,
    ) -> Result<(), BenchError> {
        let scanner = Scanner::new(None);
        let (mut sent, mut answered) = (0, 0);
        while answered < total {
            while sent < total && sent - answered < BATCH {
                session.link.push(&request(sent));
                sent += 1;
            }
            let late = |_| self.refused(label, "no answer");
            let received = timeout(plan.timeout, session.link.exchange())
                .await
                .map_err(late)?;
            received.map_err(|source| self.broken(source))?;
            let mut failure = None;
            let visit = |frame: &[u8]| match scanner.look(frame) {
                Sighting::Acknowledged(_) => answered += 1,
                Sighting::Failed(_, why) => failure = Some(why),
                _ => {}
            };
            session
                .link
                .frames(Instant::now(), visit)
                .map_err(|source| self.broken(source))?;
            if let Some(why) = failure {
                return Err(self.refused(label, &why));
            }
        }
        Ok(())
    }
}
