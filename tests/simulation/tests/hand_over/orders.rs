//! Orders that are not carried out in time.

use mesh_plugin::played::{Description, PlayedLibrary, Player, Taken};
use mesh_plugin::{Component, JobKind, Limits, LoadError, LoadRequest, NoServices, Rehearsal, Stage};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::time::Instant;

#[derive(Debug, Default)]
struct Puppet(OnceLock<PlayedLibrary>);

impl Player for Puppet {
    fn describe(&self, _: &Path) -> Result<Description, LoadError> {
        Ok(Description {
            name: "puppet".to_owned(),
            version: "1.0.0".to_owned(),
            descriptor: r#"{"methods": []}"#.to_owned(),
            creation: Duration::ZERO,
        })
    }

    fn begin(&self, _: &Path, played: PlayedLibrary) {
        let _ = self.0.set(played);
    }
}

fn request(puppet: &Arc<Puppet>) -> LoadRequest {
    LoadRequest {
        library: PathBuf::from("puppet"),
        name: "puppet".to_owned(),
        mesh: "M".to_owned(),
        domain: "M".to_owned(),
        config: "{}".to_owned(),
        lanes: 1,
        stack_bytes: mesh_plugin::LANE_STACK,
        limits: Limits {
            bytes: 1 << 20,
            calls_of_each: 10,
            lanes: 1,
        },
        stage: Stage {
            folder: PathBuf::new(),
            rehearsal: Rehearsal::played_by(puppet.clone()),
        },
        start_timeout: Duration::from_secs(1),
        services: Arc::new(NoServices),
        delegates: false,
        approve: Box::new(|_| Ok(())),
    }
}

#[tokio::test(start_paused = true)]
async fn an_order_that_the_lane_gives_up_before_its_timer_rings_is_not_carried_out_later() {
    let puppet = Arc::new(Puppet::default());
    let component = Arc::new(Component::create(request(&puppet)).await.unwrap());
    let limit = Duration::from_millis(50);
    for looks_at_the_clock_first in [true, false] {
        let order = {
            let component = component.clone();
            tokio::spawn(async move { component.snapshot(limit, 1024).await })
        };
        tokio::task::yield_now().await;
        if looks_at_the_clock_first {
            component.expire((Instant::now() + limit).into_std());
        }
        let refused = order.await.unwrap().unwrap_err().to_string();
        assert!(refused.contains("did not answer within 50 ms"), "{refused}");
        let library = puppet.0.get().unwrap();
        let taken: Vec<JobKind> = match library.take(0) {
            Some(Taken::Jobs(jobs)) => jobs.iter().map(|job| job.kind).collect(),
            Some(Taken::End) => panic!("the lane has ended"),
            None => Vec::new(),
        };
        assert!(
            !taken.contains(&JobKind::Snapshot),
            "it is handed over when nobody waits for it: {taken:?}"
        );
    }
}
