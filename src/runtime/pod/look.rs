//! One look at a session's Pod, as the watches show it: never fails, doubt is a value, and seldom a call.
//!
//! What is asked besides: the log of a game that ended, and who has the name where a create found it taken.

use std::time::Duration;

use kube::api::LogParams;

use super::PodRuntime;
use super::act::{Failure, bounded};
use super::body::GAME;
use super::parse::PodSeen;
use super::probe::{self, Asked};
use crate::api::{Exposure, Readiness};
use crate::runtime::log_text;
use crate::runtime::{Look, SessionKey};
use crate::session::pattern;
use crate::session::seen::{Answer, Container, Doubt, Exit, Seen, select};

/// A watch that was not answered for so long shows the past.
const OLDEST: Duration = Duration::from_secs(60);
/// Lines of a dead game's log that a user sees, and bytes of it that are read.
const LAST_LINES: i64 = 10;
const LAST_BYTES: i64 = 64 * 1024;
/// What is searched of the whole log of a game that ended.
const MOST_BYTES: i64 = 16 * 1024 * 1024;

impl PodRuntime {
    pub(super) async fn look_now(&self, look: &Look<'_>) -> Seen {
        if let Some(doubt) = self.doubt(look) {
            return Seen::Unknown(doubt);
        }
        let mut hits = self.hits(look).await;
        if hits.is_empty() && self.is_missed(look) {
            // Its end was not seen: whoever led before may have made it, and the watch not have shown it yet.
            if let Err(error) = self.who_has_the_name(look.key).await {
                return Seen::Unknown(Doubt::EngineUnreachable(error.to_string()));
            }
            hits = self.hits(look).await;
        }
        if hits.is_empty() {
            hits.push(self.by_name(look.key).await);
        }
        select(hits, look.attempt)
    }

    /// A Pod that is on record, and that this process neither sees nor saw go.
    fn is_missed(&self, look: &Look<'_>) -> bool {
        look.id.is_some_and(|id| !self.store.saw_go(id))
    }

    /// What the watches show of the session's Pods.
    async fn hits(&self, look: &Look<'_>) -> Vec<Seen> {
        let mut hits = Vec::new();
        for (pod, dismissed) in self.store.of(&look.key.uid, look.attempt) {
            let (node, host) = (self.store.node_of(&pod), self.store.host_of(&pod));
            let seen = pod.seen(node, host.as_deref());
            let old = pod.attempt < look.attempt && pod.terminating;
            hits.push(match seen {
                // Its end is on record: what is left of it goes by itself.
                Seen::Exited(..) | Seen::Created(..) if dismissed || old => Seen::Going,
                Seen::Exited(container, exit) => self.ended(look, &pod, container, exit).await,
                Seen::Running(container, answer) => {
                    let answer = self.answer(look, &pod, host.as_deref(), &container, answer);
                    Seen::Running(container, answer)
                }
                other @ (Seen::Unknown(_)
                | Seen::Foreign(_)
                | Seen::Absent
                | Seen::Created(..)
                | Seen::Paused(_)
                | Seen::Going) => other,
            });
        }
        hits
    }

    fn doubt(&self, look: &Look<'_>) -> Option<Doubt> {
        let ours = &self.config.owner.cluster;
        if let Some(recorded) = look.engine.filter(|engine| engine.0 != *ours) {
            return Some(Doubt::EngineMismatch {
                recorded: recorded.0.clone(),
                found: ours.clone(),
            });
        }
        let unreachable = |words: &str| Some(Doubt::EngineUnreachable(words.to_owned()));
        let Some(listed) = self.since_listed() else {
            return unreachable("the Pods and nodes of the cluster were not listed yet");
        };
        // A list is as good as an answer to its watch, which comes a moment later.
        let old = |kind, namespace| {
            let answered = (self.config.age)(kind, namespace).unwrap_or(listed);
            answered.min(listed) > OLDEST
        };
        let own = Some(look.key.namespace.as_str()).filter(|_| !self.config.namespaces.is_empty());
        if old("pods", own) || old("nodes", None) {
            return unreachable("the watch of its Pods and nodes is not answered");
        }
        None
    }

