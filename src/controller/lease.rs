//! Keeps the claim on the engine of now: reads and writes its Lease, publishes the claim.
//!
//! Runs in its own task and may wait for the API server; the claim lapses by itself meanwhile.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::claim::{self, Claim, Decision, HOLD, LEASE, Observed, POLL, Publisher, RENEW, Record};
use super::clock::Clock;
use super::patch::words;
use crate::runtime::Runtime;
use crate::session::facts::{Engine, EngineId};
use crate::telemetry::health::{Health, Part};

/// Longest wait for one call about the Lease; less than the claim lasts.
const CALL: Duration = Duration::from_millis(1200);

/// How often the keeper looks whether the engine answered for the first time.
const FIRST_ANSWER: Duration = Duration::from_millis(20);

/// Reads and writes Leases of engines.
pub struct Leases {
    api: Api<Lease>,
    me: String,
    clock: Clock,
    /// What was seen of other engines' Leases.
    others: Mutex<HashMap<EngineId, (Instant, Option<Observed>)>>,
}

/// Why a call about a Lease gave nothing.
#[derive(Debug, thiserror::Error)]
enum LeaseError {
    /// Somebody else was faster: look again.
    #[error("another writer was first")]
    Conflict,
    #[error("{0}")]
    Failed(String),
}

impl Leases {
    /// `me` is unique to this process.
    pub fn new(client: Client, namespace: &str, me: String, clock: Clock) -> Self {
        Leases {
            api: Api::namespaced(client, namespace),
            me,
            clock,
            others: Mutex::default(),
        }
    }

    /// Whether another process acts for this engine: Some(how long to believe it), None if nobody does.
    /// A Lease that cannot be read is taken as live.
    pub async fn alive(&self, engine: &EngineId) -> Option<Duration> {
        let before = {
            let others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
            others.get(engine).cloned()
        };
        let seen = match before {
            Some((looked, seen)) if looked.elapsed() < POLL => seen,
            Some(_) | None => {
                let before = before.and_then(|(_, seen)| seen);
                let lease = match self.read(engine).await {
                    Ok(lease) => lease,
                    Err(_) => return Some(LEASE),
                };
                let now = Instant::now();
                let next = lease.map(|lease| Observed::next(before.as_ref(), record(&lease), now));
                let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
                others.insert(engine.clone(), (now, next.clone()));
                next
            }
        };
        match claim::decide(seen.as_ref(), &self.me, false, Instant::now()) {
            Decision::Wait(left) => Some(left),
            Decision::Acquire | Decision::Renew | Decision::Lost => None,
        }
    }

    async fn read(&self, engine: &EngineId) -> Result<Option<Lease>, LeaseError> {
        bounded(self.api.get_opt(&lease_name(engine))).await
    }

    /// Writes our name, or clears it; compare-and-set by resourceVersion, a create where there is none.
    async fn write(
        &self,
        engine: &EngineId,
        before: Option<&Lease>,
        hold: bool,
    ) -> Result<Lease, LeaseError> {
        let next = next_lease(engine, before, &self.me, hold, MicroTime(self.clock.now()));
        let params = PostParams::default();
        match before {
            Some(_) => bounded(self.api.replace(&next.name_any(), &params, &next)).await,
            None => bounded(self.api.create(&params, &next)).await,
        }
    }
}

async fn bounded<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, LeaseError> {
    match tokio::time::timeout(CALL, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) if status.is_conflict() || status.is_already_exists() => {
            Err(LeaseError::Conflict)
        }
        Ok(Err(error)) => Err(LeaseError::Failed(words(&error))),
        Err(_) => Err(LeaseError::Failed("no answer in time".to_owned())),
    }
}

fn lease_name(engine: &EngineId) -> String {
    format!("dillinger-engine-{}", engine.0)
}

fn record(lease: &Lease) -> Record {
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec
        .lease_duration_seconds
        .unwrap_or(0)
        .max(0)
        .unsigned_abs();
    Record {
        holder: spec.holder_identity,
        version: lease.resource_version().unwrap_or_default(),
        // A record that claims no time, or an absurd one, is bounded: it must not lock others out.
        duration: Duration::from_secs(seconds.into()).clamp(LEASE, Duration::from_secs(60)),
    }
}

