//! One look at one session: observe, plan, write, report, in a loop of at most 12 passes.
//!
//! Waits for single calls, each bounded; never for a game, a pull or a probe. Every way out names the next
//! look. A panic is this session's failure and nobody else's.

mod effect;
mod rest;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use kube::ResourceExt;
use tokio::time::Instant;
use tracing::field::debug;
use tracing::{Instrument, Span};

use super::claim::Claim;
use super::context::Context;
use super::gate::Write;
use super::guard::Guarded;
use super::kept::Kept;
use super::named::Named;
use super::observe::{Observed, observe};
use super::own_writes;
use super::patch::WriteError;
use super::trace;
use super::triggers::Turn;
use crate::api::{GameSession, GameSessionStatus};
use crate::session::facts::Facts;
use crate::session::observation::Observation;
use crate::session::plan::{Act, Event, Next, Plan, Row, plan};
use crate::session::report;
use crate::telemetry::metrics::ReasonLabel;
use crate::telemetry::stages::{self, Stage};

/// Passes of one reconcile: the longest honest way (an interrupted game, gone, with storage to be made)
/// takes 8; more is a loop.
const PASSES: usize = 12;
/// GETs after a conflict or an unknown, in one reconcile.
const REREADS: usize = 3;
/// Longest wait between two looks; the clock that finds what every hint missed.
const SLOW_CLOCK: Duration = Duration::from_secs(600);
/// A write that the claim did not allow: it comes back within this time, or another process leads.
const CLAIM_BACK: Duration = Duration::from_secs(1);
/// How a reconcile ended.
enum End {
    /// Everything that the plan says was done; look again then.
    Rest { next: Wait, planned: u64 },
    /// The API server says that the session is gone.
    Gone,
    /// The cache does not hold it, or no more.
    Missing,
    /// A call did not go through; the session's backoff says when to look again.
    Failed(Failure),
    /// What failed would be sent again, before this much of the session's wait is over.
    TooSoon(Duration),
    /// The claim did not allow a write.
    NotLeading,
}

/// When to look at a session again, if nothing names it before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    For(Duration),
    /// Only when something changes.
    Never,
}

struct Failure {
    reason: &'static str,
    words: String,
}

impl From<WriteError> for End {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Gone => End::Gone,
            WriteError::NotLeading => End::NotLeading,
            WriteError::Conflict | WriteError::Unknown(_) | WriteError::Refused(_) => {
                End::Failed(Failure {
                    reason: error.label(),
                    words: error.to_string(),
                })
            }
        }
    }
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Looked {
    pub next: Wait,
    /// The version of the session that was planned over last; 0: none, or not to the end.
    pub planned: u64,
}

/// One look at the session whose turn it is. Never fails: a failure is a later look.
pub async fn reconcile(turn: &Turn, ctx: &Context) -> Looked {
    let began = Instant::now();
    let unplanned = |next| Looked { next, planned: 0 };
    let Turn {
        session: key,
        fired,
    } = turn;
    let Some(kept) = ctx.cache.kept(key) else {
        return unplanned(Wait::Never);
    };
    let uid = kept.uid();
    if let Some(fired) = fired {
        ctx.stage_ended(uid, Stage::Queue, *fired);
    }
    if let Some(later) = not_now(ctx) {
        return unplanned(later);
    }
    let queued = fired.map(|fired| began.duration_since(fired));
    let look = stages::look(key.namespace(), key.name(), uid, queued);
    let run = run(ctx, key, &kept).instrument(look);
    let end = AssertUnwindSafe(run).catch_unwind().await;
    let end = end.unwrap_or_else(|panic| {
        End::Failed(Failure {
            reason: "panic",
            words: panic_words(&*panic),
        })
    });
    if ctx.cache.by_uid(uid).is_none() {
        // It went while it was looked at.
        ctx.forget(uid);
    }
    ctx.metrics.reconciles.inc();
    ctx.metrics
        .reconcile_duration
        .observe(began.elapsed().as_secs_f64());
    let next = match end {
        End::Rest { next, planned } => {
            ctx.backoff.succeeded(uid);
            return Looked { next, planned };
        }
        gone @ (End::Gone | End::Missing) => {
            if matches!(gone, End::Gone) {
                ctx.own_writes.gone(uid);
            }
            ctx.forget(uid);
            // Another session may have taken the name meanwhile; the watch tells, the clock finds.
            Wait::For(ctx.jitter.around(SLOW_CLOCK, 0.1))
        }
        End::NotLeading => Wait::For(ctx.jitter.around(CLAIM_BACK, 0.1)),
        End::TooSoon(left) => Wait::For(left),
        End::Failed(Failure { reason, words }) => {
            let wait = ctx.backoff.failed(uid);
            ctx.metrics
                .reconcile_errors
                .get_or_create_owned(&ReasonLabel { reason })
                .inc();
            tracing::warn!(
                session = %key, uid, reason, words, wait_ms = wait.as_millis() as u64,
                "look ended early"
            );
            Wait::For(wait)
        }
    };
    unplanned(next)
}