    /// Nothing of the session is there. A name that a stranger had is asked for again.
    async fn by_name(&self, key: &SessionKey) -> Seen {
        if self.stranger(&key.uid).is_none() {
            return Seen::Absent;
        }
        if let Err(error) = self.who_has_the_name(key).await {
            return Seen::Unknown(Doubt::EngineUnreachable(error.to_string()));
        }
        match self.stranger(&key.uid) {
            None => Seen::Absent,
            Some(stranger) if stranger.going => Seen::Going,
            Some(stranger) => Seen::Foreign(stranger.words),
        }
    }

    /// Whether a game that runs is ready for players, who must have an address for that.
    fn answer(
        &self,
        look: &Look<'_>,
        pod: &PodSeen,
        host: Option<&str>,
        container: &Container,
        by_kubelet: Answer,
    ) -> Answer {
        let balanced = pod.exposure == Exposure::LoadBalancer && pod.ports.is_some();
        match self.asked(look, pod, host, container, by_kubelet) {
            Answer::Ready if look.probe && balanced && host.is_none() => {
                Answer::NotReady("its load balancer has no address yet".to_owned())
            }
            answer => answer,
        }
    }

    fn asked(
        &self,
        look: &Look<'_>,
        pod: &PodSeen,
        host: Option<&str>,
        container: &Container,
        by_kubelet: Answer,
    ) -> Answer {
        let Some(terms) = &container.terms else {
            return Answer::CannotTell(
                "its annotation with the terms is not understood".to_owned(),
            );
        };
        let Some(readiness) = &terms.readiness else {
            return Answer::Ready;
        };
        if probe::asked_by_kubelet(readiness) {
            return by_kubelet;
        }
        if !look.probe {
            let answer = self.probes.answer(&pod.id);
            self.probes.end(&pod.id);
            return answer.unwrap_or(Answer::NotAsked);
        }
        let targets = match pod.exposure {
            Exposure::HostPort | Exposure::NodePort => probe::targets(host, &container.endpoints),
            // Its name may lead nowhere from here, and it may not be there yet; the game has the same numbers.
            Exposure::LoadBalancer | Exposure::None => {
                probe::inside(pod.address.as_deref(), &terms.ports)
            }
        };
        let asked = Asked {
            namespace: pod.namespace.to_string(),
            name: pod.name.clone(),
            id: pod.id.clone(),
        };
        let (hints, uid) = (self.hints.clone(), look.key.uid.clone());
        self.probes
            .ask(&look.key.uid, &asked, readiness, &targets, move || {
                hints.session(&uid);
            })
    }

    /// With what its log ended, if somebody will want to know.
    async fn ended(
        &self,
        look: &Look<'_>,
        pod: &PodSeen,
        container: Container,
        exit: Exit,
    ) -> Seen {
        self.probes.end(&pod.id);
        let there = self.store.find(&look.key.uid, &pod.id).is_some();
        let never_ran = exit.code.is_none();
        if !there || never_ran || pod.attempt < look.attempt {
            return Seen::Exited(container, exit);
        }
        let readiness = container.terms.as_ref().and_then(|t| t.readiness.as_ref());
        let pattern = readiness
            .filter(|_| look.probe)
            .and_then(|readiness: &Readiness| readiness.log.as_ref())
            .and_then(|log| pattern::searched(&log.pattern).ok());
        let mut ready_in_log = false;
        if let Some(pattern) = pattern {
            match self.log(pod, None, MOST_BYTES).await {
                Ok(text) => ready_in_log = pattern.is_match(text.as_bytes()),
                // Whether the game was ever ready decides over its end.
                Err(Failure::Silence(words)) => {
                    return Seen::Unknown(Doubt::EngineUnreachable(words));
                }
                Err(Failure::Answer(_)) => {}
            }
        }
        let last = if exit.code == Some(0) {
            String::new()
        } else {
            let log = self.log(pod, Some(LAST_LINES), LAST_BYTES).await;
            log.unwrap_or_default()
        };
        Seen::Exited(
            container,
            Exit {
                ready_in_log,
                last_lines: log_text::safe(last.as_bytes()),
                ..exit
            },
        )
    }

    async fn log(&self, pod: &PodSeen, lines: Option<i64>, bytes: i64) -> Result<String, Failure> {
        let params = LogParams {
            container: Some(GAME.to_owned()),
            tail_lines: lines,
            limit_bytes: Some(bytes),
            ..LogParams::default()
        };
        bounded(self.pods(&pod.namespace).logs(&pod.name, &params)).await
    }
}