fn next_lease(
    engine: &EngineId,
    before: Option<&Lease>,
    me: &str,
    hold: bool,
    now: MicroTime,
) -> Lease {
    let old = before
        .and_then(|lease| lease.spec.clone())
        .unwrap_or_default();
    let ours = old.holder_identity.as_deref() == Some(me);
    let changes = hold && !ours && before.is_some();
    let transitions = old.lease_transitions.unwrap_or(0) + i32::from(changes);
    let metadata = match before {
        Some(lease) => ObjectMeta {
            managed_fields: None,
            ..lease.metadata.clone()
        },
        None => ObjectMeta {
            name: Some(lease_name(engine)),
            ..ObjectMeta::default()
        },
    };
    let spec = LeaseSpec {
        holder_identity: Some(if hold { me.to_owned() } else { String::new() }),
        lease_duration_seconds: Some(LEASE.as_secs() as i32),
        acquire_time: if ours {
            old.acquire_time
        } else {
            Some(now.clone())
        },
        renew_time: Some(now),
        lease_transitions: Some(transitions),
        ..LeaseSpec::default()
    };
    Lease {
        metadata,
        spec: Some(spec),
    }
}

/// What is known of the engine: None before its first answer or silence.
pub type EngineNow = Option<Option<Engine>>;

/// Asks the runtime for its engine until dropped. Its own task: an engine that hangs holds up an answer for
/// seconds, and must not cost the claim.
pub async fn engines(runtime: Arc<dyn Runtime>, health: Health, publish: watch::Sender<EngineNow>) {
    loop {
        let engine = runtime.engine().await;
        match &engine {
            Some(_) => health.there(Part::Engine),
            None => health.missing(Part::Engine, "it does not answer".to_owned()),
        }
        publish.send_if_modified(|now| {
            let changed = now.as_ref() != Some(&engine);
            *now = Some(engine);
            changed
        });
        tokio::time::sleep(RENEW).await;
    }
}

/// Keeps the claim until `stop`, then releases it. One per process.
pub struct Keeper {
    pub leases: Arc<Leases>,
    pub engine: watch::Receiver<EngineNow>,
    pub publish: Publisher,
    pub health: Health,
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
            let until = Instant::now() + Duration::from_secs(86_400);
            self.lead(&kept.engine, until);
            return RENEW;
        }
        match self.keep(kept).await {
            Ok(wait) => wait,
            Err(LeaseError::Conflict) => {
                kept.lease = None;
                Duration::from_millis(10)
            }
            Err(LeaseError::Failed(why)) => {
                tracing::debug!(why, "the Lease could not be read or written");
                kept.lease = None;
                if kept.until.is_none_or(|until| until <= Instant::now()) {
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
                    .leads(format!("this process, for engine {}", engine.0));
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
        self.health.leads(words.to_owned());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> MicroTime {
        MicroTime(jiff::Timestamp::from_second(second).unwrap())
    }

    fn engine() -> EngineId {
        EngineId("e".to_owned())
    }

    #[test]
    fn a_renewal_keeps_when_it_was_acquired_and_a_takeover_counts_as_a_transition() {
        let first = next_lease(&engine(), None, "a", true, at(1));
        assert_eq!(first.metadata.name.as_deref(), Some("dillinger-engine-e"));
        let spec = first.spec.clone().unwrap();
        assert_eq!(
            (spec.lease_transitions, spec.acquire_time),
            (Some(0), Some(at(1)))
        );

        let renewed = next_lease(&engine(), Some(&first), "a", true, at(2))
            .spec
            .unwrap();
        assert_eq!(
            (renewed.acquire_time, renewed.renew_time),
            (Some(at(1)), Some(at(2)))
        );
        assert_eq!(renewed.lease_transitions, Some(0));

        let taken = next_lease(&engine(), Some(&first), "b", true, at(3))
            .spec
            .unwrap();
        assert_eq!(taken.holder_identity.as_deref(), Some("b"));
        assert_eq!(
            (taken.acquire_time, taken.lease_transitions),
            (Some(at(3)), Some(1))
        );
    }

    #[test]
    fn a_released_lease_names_nobody_and_is_free_at_once() {
        let held = next_lease(&engine(), None, "a", true, at(1));
        let released = next_lease(&engine(), Some(&held), "a", false, at(2));
        let now = Instant::now();
        let seen = Observed::next(None, record(&released), now);
        assert_eq!(
            claim::decide(Some(&seen), "b", false, now),
            Decision::Acquire
        );
    }

    #[test]
    fn the_version_that_was_seen_travels_with_each_write() {
        let mut held = next_lease(&engine(), None, "a", true, at(1));
        held.metadata.resource_version = Some("41".to_owned());
        let next = next_lease(&engine(), Some(&held), "a", true, at(2));
        assert_eq!(next.metadata.resource_version.as_deref(), Some("41"));
    }

    #[test]
    fn a_lease_that_claims_a_day_holds_nobody_off_for_a_day() {
        let mut held = next_lease(&engine(), None, "a", true, at(1));
        held.spec.as_mut().unwrap().lease_duration_seconds = Some(86_400);
        assert_eq!(record(&held).duration, Duration::from_secs(60));
    }
}
