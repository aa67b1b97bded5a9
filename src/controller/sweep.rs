//! The orphan sweep: removes containers and volumes whose session is gone, with brakes.
//!
//! Only what carries our exact cluster and controller labels, in watched namespaces, after two live GETs ten
//! minutes apart said that the session is gone. A 403 or a timeout is not gone. Too many at once stop it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::gate::{API_DEADLINE, Labelled, Stopped, Write};
use super::patch::names_what_is_gone;
use crate::api::{GameSession, RuntimeKind};
use crate::runtime::{Owned, OwnedKind, Runtime, SessionKey};
use crate::session::container;
use crate::session::facts::EngineId;
use crate::session::plan::Effect;
use crate::session::seen::ContainerId;

/// Between the two looks that must agree, and between sweeps.
pub const APART: Duration = Duration::from_secs(600);
/// The first sweep: after the caches and a first look at everything.
const FIRST: Duration = Duration::from_secs(60);

/// Whether this session is gone, by a live GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Gone,
    There,
    /// A 403, a timeout: nothing is known, so it is not gone.
    CannotTell,
}

/// Sessions whose uid was gone at a look, and when that look was.
#[derive(Debug, Default)]
struct Suspects(BTreeMap<String, Instant>);

/// What one sweep comes to.
#[derive(Debug, PartialEq, Eq)]
enum Brake {
    /// These uids were gone at two looks far enough apart.
    Remove(BTreeSet<String>),
    /// So many at once that something else must be wrong.
    Stop { orphans: usize, allowed: usize },
}

impl Suspects {
    /// Notes one look at the sessions of all things; what is gone long enough may go.
    fn look(
        &mut self,
        verdicts: &BTreeMap<String, Verdict>,
        sessions: usize,
        now: Instant,
    ) -> Brake {
        let gone = |uid: &str| verdicts.get(uid) == Some(&Verdict::Gone);
        self.0.retain(|uid, _| gone(uid));
        let orphans: Vec<_> = verdicts.keys().filter(|uid| gone(uid)).collect();
        let allowed = (sessions / 10).max(5);
        if orphans.len() > allowed {
            return Brake::Stop {
                orphans: orphans.len(),
                allowed,
            };
        }
        let mut ripe = BTreeSet::new();
        for uid in orphans {
            let since = *self.0.entry(uid.clone()).or_insert(now);
            if now.saturating_duration_since(since) >= APART {
                ripe.insert(uid.clone());
            }
        }
        Brake::Remove(ripe)
    }
}

/// Sweeps one runtime until `stop`.
pub struct Sweep {
    pub ctx: Arc<Context>,
    pub client: Client,
    pub kind: RuntimeKind,
    pub runtime: Arc<dyn Runtime>,
    /// Empty: all.
    pub namespaces: Vec<String>,
}

