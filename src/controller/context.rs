//! Everything that one reconcile needs, passed in: nothing below reads a flag, a clock or a variable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kube::ResourceExt;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::bucket::Bucket;
use super::cache::{GameCache, SessionCache};
use super::claim::Claims;
use super::events::Events;
use super::gate::Gate;
use super::jitter::Jitter;
use super::lease::Leases;
use super::memory::Memory;
use super::own_writes::OwnWrites;
use super::patch::Sessions;
use super::triggers::Triggers;
use crate::api::{GameSession, RuntimeKind};
use crate::clock::Clock;
use crate::runtime::{Runtime, SessionKey};
use crate::session::container;
use crate::session::observation::{Limits, Owner};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::stages::{Stage, UnderWay};

/// The rim's parts.
pub struct Context {
    pub owner: Owner,
    pub runtimes: BTreeMap<RuntimeKind, Arc<dyn Runtime>>,
    /// Served runtimes, in the order of `--runtimes`.
    pub served: Vec<RuntimeKind>,
    pub provision_deadline_seconds: i32,
    pub process_started: jiff::Timestamp,
    pub clock: Clock,
    /// Our clock and the API server's agreed once since the process started.
    pub clock_trusted: AtomicBool,
    pub jitter: Jitter,
    pub claims: Claims,
    pub gate: Arc<Gate>,
    pub leases: Arc<Leases>,
    pub sessions: Sessions,
    pub cache: Arc<SessionCache>,
    pub games: Arc<GameCache>,
    pub own_writes: OwnWrites,
    pub memory: Memory,
    pub backoff: Backoff,
    pub triggers: Triggers,
    pub events: Events,
    pub metrics: Arc<Metrics>,
    /// Reports of doubt: an outage of the engine is no flood of writes.
    pub doubt_reports: Bucket,
}

/// Sessions a second whose doubt is reported.
pub const DOUBT_REPORTS: u32 = 20;

impl Context {
    pub fn limits(&self) -> Limits {
        Limits {
            provision_deadline_seconds: self.provision_deadline_seconds,
            clock_trusted: self.clock_trusted.load(Ordering::Relaxed),
            process_started: self.process_started,
        }
    }

    /// A stage of this session begins; it ends when what is returned is dropped.
    pub fn stage<'a>(&'a self, uid: &'a str, stage: Stage) -> UnderWay<'a> {
        self.metrics.stages.begin(&self.clock, uid, stage)
    }

    /// A stage of this session, begun then, ends now.
    pub fn stage_ended(&self, uid: &str, stage: Stage, began: Instant) {
        self.metrics.stages.ended(&self.clock, uid, stage, began);
    }

    /// The session is gone: nothing of it is kept.
    pub fn forget(&self, uid: &str) {
        self.memory.forget(uid);
        self.backoff.forget(uid);
        self.own_writes.forget(uid);
        for runtime in self.runtimes.values() {
            runtime.forget(uid);
        }
    }
}

/// What names a session to a runtime.
pub fn session_key(session: &GameSession) -> SessionKey {
    let (name, uid) = (session.name_any(), session.uid().unwrap_or_default());
    SessionKey {
        namespace: session.namespace().unwrap_or_default(),
        container_name: container::name(&name, &uid),
        name,
        uid,
    }
}