/// Some: nothing may be decided now. A new term names every session again; a lapsed claim comes back, or
/// is found to be another's.
fn not_now(ctx: &Context) -> Option<Wait> {
    let (mut may_act, mut lapsed) = (false, false);
    ctx.claims.each(|claim| match claim {
        Claim::Standby => {}
        Claim::NoEngine => may_act = true,
        Claim::Leading { .. } if claim.leads(Instant::now()).is_some() => may_act = true,
        Claim::Leading { .. } => lapsed = true,
    });
    if may_act {
        return None;
    }
    let back = lapsed.then(|| ctx.jitter.around(CLAIM_BACK, 0.1));
    Some(back.map_or(Wait::Never, Wait::For))
}

async fn run(ctx: &Context, key: &Named, kept: &Kept) -> End {
    let uid = kept.uid();
    if let Some(what) = kept.unreadable() {
        trace::unreadable(
            ctx,
            &Guarded::<GameSession>::Unreadable(what.clone()),
            uid,
            &what.error,
        );
        let next = Wait::For(ctx.jitter.around(SLOW_CLOCK, 0.1));
        return End::Rest { next, planned: 0 };
    }
    match ctx.own_writes.newest(uid, || ctx.cache.kept(key)) {
        // Another session may have taken the name since.
        Some(session) if session.uid().as_deref() == Some(uid) => {
            Reconcile {
                ctx,
                key,
                uid,
                session,
                rereads: 0,
                row: None,
                named: false,
            }
            .run()
            .await
        }
        Some(_) | None => End::Missing,
    }
}

/// One reconcile on its way.
struct Reconcile<'a> {
    ctx: &'a Context,
    key: &'a Named,
    uid: &'a str,
    /// The newest copy: our last reply, a live GET, or the cache.
    session: Arc<GameSession>,
    rereads: usize,
    /// The row that the last pass met.
    row: Option<Row>,
    /// A create of this look found its name in use.
    named: bool,
}

