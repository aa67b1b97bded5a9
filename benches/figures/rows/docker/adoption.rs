//! Adoption: many games run, the controller is killed with `kill -9` and started again. How long until every session
//! was looked at, and what it cost: calls to the engine (counted by the proxy before it) and writes to the API server
//! (by the controller's own count, which every write passes), both to be few; games and sessions untouched.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bollard::query_parameters::InspectContainerOptions;
use kube::ResourceExt;
use kube::api::ListParams;

use super::engine::LIMIT;
use super::proxy::{Calls, Proxy};
use super::stand::Stand;
use crate::controller::{Controller, Metrics};

/// What one run saw.
pub struct Adoption {
    /// From just before the new process was made until every session was looked at.
    pub looked: Duration,
    /// The same from the moment at which it was seen to lead: the rest is the old claim, which must run out.
    pub after_lead: Duration,
    /// Calls to the engine meanwhile.
    pub calls: Calls,
    /// Writes to sessions and Events meanwhile.
    pub writes: f64,
    /// Sessions and containers that are not what they were before.
    pub touched: usize,
}

impl Adoption {
    pub async fn run(stand: &mut Stand<'_>, proxy: &Proxy, count: usize) -> Result<Adoption> {
        let options = stand.options().flag("--docker-host", &proxy.host());
        let mut controller = Controller::start(stand.world, &options).await?;
        eprintln!("    {count} containers start first, which takes a third to half a second each");
        let posted = stand.post_many(count).await?;
        let limit = LIMIT + Duration::from_secs(count as u64 * 5);
        stand.until_ready(&posted, limit).await?;
        // Nothing of the starts is under way any more.
        controller
            .until("no session waits for a look", async |c| {
                depth(c).await == Some(0.0)
            })
            .await?;
        let before = Picture::of(stand).await?;
        ensure!(
            before.0.len() == 2 * count,
            "{count} sessions and their containers are to be there, and these are: {:?}",
            before.0.keys()
        );

        controller.kill()?;
        proxy.take();
        let mut controller = Controller::launch(stand.world, &options)?;
        let led = controller
            .until("it leads", async |c| c.leads().await)
            .await?;
        let looked = controller
            .until("every session was looked at", async |c| {
                c.metrics().await.is_some_and(|m| all_looked(&m, count))
            })
            .await?;
        let calls = Calls::of(&proxy.take());
        let metrics = controller
            .metrics()
            .await
            .context("the controller's metrics")?;
        let after = Picture::of(stand).await?;
        let adoption = Adoption {
            looked: looked - controller.launched,
            after_lead: looked.saturating_duration_since(led),
            calls,
            writes: writes(&metrics),
            touched: before.differences(&after),
        };
        stand.delete(&posted).await?;
        Ok(adoption)
    }
}

async fn depth(controller: &Controller) -> Option<f64> {
    controller.metrics().await?.get("dillinger_queue_depth")
}

/// Looks are counted only while it leads, and a session that waits for one is in the queue's depth.
fn all_looked(metrics: &Metrics, count: usize) -> bool {
    metrics.sum("dillinger_reconcile_total") >= count as f64
        && metrics.sum("dillinger_queue_depth") == 0.0
}

/// Writes to the API server: all of the gate's, and Events. GETs are none, and the Lease is not a session's.
fn writes(metrics: &Metrics) -> f64 {
    metrics
        .series("dillinger_api_call_duration_seconds_count")
        .filter(|(labels, _)| !labels.contains("get\""))
        // An empty sum of floats would be -0.
        .fold(0.0, |sum, (_, count)| sum + count)
}

/// Every session with its version and every container with its start, by name and id.
struct Picture(BTreeMap<String, String>);

impl Picture {
    async fn of(stand: &Stand<'_>) -> Result<Picture> {
        let mut picture = BTreeMap::new();
        for session in stand.sessions.list(&ListParams::default()).await? {
            picture.insert(
                format!("session {}", session.name_any()),
                session.resource_version().unwrap_or_default(),
            );
        }
        // Past the proxy: these are ours and not counted.
        for container in stand.engine.containers().await? {
            let id = container.id.context("a container has an id")?;
            let state = stand
                .engine
                .docker
                .inspect_container(&id, None::<InspectContainerOptions>)
                .await?
                .state
                .context("a container has a state")?;
            picture.insert(
                format!("container {id}"),
                format!(
                    "running {:?} pid {:?} since {:?}",
                    state.running, state.pid, state.started_at
                ),
            );
        }
        Ok(Picture(picture))
    }

    fn differences(&self, other: &Picture) -> usize {
        let gone = self
            .0
            .iter()
            .filter(|(name, was)| other.0.get(*name) != Some(was));
        let new = other.0.keys().filter(|name| !self.0.contains_key(*name));
        gone.count() + new.count()
    }
}
