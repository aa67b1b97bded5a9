//! What the API server shows of the sessions, each change of each, by a watch of our own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use dillinger_runner::api::{ConditionStatus, GameSession};
use futures::StreamExt;
use kube::runtime::watcher;
use kube::{Api, ResourceExt};
use tokio_util::task::AbortOnDropHandle;

use crate::harness::play::{cond, is, phase_of};

/// A session at one version of it.
#[derive(Clone, Debug)]
pub struct Sight {
    pub uid: String,
    pub name: String,
    pub phase: String,
    pub attempt: Option<i32>,
    pub ready: bool,
    pub container: Option<String>,
    /// The reason of Finished=True.
    pub finished: Option<String>,
    pub finish_time: Option<String>,
}

impl Sight {
    fn of(session: &GameSession) -> Sight {
        let status = session.status.clone().unwrap_or_default();
        let finished = is(session, "Finished", ConditionStatus::True);
        let container = status.container.as_ref().and_then(|c| c.id.clone());
        Sight {
            uid: session.uid().unwrap_or_default(),
            name: session.name_any(),
            phase: phase_of(session),
            attempt: status.attempt,
            ready: is(session, "Ready", ConditionStatus::True),
            container,
            finished: finished
                .then(|| cond(session, "Finished").map(|c| c.reason.clone()))
                .flatten(),
            finish_time: status.finish_time.map(|time| format!("{time:?}")),
        }
    }
}

/// Watches until it is dropped.
pub struct Sights {
    seen: Arc<Mutex<Vec<Sight>>>,
    _watching: AbortOnDropHandle<()>,
}

impl Sights {
    pub fn of(sessions: Api<GameSession>) -> Sights {
        let seen = Arc::<Mutex<Vec<Sight>>>::default();
        let sink = seen.clone();
        let watching = tokio::spawn(async move {
            let config = watcher::Config::default().timeout(20);
            let stream = watcher(sessions, config);
            let mut stream = std::pin::pin!(stream);
            while let Some(event) = stream.next().await {
                let session = match event {
                    Ok(watcher::Event::Apply(session) | watcher::Event::InitApply(session)) => {
                        session
                    }
                    Ok(_) => continue,
                    // It tries again by itself; the API server is away now and then.
                    Err(_) => {
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let mut seen = sink.lock().unwrap_or_else(PoisonError::into_inner);
                seen.push(Sight::of(&session));
            }
        });
        Sights {
            seen,
            _watching: AbortOnDropHandle::new(watching),
        }
    }

    /// Everything seen, each session's changes in their order.
    pub fn by_uid(&self) -> BTreeMap<String, Vec<Sight>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_uid: BTreeMap<String, Vec<Sight>> = BTreeMap::new();
        for sight in &*seen {
            by_uid
                .entry(sight.uid.clone())
                .or_default()
                .push(sight.clone());
        }
        by_uid
    }

    /// How often each phase was come to.
    pub fn phases(&self) -> BTreeMap<String, usize> {
        let mut phases = BTreeMap::new();
        for sights in self.by_uid().values() {
            let mut before = "";
            for sight in sights {
                if sight.phase != before {
                    let word = if sight.phase.is_empty() {
                        "(new)"
                    } else {
                        &sight.phase
                    };
                    *phases.entry(word.to_owned()).or_default() += 1;
                }
                before = &sight.phase;
            }
        }
        phases
    }
}
