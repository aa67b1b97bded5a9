//! One effect of a session, through the gate, to the recorded engine and no other.

use std::sync::Arc;

use kube::ResourceExt;

use super::super::context::session_key;
use super::super::gate::{Stopped, Write};
use super::super::patch::differs;
use super::super::trace;
use super::{End, Failure, Reconcile, Wait};
use crate::api::{GameSessionStatus, RuntimeKind};
use crate::runtime::{EffectError, Outcome, Runtime};
use crate::session::facts::Engine;
use crate::session::observation::Observation;
use crate::session::plan::{Effect, Plan, plan};
use crate::session::report;
use crate::session::seen::{Made, Seen};

/// Characters of the runtime's words that a message shows.
const TOLD: usize = 512;

impl Reconcile<'_> {
    pub(super) async fn effect(
        &mut self,
        o: &Observation,
        effect: &Effect,
        plan: &Plan,
        status: Option<GameSessionStatus>,
    ) -> Result<Option<Wait>, End> {
        let Some((runtime, engine)) = self.place(o) else {
            return Err(End::Failed(Failure {
                reason: "no_engine",
                words: format!(
                    "{:?} is to be done, and no engine is known for it",
                    plan.row
                ),
            }));
        };
        if let Some(end) = self.too_soon(o, effect).await {
            return Err(end);
        }
        let key = session_key(&self.session);
        if let Seen::Created(c, Made::PortClash(ports, _)) = &o.seen {
            let mut shunned = ports.clone();
            if shunned.is_empty() {
                let own = c
                    .endpoints
                    .iter()
                    .filter_map(|end| u16::try_from(end.port).ok());
                shunned.extend(own);
            }
            runtime.shun_ports(&key, &shunned);
        }
        let write = Write::Effect(&engine.id, effect);
        let passed = self
            .ctx
            .gate
            .pass(self.uid, write, runtime.act(&key, &engine.id, effect))
            .await;
        self.note(o, effect, &passed);
        match passed {
            Ok(Outcome::Done | Outcome::Already) => {
                self.remember_effect(o, effect);
                if let Seen::Created(_, Made::PortClash(..)) = o.seen {
                    // The next try has another port. Waits that grow would outlast what is known of those that clashed.
                    self.ctx.backoff.succeeded(self.uid);
                }
                tracing::debug!(
                    session = %self.session.name_any(), namespace = key.namespace, uid = self.uid,
                    attempt = o.facts.attempt, row = ?plan.row, effect = write.label(), "did"
                );
                self.publish(&plan.events);
                self.rest(o, plan, status).await
            }
            Err(Stopped::NotLeading) => Err(End::NotLeading),
            Err(Stopped::NoAnswer) => {
                let words = format!("{}: no answer from the runtime in time", write.label());
                Err(self.failed(o, "no_answer", words).await)
            }
            Err(Stopped::Failed(error)) => {
                if let (Effect::Create(spec), EffectError::Refused(words)) = (effect, &error) {
                    let refused = Some((spec.attempt, words.clone()));
                    self.ctx
                        .memory
                        .change(self.uid, |known| known.memo.refused = refused);
                }
                if let (Effect::Create(_), EffectError::Quota(words)) = (effect, &error) {
                    return Err(self.over_quota(o, words).await);
                }
                let words = format!("{}: {error}", write.label());
                Err(self.failed(o, error.label(), words).await)
            }
        }
    }

    /// What came of it, for the next try.
    fn note(
        &mut self,
        o: &Observation,
        effect: &Effect,
        passed: &Result<Outcome, Stopped<EffectError>>,
    ) {
        let memory = &self.ctx.memory;
        match passed {
            // Whose the name is, the next pass sees.
            Ok(Outcome::Already) if matches!(effect, Effect::Create(_)) => {
                self.named = true;
                memory.tried(self.uid, effect, &o.seen);
            }
            Ok(Outcome::Done | Outcome::Already) => memory.went_through(self.uid),
            Err(Stopped::NoAnswer | Stopped::Failed(_)) => {
                memory.tried(self.uid, effect, &o.seen);
            }
            Err(Stopped::NotLeading) => {}
        }
    }

    /// Some: this effect did not go through, what is seen is what was seen then, and its wait is not over.
    async fn too_soon(&mut self, o: &Observation, effect: &Effect) -> Option<End> {
        let left = self.ctx.backoff.left(self.uid);
        if left.is_none() && !self.named {
            return None;
        }
        if !self.ctx.memory.would_repeat(self.uid, effect, &o.seen) {
            return None;
        }
        if self.named {
            let words = "create: the name is in use, and nothing of that name is to be seen";
            return Some(self.failed(o, "name_in_use", words.to_owned()).await);
        }
        // What else was asked for meanwhile is answered.
        if o.memo.trouble.is_some() || o.memo.quota.is_some() {
            self.tell(o).await;
        }
        left.map(End::TooSoon)
    }

    /// An effect did not go through. What fails twice in the same words is told to the user, and tried again.
    async fn failed(&mut self, o: &Observation, reason: &'static str, words: String) -> End {
        let told: String = words.chars().take(TOLD).collect();
        if self.ctx.memory.failed(self.uid, &told) {
            let mut o = o.clone();
            o.memo.trouble = Some(told);
            self.tell(&o).await;
        }
        End::Failed(Failure { reason, words })
    }

    /// A create that has to wait for room, in the API server's words; it is told at once, and tried again.
    async fn over_quota(&mut self, o: &Observation, words: &str) -> End {
        let told: String = words.chars().take(TOLD).collect();
        let mut o = o.clone();
        o.memo.quota = Some(told.clone());
        self.ctx
            .memory
            .change(self.uid, |known| known.memo.quota = Some(told));
        self.tell(&o).await;
        End::Failed(Failure {
            reason: "quota",
            words: words.to_owned(),
        })
    }

    /// Reports what stands in the way of the effect that is due.
    async fn tell(&mut self, o: &Observation) {
        let plan = plan(o);
        let status = report::status(o, &o.facts, &plan);
        if !differs(&self.session, &status) {
            return;
        }
        let write = self
            .ctx
            .sessions
            .status(&self.session, &status, Write::Report);
        let told = write.await.and_then(|reply| match reply {
            Some(reply) => {
                trace::changed(self.ctx, &self.session, &reply, plan.row);
                self.keep(reply)
            }
            None => Ok(()),
        });
        if let Err(error) = told {
            tracing::debug!(uid = self.uid, %error, "not told");
        }
    }

    /// Where the session's effects go: the recorded engine, and no other.
    fn place(&self, o: &Observation) -> Option<(Arc<dyn Runtime>, Engine)> {
        let chosen = o.contract.as_ref().ok().map(|contract| contract.runtime);
        let only = (self.ctx.served.len() == 1).then(|| self.ctx.served[0]);
        let kind: RuntimeKind = o.facts.runtime.or(chosen).or(only)?;
        let engine = o.facts.engine.clone().or(o.engine.clone())?;
        Some((self.ctx.runtimes.get(&kind)?.clone(), engine))
    }

    fn remember_effect(&self, o: &Observation, effect: &Effect) {
        match effect {
            Effect::Stop(..) => {
                let now = self.ctx.clock.now();
                let signalled = o.facts.attempt.map(|attempt| (attempt, now));
                self.ctx
                    .memory
                    .change(self.uid, |known| known.memo.signalled = signalled);
            }
            Effect::Pull { .. } => {
                let attempt = o.facts.attempt;
                self.ctx
                    .memory
                    .change(self.uid, |known| known.pulling = attempt);
                self.ctx.metrics.pulls.inc();
            }
            Effect::Start(id) => {
                self.ctx
                    .memory
                    .change(self.uid, |known| known.runs(id, None));
            }
            Effect::CreateStorage(_)
            | Effect::Create(_)
            | Effect::Kill(_)
            | Effect::Remove(_)
            | Effect::RemoveStorage(_) => {}
        }
    }
}
