//! One effect of a session, through the gate, to the recorded engine and no other.

use std::sync::Arc;

use kube::ResourceExt;

use super::super::context::session_key;
use super::super::gate::{Stopped, Write};
use super::{End, Failure, Reconcile, Wait};
use crate::api::RuntimeKind;
use crate::runtime::{EffectError, Outcome, Runtime};
use crate::session::facts::Engine;
use crate::session::observation::Observation;
use crate::session::plan::{Effect, Plan};
use crate::session::seen::{Made, Seen};

impl Reconcile<'_> {
    pub(super) async fn effect(
        &mut self,
        o: &Observation,
        effect: &Effect,
        plan: &Plan,
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
            .pass(write, runtime.act(&key, &engine.id, effect))
            .await;
        match passed {
            Ok(Outcome::Done | Outcome::Already) => {
                self.remember_effect(o, effect);
                tracing::debug!(
                    session = %self.session.name_any(), namespace = key.namespace, uid = self.uid,
                    attempt = o.facts.attempt, row = ?plan.row, effect = write.label(), "did"
                );
                self.publish(&plan.events);
                self.rest(o, plan, false).await
            }
            Err(Stopped::NotLeading) => Err(End::NotLeading),
            Err(Stopped::NoAnswer) => Err(End::Failed(Failure {
                reason: "no_answer",
                words: format!("{}: no answer from the runtime in time", write.label()),
            })),
            Err(Stopped::Failed(error)) => {
                if let (Effect::Create(spec), EffectError::Refused(words)) = (effect, &error) {
                    let refused = Some((spec.attempt, words.clone()));
                    self.ctx
                        .memory
                        .change(self.uid, |known| known.memo.refused = refused);
                }
                Err(End::Failed(Failure {
                    reason: error.label(),
                    words: format!("{}: {error}", write.label()),
                }))
            }
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
                let attempt = o.facts.attempt;
                self.ctx
                    .memory
                    .change(self.uid, |known| known.memo.signalled = attempt);
            }
            Effect::Pull { .. } => {
                let attempt = o.facts.attempt;
                self.ctx
                    .memory
                    .change(self.uid, |known| known.pulling = attempt);
                self.ctx.metrics.pulls.inc();
            }
            Effect::CreateStorage(_)
            | Effect::Create(_)
            | Effect::Start(_)
            | Effect::Kill(_)
            | Effect::Remove(_)
            | Effect::RemoveStorage(_) => {}
        }
    }
}
