//! The Lease of an engine, read and written; whether another one's is alive. Each call is bounded.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt};
use tokio::time::Instant;

use super::claim::{self, Decision, LEASE, Observed, POLL, Record};
use super::clock::Clock;
use super::patch::words;
use crate::session::facts::EngineId;

/// Longest wait for one call about the Lease; less than the claim lasts.
const CALL: Duration = Duration::from_millis(1200);

/// Reads and writes Leases of engines.
pub struct Leases {
    api: Api<Lease>,
    pub(super) me: String,
    clock: Clock,
    /// What was seen of other engines' Leases.
    others: Mutex<HashMap<EngineId, (Instant, Option<Observed>)>>,
}

/// Why a call about a Lease gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum LeaseError {
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

    pub(super) async fn read(&self, engine: &EngineId) -> Result<Option<Lease>, LeaseError> {
        bounded(self.api.get_opt(&lease_name(engine))).await
    }

    /// Writes our name, or clears it; compare-and-set by resourceVersion, a create where there is none.
    pub(super) async fn write(
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

pub(super) fn record(lease: &Lease) -> Record {
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
