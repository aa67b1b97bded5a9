//! The text of `/metrics`: what is counted as it happens, and what is read when somebody asks.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::cache::Shown;
use super::client::WatchAges;
use super::context::Context;
use crate::telemetry::health::Health;
use crate::telemetry::metrics::{KindLabel, PartLabel, SessionsLabel};

/// Sets what is read from elsewhere, then writes all metrics.
pub fn scrape(ctx: &Context, health: &Health, ages: &WatchAges) -> String {
    let metrics = &ctx.metrics;
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    metrics.sessions.clear();
    for (Shown { phase, runtime }, n) in ctx.cache.shown() {
        let phase = if phase.is_empty() {
            "None".to_owned()
        } else {
            phase
        };
        let label = SessionsLabel { phase, runtime };
        metrics.sessions.get_or_create_owned(&label).set(n);
    }
    metrics.unreadable.set(count(ctx.memory.unreadable()));
    metrics.queue_depth.set(count(ctx.triggers.depth()));
    for (kind, age) in ages.seconds() {
        metrics
            .watch_age
            .get_or_create_owned(&KindLabel { kind })
            .set(age);
    }
    let leads = ctx.claims.lead_any(Instant::now());
    metrics.leader.set(i64::from(leads));
    metrics
        .clock_trusted
        .set(i64::from(ctx.clock_trusted.load(Ordering::Relaxed)));
    for part in health.needed() {
        let label = PartLabel {
            part: part.as_str(),
        };
        let there = !health.is_missing(part);
        metrics
            .parts
            .get_or_create_owned(&label)
            .set(i64::from(there));
    }
    metrics.encode()
}
