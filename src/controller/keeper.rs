//! Keeps the claim on the engine of now by its Lease, and publishes it.
//!
//! Runs in its own task and may wait for the API server; the claim lapses by itself meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::claim::{self, Claim, Decision, HOLD, Observed, POLL, Publisher, RENEW};
use super::lease::{LeaseError, Leases, record};
use crate::runtime::Runtime;
use crate::session::facts::{Engine, EngineId};
use crate::telemetry::health::{Health, Part};

/// How often the keeper looks whether the engine answered for the first time.
const FIRST_ANSWER: Duration = Duration::from_millis(20);

/// What is known of the engine: None before its first answer or silence.
pub type EngineNow = Option<Option<Engine>>;

/// Asks the runtime for its engine until dropped. Its own task: an engine that hangs holds up an answer for
/// seconds, and must not cost the claim.
pub async fn engines(
    runtime: Arc<dyn Runtime>,
    part: Part,
    health: Health,
    publish: watch::Sender<EngineNow>,
) {
    loop {
        let engine = runtime.engine().await;
        match &engine {
            Some(_) => health.there(part),
            None => health.missing(part, "it does not answer".to_owned()),
        }
        publish.send_if_modified(|now| {
            let changed = now.as_ref() != Some(&engine);
            *now = Some(engine);
            changed
        });
        tokio::time::sleep(RENEW).await;
    }
}

/// Keeps the claim until `stop`, then releases it. One for each runtime of a process.
pub struct Keeper {
    pub leases: Arc<Leases>,
    pub engine: watch::Receiver<EngineNow>,
    pub publish: Publisher,
    pub health: Health,
    /// Where its trouble is shown.
    pub part: Part,
    /// `--leader-elect`.
    pub elect: bool,
    /// How often this process began to lead.
    pub terms: AtomicU64,
}

/// The Lease that is being kept or waited for.
struct Kept {
    engine: EngineId,
    lease: Option<Lease>,
    observed: Option<Observed>,
    /// Our own claim lasts until then.
    until: Option<Instant>,
}

impl Keeper {
    pub async fn run(self, stop: CancellationToken) {
        let mut kept: Option<Kept> = None;
        loop {
            let wait = tokio::select! {
                wait = self.step(&mut kept) => wait,
                () = stop.cancelled() => break,
            };
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => break,
            }
        }
        self.publish.send_replace(Claim::Standby);
        if let Some(kept) = kept {
            self.release(kept).await;
        }
    }

    /// One look at the engine and its Lease; how long until the next.
    async fn step(&self, kept: &mut Option<Kept>) -> Duration {
        let Some(engine) = self.engine.borrow().clone() else {
            return FIRST_ANSWER;
        };
        let engine = engine.map(|engine| engine.id);
        if let (Some(engine), Some(old)) = (&engine, &*kept)
            && old.engine != *engine
        {
            tracing::warn!(
                from = old.engine.0,
                to = engine.0,
                "another engine answers now"
            );
            self.publish.send_replace(Claim::Standby);
            if let Some(old) = kept.take() {
                self.release(old).await;
            }
        }
        if kept.is_none() {
            let Some(engine) = engine else {
                self.rest(Claim::NoEngine, "no engine answered yet");
                return POLL;
            };
            *kept = Some(Kept {
                engine,
                lease: None,
                observed: None,
                until: None,
            });
        }
        let Some(kept) = kept else { return POLL };
        if !self.elect {
            self.health.there(self.part);
            let until = Instant::now() + Duration::from_secs(86_400);
            self.lead(&kept.engine, until);
            return RENEW;
        }
        match self.keep(kept).await {
            Ok(wait) => {
                self.health.there(self.part);
                wait
            }
            Err(LeaseError::Conflict) => {
                kept.lease = None;
                Duration::from_millis(10)
            }
            Err(LeaseError::Failed(why)) => {
                tracing::debug!(why, "the Lease could not be read or written");
                kept.lease = None;
                if kept.until.is_none_or(|until| until <= Instant::now()) {
                    // A namespace that is not there, a right that is not given: a person must know.
                    let place = self.leases.place(&kept.engine);
                    let why = format!("the Lease {place} cannot be kept: {why}");
                    self.health.missing(self.part, why);
                    self.rest(Claim::Standby, "the Lease cannot be read or written");
                }
                POLL
            }
        }
    }

    async fn keep(&self, kept: &mut Kept) -> Result<Duration, LeaseError> {
        // What we wrote last is what stands there, unless a write fails: then it is read again.
        let held = kept.until.is_some_and(|until| until > Instant::now());
        if !(held && kept.lease.is_some()) {
            kept.lease = self.leases.read(&kept.engine).await?;
            let now = Instant::now();
            let seen = kept.lease.as_ref().map(record);
            kept.observed = seen.map(|seen| Observed::next(kept.observed.as_ref(), seen, now));
        }
        let me = &self.leases.me;
        match claim::decide(kept.observed.as_ref(), me, held, Instant::now()) {
            Decision::Acquire | Decision::Renew => {
                let sent = Instant::now();
                let lease = self
                    .leases
                    .write(&kept.engine, kept.lease.as_ref(), true)
                    .await?;
                let seen = record(&lease);
                kept.observed = Some(Observed::next(kept.observed.as_ref(), seen, sent));
                kept.lease = Some(lease);
                let until = sent + HOLD;
                kept.until = Some(until);
                self.lead(&kept.engine, until);
                Ok(RENEW)
            }
            Decision::Wait(left) => {
                kept.until = None;
                self.rest(Claim::Standby, "another process leads");
                Ok(left.min(POLL))
            }
            Decision::Lost => {
                kept.until = None;
                self.rest(Claim::Standby, "another process took the lead");
                Ok(POLL)
            }
        }
    }

    /// Publishes that we lead until then; a new term where we did not before. A claim that lapsed for want of
    /// an answer and was not taken meanwhile goes on: who was refused in between comes back by himself.
    fn lead(&self, engine: &EngineId, until: Instant) {
        let before = self.publish.borrow().clone();
        let term = match before {
            Claim::Leading {
                engine: led,
                until,
                term,
            } if led == *engine => {
                let late = Instant::now().saturating_duration_since(until);
                if !late.is_zero() {
                    tracing::warn!(
                        late_ms = late.as_millis() as u64,
                        "the claim had lapsed, the API server was slow"
                    );
                }
                term
            }
            Claim::Leading { .. } | Claim::Standby | Claim::NoEngine => {
                tracing::info!(engine = engine.0, "leading");
                self.health
                    .leads(self.part, format!("this process, for engine {}", engine.0));
                self.terms.fetch_add(1, Ordering::Relaxed) + 1
            }
        };
        let engine = engine.clone();
        self.publish.send_replace(Claim::Leading {
            engine,
            until,
            term,
        });
    }

    /// Publishes that we do not lead, once.
    fn rest(&self, claim: Claim, words: &str) {
        self.health.leads(self.part, words.to_owned());
        if *self.publish.borrow() != claim {
            tracing::info!(why = words, "not leading");
            self.publish.send_replace(claim);
        }
    }

    /// Lets a standby begin at once. Called after the last write was answered or cut off.
    async fn release(&self, kept: Kept) {
        let Kept {
            engine,
            lease: Some(lease),
            observed: _,
            until: Some(_),
        } = kept
        else {
            return;
        };
        match self.leases.write(&engine, Some(&lease), false).await {
            Ok(_) => tracing::info!(engine = engine.0, "claim released"),
            Err(error) => tracing::warn!(%error, "claim not released, it lapses by itself"),
        }
    }
}