impl Sweep {
    pub async fn run(self, stop: CancellationToken) {
        let mut suspects = Suspects::default();
        let mut wait = FIRST;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
            // A little more than the time apart, so that the second look is ripe.
            wait = APART + Duration::from_secs(5);
            if let Some(engine) = self.leads() {
                self.sweep(&engine, &mut suspects).await;
            } else {
                suspects = Suspects::default();
            }
        }
    }

    fn leads(&self) -> Option<EngineId> {
        let claim = self.ctx.claims.of(self.kind);
        claim.leads(Instant::now()).cloned()
    }

    async fn sweep(&self, engine: &EngineId, suspects: &mut Suspects) {
        let owned = match self.runtime.list().await {
            Ok(owned) => owned,
            Err(error) => {
                tracing::warn!(%error, "the sweep found no list");
                return;
            }
        };
        let watched = |thing: &&Owned| {
            self.namespaces.is_empty() || self.namespaces.contains(&thing.namespace)
        };
        let owned: Vec<Owned> = owned.iter().filter(watched).cloned().collect();
        for thing in &owned {
            self.look_again(thing);
        }
        let mut verdicts = BTreeMap::new();
        for thing in &owned {
            if verdicts.contains_key(&thing.uid) {
                continue;
            }
            let verdict = self.verdict(thing).await;
            verdicts.insert(thing.uid.clone(), verdict);
        }
        let orphans = verdicts
            .values()
            .filter(|verdict| **verdict == Verdict::Gone)
            .count();
        let metrics = &self.ctx.metrics;
        metrics
            .orphans
            .set(i64::try_from(orphans).unwrap_or(i64::MAX));
        match suspects.look(&verdicts, verdicts.len(), Instant::now()) {
            Brake::Stop { orphans, allowed } => {
                metrics.sweep_stopped.set(1);
                tracing::error!(
                    orphans,
                    allowed,
                    "the sweep removes nothing: so many sessions gone at once point to a lost API server or a wrong kubeconfig"
                );
            }
            Brake::Remove(ripe) => {
                metrics.sweep_stopped.set(0);
                for thing in owned.iter().filter(|thing| ripe.contains(&thing.uid)) {
                    self.remove(engine, thing).await;
                }
            }
        }
    }

    /// A session that has finished has no container, and no look of its own any more: what a process that stood still
    /// past its claim made for it late is found by nobody else.
    fn look_again(&self, thing: &Owned) {
        let OwnedKind::Container { .. } = thing.kind else {
            return;
        };
        let Some(session) = self.ctx.cache.by_uid(&thing.uid) else {
            return;
        };
        let kept = self.ctx.cache.kept(&session).and_then(|kept| kept.read());
        let status = kept.as_ref().and_then(|session| session.status.as_ref());
        if status.is_some_and(|status| status.finish_time.is_some()) {
            self.ctx.triggers.fire(session);
        }
    }

    /// Cached sessions are there; for all others one live GET.
    async fn verdict(&self, thing: &Owned) -> Verdict {
        if self.ctx.cache.by_uid(&thing.uid).is_some() {
            return Verdict::There;
        }
        if thing.namespace.is_empty() || thing.session.is_empty() || thing.uid.is_empty() {
            return Verdict::CannotTell;
        }
        let api: Api<GameSession> = Api::namespaced(self.client.clone(), &thing.namespace);
        let sent = Instant::now();
        let answer = tokio::time::timeout(API_DEADLINE, api.get_metadata(&thing.session)).await;
        let (verdict, failed) = match answer {
            Ok(Ok(found)) if found.metadata.uid.as_deref() == Some(&thing.uid) => {
                (Verdict::There, None)
            }
            Ok(Ok(_)) => (Verdict::Gone, None),
            Ok(Err(kube::Error::Api(status))) if names_what_is_gone(&status) => {
                (Verdict::Gone, None)
            }
            Ok(Err(error)) => (Verdict::CannotTell, Some(error.label())),
            Err(_) => (Verdict::CannotTell, Some("no_answer")),
        };
        self.ctx
            .metrics
            .api_call("sweep_get", sent.elapsed(), failed);
        verdict
    }

    /// One step for one thing; what it leaves comes with the next sweep.
    async fn remove(&self, engine: &EngineId, thing: &Owned) {
        let key = SessionKey {
            namespace: thing.namespace.clone(),
            name: thing.session.clone(),
            uid: thing.uid.clone(),
            container_name: container::name(&thing.session, &thing.uid),
        };
        let id = || ContainerId(thing.id.clone());
        let steps = match thing.kind {
            OwnedKind::Container { running: true } => {
                vec![Effect::Kill(id()), Effect::Remove(id())]
            }
            OwnedKind::Container { running: false } => vec![Effect::Remove(id())],
            OwnedKind::Storage => vec![Effect::RemoveStorage(vec![thing.id.clone()])],
        };
        for effect in &steps {
            let call = self.runtime.act(&key, engine, effect);
            let write = Write::Sweep(engine);
            let passed = self.ctx.gate.pass(&thing.uid, write, call).await;
            if let Err(error) = &passed {
                let why = match error {
                    Stopped::NotLeading | Stopped::NoAnswer => error.to_string(),
                    Stopped::Failed(error) => error.to_string(),
                };
                tracing::warn!(
                    session = thing.session,
                    uid = thing.uid,
                    id = thing.id,
                    why,
                    "orphan not removed"
                );
                return;
            }
        }
        self.ctx.metrics.orphans_removed.inc();
        tracing::warn!(
            session = thing.session,
            namespace = thing.namespace,
            uid = thing.uid,
            id = thing.id,
            "orphan removed: its session is gone"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(gone: usize, there: usize) -> BTreeMap<String, Verdict> {
        let gone = (0..gone).map(|n| (format!("gone-{n}"), Verdict::Gone));
        let there = (0..there).map(|n| (format!("there-{n}"), Verdict::There));
        gone.chain(there).collect()
    }

    fn removed(brake: Brake) -> usize {
        match brake {
            Brake::Remove(uids) => uids.len(),
            Brake::Stop { .. } => panic!("stopped"),
        }
    }

    #[test]
    fn nothing_is_removed_before_two_looks_ten_minutes_apart_agree() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        let seen = verdicts(3, 10);
        assert_eq!(removed(suspects.look(&seen, 13, now)), 0);
        assert_eq!(removed(suspects.look(&seen, 13, now + APART / 2)), 0);
        assert_eq!(removed(suspects.look(&seen, 13, now + APART)), 3);
    }

    #[test]
    fn one_look_that_cannot_tell_begins_the_ten_minutes_anew() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        let gone = verdicts(1, 0);
        let unknown = BTreeMap::from([("gone-0".to_owned(), Verdict::CannotTell)]);
        suspects.look(&gone, 1, now);
        assert_eq!(removed(suspects.look(&unknown, 1, now + APART / 2)), 0);
        assert_eq!(removed(suspects.look(&gone, 1, now + APART)), 0);
        assert_eq!(removed(suspects.look(&gone, 1, now + APART * 2)), 1);
    }

    #[test]
    fn a_session_that_came_back_is_no_suspect_any_more() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        suspects.look(&verdicts(1, 0), 1, now);
        let back = BTreeMap::from([("gone-0".to_owned(), Verdict::There)]);
        assert_eq!(removed(suspects.look(&back, 1, now + APART)), 0);
    }

    #[test]
    fn more_than_five_and_more_than_a_tenth_at_once_stop_the_sweep() {
        let (mut suspects, now) = (Suspects::default(), Instant::now());
        assert_eq!(removed(suspects.look(&verdicts(5, 0), 5, now)), 0);
        let stop = Brake::Stop {
            orphans: 6,
            allowed: 5,
        };
        assert_eq!(suspects.look(&verdicts(6, 30), 36, now), stop);
        assert_eq!(removed(suspects.look(&verdicts(20, 180), 200, now)), 0);
        let stop = Brake::Stop {
            orphans: 21,
            allowed: 20,
        };
        assert_eq!(suspects.look(&verdicts(21, 180), 201, now), stop);
    }
}
