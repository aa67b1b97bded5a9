//! The end of a pass: the report, if one is due, and when to look again.

use std::time::Duration;

use tokio::time::Instant;

use super::super::gate::Write;
use super::super::patch::differs;
use super::super::trace;
use super::{End, Reconcile, SLOW_CLOCK, Wait};
use crate::api::GameSessionStatus;
use crate::session::observation::Observation;
use crate::session::plan::{Next, Plan, Report, Row};
use crate::session::reason::Reason;
use crate::session::seen::Seen;

/// Wait for an instant that passed already.
const DUE: Duration = Duration::from_secs(1);
/// Between two reports of a pull's progress.
const PROGRESS: Duration = Duration::from_secs(5);

impl Reconcile<'_> {
    /// The end of a pass: look again at once, or report and say when. `report` is the status that is to stand,
    /// None where it was written already.
    pub(super) async fn rest(
        &mut self,
        o: &Observation,
        plan: &Plan,
        report: Option<GameSessionStatus>,
    ) -> Result<Option<Wait>, End> {
        let mut wait = match self.wait(plan) {
            Some(wait) => wait,
            None => return Ok(None),
        };
        if let Some(status) = report
            && differs(&self.session, &status)
        {
            match self.held_back(o, plan) {
                Some(later) => wait = sooner(wait, later),
                None => {
                    let write = self
                        .ctx
                        .sessions
                        .status(&self.session, &status, Write::Report);
                    match write.await {
                        Ok(Some(reply)) => {
                            trace::changed(self.ctx, &self.session, &reply, plan.row);
                            self.ctx.memory.change(self.uid, |known| {
                                known.reported = Some(Instant::now());
                            });
                            if let Err(error) = self.keep(reply) {
                                return Err(End::from(error));
                            }
                        }
                        Ok(None) => {}
                        Err(error) => return self.overtaken(error).await,
                    }
                }
            }
        }
        Ok(Some(wait))
    }

    /// Some(how long): this report is not to be written yet.
    fn held_back(&self, o: &Observation, plan: &Plan) -> Option<Duration> {
        let not_before = match &plan.report {
            Report::Says(says) => says.not_before,
            Report::Unchanged => None,
        };
        if let Some(not_before) = not_before {
            let wait = self.ctx.clock.until(not_before);
            if !wait.is_zero() {
                return Some(wait);
            }
        }
        if plan.row == Row::C7
            && let Some(reported) = self.ctx.memory.of(self.uid).reported
            && reported.elapsed() < PROGRESS
            && shown_reason(o) == Some(Reason::PullingImage.as_str())
        {
            return Some(PROGRESS - reported.elapsed());
        }
        match o.seen {
            Seen::Unknown(_) => self.ctx.doubt_reports.take().err(),
            Seen::Foreign(_)
            | Seen::Absent
            | Seen::Created(..)
            | Seen::Running(..)
            | Seen::Paused(_)
            | Seen::Going
            | Seen::Exited(..) => None,
        }
    }

    /// When to look again; None: at once.
    fn wait(&self, plan: &Plan) -> Option<Wait> {
        let ctx = self.ctx;
        let wait = match plan.next {
            Next::Now => {
                ctx.memory.other_row(self.uid);
                return None;
            }
            Next::Never => Wait::Never,
            Next::At(then) => {
                let until = match ctx.clock.until(then) {
                    // Due, and nothing acted on it (no deadline does while the clocks disagree): no spinning.
                    Duration::ZERO => DUE,
                    until => until,
                };
                // Only the end of a finished session's life may be further away than the slow clock.
                if until < SLOW_CLOCK.mul_f64(0.99) || plan.row == Row::F6 {
                    Wait::For(until)
                } else {
                    Wait::For(ctx.jitter.around(SLOW_CLOCK, 0.1))
                }
            }
            Next::Doubling { first, most } => {
                let (first, most) = (first.unsigned_abs(), most.unsigned_abs());
                let wait = ctx.memory.doubling(self.uid, plan.row, first, most);
                return Some(Wait::For(ctx.jitter.around(wait, 0.1)));
            }
        };
        ctx.memory.other_row(self.uid);
        Some(wait)
    }
}

/// The reason on the condition Ready, as it stands.
fn shown_reason(o: &Observation) -> Option<&str> {
    let ready = o.status.condition("Ready")?;
    Some(&ready.reason)
}

fn sooner(wait: Wait, other: Duration) -> Wait {
    match wait {
        Wait::For(wait) => Wait::For(wait.min(other)),
        Wait::Never => Wait::For(other),
    }
}