impl Reconcile<'_> {
    async fn run(mut self) -> End {
        let end = self.passes().await;
        if let Some(row) = self.row {
            Span::current().record("row", debug(row));
        }
        end
    }

    async fn passes(&mut self) -> End {
        if let Some(end) = self.refused_since() {
            return end;
        }
        for _ in 0..PASSES {
            match self.pass().await {
                Ok(Some(next)) => {
                    let planned = own_writes::version(&*self.session);
                    return End::Rest { next, planned };
                }
                Ok(None) => {}
                Err(end) => return end,
            }
        }
        End::Failed(Failure {
            reason: "no_rest",
            words: format!("still not at rest after {PASSES} passes"),
        })
    }

    /// A stop that turned out to be none is sent again, after the session's wait, and its grace begins with that.
    fn refused_since(&self) -> Option<End> {
        let mut runtimes = self.ctx.runtimes.values();
        let words = runtimes.find_map(|runtime| runtime.refused_since(self.uid))?;
        self.ctx
            .memory
            .change(self.uid, |known| known.memo.signalled = None);
        Some(End::Failed(Failure {
            reason: "refused_late",
            words: format!("stop: {words}"),
        }))
    }

    /// One pass: at most one write. None: look again at once.
    async fn pass(&mut self) -> Result<Option<Wait>, End> {
        let timed = self.ctx.stage(self.uid, Stage::Observe);
        let observed = observe(self.ctx, &self.session).await;
        drop(timed);
        let o = match observed {
            Observed::Made(o) => *o,
            Observed::Theirs(wait) => return Ok(Some(Wait::For(wait))),
            Observed::Unreadable(words) => {
                trace::unreadable(self.ctx, &*self.session, self.uid, &words);
                return Ok(Some(Wait::For(self.ctx.jitter.around(SLOW_CLOCK, 0.1))));
            }
        };
        let (plan, status) = self.decide(&o);
        tracing::debug!(
            session = %self.session.name_any(), uid = self.uid, row = ?plan.row, "planned"
        );
        let done = match &plan.act {
            Act::Nothing => Ok(()),
            Act::Finalizer(on) => self.finalizer(*on).await,
            Act::Record(facts) => self.record(&o, facts, &plan, status.as_ref()).await,
            Act::Effect(effect) => return self.effect(&o, effect, &plan, status).await,
            Act::DeleteSession => match self.ctx.sessions.delete(&self.session).await {
                // Only marked: its end begins now, on the copy that says so.
                Ok(()) if !self.session.finalizers().is_empty() => {
                    self.reread().await?;
                    return Ok(None);
                }
                Ok(()) => return Err(End::Gone),
                Err(error) => Err(error),
            },
            Act::Confirm => return self.confirm().await,
        };
        match done {
            Ok(()) => self.publish(&plan.events),
            Err(error) => return self.overtaken(error).await,
        }
        // What was recorded carried the report.
        let report = status.filter(|_| !matches!(plan.act, Act::Record(_)));
        self.rest(&o, &plan, report).await
    }

    /// The decision, and the status that says it; None where nobody would read one.
    fn decide(&mut self, o: &Observation) -> (Plan, Option<GameSessionStatus>) {
        let timed = self.ctx.stage(self.uid, Stage::Plan);
        let plan = plan(o);
        let said_of = match &plan.act {
            Act::Record(facts) => Some(facts.as_ref()),
            Act::Nothing | Act::Finalizer(_) | Act::Effect(_) => {
                (plan.next != Next::Now).then_some(&o.facts)
            }
            Act::DeleteSession | Act::Confirm => None,
        };
        let status = said_of.map(|facts| report::status(o, facts, &plan));
        timed.met(plan.row);
        self.row = Some(plan.row);
        (plan, status)
    }

    async fn finalizer(&mut self, on: bool) -> Result<(), WriteError> {
        let reply = self.ctx.sessions.finalizer(&self.session, on).await?;
        self.keep(reply)
    }

    async fn record(
        &mut self,
        o: &Observation,
        facts: &Facts,
        plan: &Plan,
        status: Option<&GameSessionStatus>,
    ) -> Result<(), WriteError> {
        let status = status.expect("the decision to record made the status");
        let write = self
            .ctx
            .sessions
            .status(&self.session, status, Write::Record);
        if let Some(reply) = write.await? {
            trace::recorded(self.ctx, o, facts);
            trace::changed(self.ctx, &self.session, &reply, plan.row);
            self.keep(reply)?;
        }
        Ok(())
    }

    /// The reply is the newest copy there is.
    fn keep(&mut self, reply: Arc<GameSession>) -> Result<(), WriteError> {
        if reply.metadata.deletion_timestamp.is_some() && reply.finalizers().is_empty() {
            return Err(WriteError::Gone);
        }
        self.ctx.own_writes.answered(self.uid, &reply);
        self.remember(reply);
        Ok(())
    }

    /// A copy that the API server just gave: it stands until the cache is as new, which it may be already.
    fn remember(&mut self, fresh: Arc<GameSession>) {
        self.ctx.own_writes.remember(self.uid, fresh.clone());
        // Read after it is waited for: what comes later finds it waiting.
        let cached = self.ctx.cache.kept(self.key);
        if let Some(cached) = cached.filter(|cached| cached.uid() == self.uid) {
            trace::arrived(self.ctx, self.uid, cached.version());
            self.ctx.own_writes.caught_up(self.uid, cached.version());
        }
        self.session = fresh;
    }

    /// Row A1: the session as the API server has it now.
    async fn confirm(&mut self) -> Result<Option<Wait>, End> {
        self.reread().await?;
        let version = self.session.resource_version();
        self.ctx
            .memory
            .change(self.uid, |known| known.memo.confirmed = version);
        Ok(None)
    }

    /// After a conflict or an unknown: GET, plan again, at most three times in one reconcile.
    async fn overtaken(&mut self, error: WriteError) -> Result<Option<Wait>, End> {
        match error {
            WriteError::Conflict | WriteError::Unknown(_) if self.rereads < REREADS => {
                tracing::debug!(uid = self.uid, %error, "reading again");
                self.rereads += 1;
                self.reread().await?;
                Ok(None)
            }
            WriteError::Conflict
            | WriteError::Unknown(_)
            | WriteError::Gone
            | WriteError::NotLeading
            | WriteError::Refused(_) => Err(End::from(error)),
        }
    }

    async fn reread(&mut self) -> Result<(), End> {
        match self.ctx.sessions.get(&self.session).await {
            Ok(Some(fresh)) => {
                self.remember(fresh);
                Ok(())
            }
            Ok(None) => Err(End::Gone),
            Err(error) => Err(End::from(error)),
        }
    }

    fn publish(&self, events: &[Event]) {
        for event in events {
            self.ctx.events.publish(&self.session, event.clone());
        }
    }
}

fn panic_words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "a panic without words".to_owned())
}
