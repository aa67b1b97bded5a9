//! The one place that every write about a session passes, to API server and runtime alike.
//!
//! It checks the leadership claim, bounds the call by the claim and by a deadline, times, and is where a
//! test stops the world: before a write, between its commit and our knowing, after. Renewals of the Lease
//! itself and Events do not pass: they have their own budgets. May wait as long as the deadline of the call.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;

use futures::future::BoxFuture;
use tokio::time::Instant;

use super::claim::{Claim, Claims};
use crate::clock::Clock;
use crate::runtime::EffectError;
use crate::session::facts::EngineId;
use crate::session::plan::Effect;
use crate::telemetry::metrics::{CallLabel, Metrics};
use crate::telemetry::stages::Stage;

/// Longest wait for the API server's answer to one write. Ten times what a loaded one needs.
pub const API_DEADLINE: Duration = Duration::from_secs(5);
/// Longest wait for a runtime. It bounds its own calls tighter; this holds where one forgot, and covers
/// the queue in front of an engine that starts containers one by one.
const EFFECT_DEADLINE: Duration = Duration::from_secs(90);

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Write<'a> {
    Finalizer {
        on: bool,
    },
    /// Facts, with the report made over them.
    Record,
    /// A status patch that records nothing.
    Report,
    Effect(&'a EngineId, &'a Effect),
    /// The sweep removes what belongs to nobody.
    Sweep(&'a EngineId),
    DeleteSession,
}

/// Where the world can be stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// Nothing was sent.
    Before,
    /// Committed, and the answer not yet looked at.
    Between,
    /// The answer was counted, and nothing else was done with it.
    After,
}

/// Is asked at each point of each write; its answer may never come.
pub trait Stops: Send + Sync {
    /// The n-th write of this process, counted from 1, is at this point.
    fn at(&self, n: u64, write: &'static str, point: Point) -> BoxFuture<'_, ()>;
}

/// Why a call did not go through.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stopped<E> {
    /// Not sent: another one leads, or nobody knows.
    #[error("not sent: this process holds no claim for it")]
    NotLeading,
    /// No answer in time: it may have happened.
    #[error("no answer in time, it may have happened")]
    NoAnswer,
    #[error("{0}")]
    Failed(E),
}

/// Label of an error for metrics.
pub trait Labelled {
    fn label(&self) -> &'static str;
}

impl Labelled for EffectError {
    fn label(&self) -> &'static str {
        EffectError::label(self)
    }
}

/// The gate of one process.
pub struct Gate {
    claims: Claims,
    metrics: Arc<Metrics>,
    clock: Clock,
    stops: Option<Arc<dyn Stops>>,
    writes: AtomicU64,
}

impl Gate {
    pub fn new(
        claims: Claims,
        metrics: Arc<Metrics>,
        clock: Clock,
        stops: Option<Arc<dyn Stops>>,
    ) -> Self {
        Gate {
            claims,
            metrics,
            clock,
            stops,
            writes: AtomicU64::new(0),
        }
    }

    /// Sends one write about the session with this uid, if the claim allows it, and waits for its answer as long as the claim lasts and the
    /// deadline allows. A call that was cut off is an unknown, never a failure.
    pub async fn pass<T, E: Labelled>(
        &self,
        uid: &str,
        write: Write<'_>,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Stopped<E>> {
        if self.lasts(write).is_none() {
            let call = write.label();
            self.metrics
                .refused
                .get_or_create_owned(&CallLabel { call })
                .inc();
            return Err(Stopped::NotLeading);
        }
        let stages = &self.metrics.stages;
        let _timed = write
            .stage()
            .map(|stage| stages.begin(&self.clock, uid, stage));
        let n = self.writes.fetch_add(1, Ordering::Relaxed) + 1;
        self.stop(n, write, Point::Before).await;
        let sent = Instant::now();
        let answer = self.bounded(write, sent, call).await;
        self.stop(n, write, Point::Between).await;
        let failed = match &answer {
            Ok(_) => None,
            Err(Stopped::Failed(error)) => Some(error.label()),
            Err(Stopped::NoAnswer) => Some("no_answer"),
            Err(Stopped::NotLeading) => Some("not_leading"),
        };
        match write {
            Write::Effect(..) | Write::Sweep(_) => {
                self.metrics
                    .runtime_call(write.label(), sent.elapsed(), failed);
            }
            Write::Finalizer { .. } | Write::Record | Write::Report | Write::DeleteSession => {
                self.metrics.api_call(write.label(), sent.elapsed(), failed);
            }
        }
        self.stop(n, write, Point::After).await;
        answer
    }

    /// Waits for the call until its deadline or the end of the claim; a renewal meanwhile prolongs it.
    async fn bounded<T, E>(
        &self,
        write: Write<'_>,
        sent: Instant,
        call: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Stopped<E>> {
        let deadline = sent + write.deadline();
        let mut call = pin!(call);
        loop {
            let Some(claimed) = self.lasts(write) else {
                return Err(Stopped::NoAnswer);
            };
            let end = claimed.map_or(deadline, |until| until.min(deadline));
            match before(end, call.as_mut()).await {
                Some(answer) => return answer.map_err(Stopped::Failed),
                None if Instant::now() >= deadline => return Err(Stopped::NoAnswer),
                None => {}
            }
        }
    }

    /// None: no claim allows this write. Some(None): one does, without an end. Of several, the one that lasts longest.
    fn lasts(&self, write: Write<'_>) -> Option<Option<Instant>> {
        let mut longest: Option<Option<Instant>> = None;
        self.claims.each(|claim| {
            if let Some(until) = allows(claim, write) {
                longest = Some(match (longest, until) {
                    (None, until) => until,
                    (Some(Some(known)), Some(until)) => Some(known.max(until)),
                    (Some(None), _) | (Some(_), None) => None,
                });
            }
        });
        longest
    }

    async fn stop(&self, n: u64, write: Write<'_>, point: Point) {
        if let Some(stops) = &self.stops {
            stops.at(n, write.label(), point).await;
        }
    }
}

/// What the call answers before this end. It is not polled any more from then on: of an effect that makes several calls, a process
/// that was frozen past the end sends no further one, whatever has been answered meanwhile.
async fn before<T>(end: Instant, mut call: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut ended = pin!(tokio::time::sleep_until(end));
    poll_fn(|context| {
        if Instant::now() >= end {
            return Poll::Ready(None);
        }
        match call.as_mut().poll(context) {
            Poll::Ready(answer) => Poll::Ready(Some(answer)),
            Poll::Pending => ended.as_mut().poll(context).map(|()| None),
        }
    })
    .await
}

/// As [`Gate::lasts`], by one claim.
fn allows(claim: &Claim, write: Write<'_>) -> Option<Option<Instant>> {
    match claim {
        Claim::Standby => None,
        Claim::NoEngine => match write {
            Write::Report | Write::Finalizer { on: false } => Some(None),
            Write::Finalizer { on: true }
            | Write::Record
            | Write::Effect(..)
            | Write::Sweep(_)
            | Write::DeleteSession => None,
        },
        Claim::Leading { engine, until, .. } => {
            let ours = match write {
                Write::Effect(on, _) | Write::Sweep(on) => on == engine,
                Write::Finalizer { .. } | Write::Record | Write::Report | Write::DeleteSession => {
                    true
                }
            };
            (ours && *until > Instant::now()).then_some(Some(*until))
        }
    }
}

impl Write<'_> {
    /// Label for metrics and logs.
    pub fn label(&self) -> &'static str {
        self.stage().map_or("sweep", Stage::label)
    }

    /// None: on no session's way.
    fn stage(&self) -> Option<Stage> {
        match self {
            Write::Finalizer { .. } => Some(Stage::Finalizer),
            Write::Record => Some(Stage::Record),
            Write::Report => Some(Stage::Report),
            Write::DeleteSession => Some(Stage::DeleteSession),
            Write::Sweep(_) => None,
            Write::Effect(_, effect) => Some(effect_stage(effect)),
        }
    }

    fn deadline(&self) -> Duration {
        match self {
            Write::Finalizer { .. } | Write::Record | Write::Report | Write::DeleteSession => {
                API_DEADLINE
            }
            Write::Effect(..) | Write::Sweep(_) => EFFECT_DEADLINE,
        }
    }
}

/// Label of an effect for metrics and logs.
pub fn effect_label(effect: &Effect) -> &'static str {
    effect_stage(effect).label()
}

fn effect_stage(effect: &Effect) -> Stage {
    match effect {
        Effect::Pull { .. } => Stage::Pull,
        Effect::CreateStorage(_) => Stage::CreateStorage,
        Effect::Create(_) => Stage::Create,
        Effect::Start(_) => Stage::Start,
        Effect::Stop(..) => Stage::Stop,
        Effect::Kill(_) => Stage::Kill,
        Effect::Remove(_) => Stage::Remove,
        Effect::RemoveStorage(_) => Stage::RemoveStorage,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt;
    use tokio::sync::{oneshot, watch};

    use super::*;
    use crate::api::RuntimeKind;
    use crate::controller::claim::Reader;
    use crate::session::seen::ContainerId;

    fn claims(read: Reader) -> Claims {
        Claims::new(vec![(RuntimeKind::Docker, read)])
    }

    #[derive(Debug, PartialEq)]
    struct Failure;

    impl Labelled for Failure {
        fn label(&self) -> &'static str {
            "failure"
        }
    }

    fn engine(id: &str) -> EngineId {
        EngineId(id.to_owned())
    }

    fn leading(lasts: Duration) -> Claim {
        Claim::Leading {
            engine: engine("ours"),
            until: Instant::now() + lasts,
            term: 1,
        }
    }

    fn gate(claim: Claim) -> (watch::Sender<Claim>, Gate) {
        let (publish, read) = watch::channel(claim);
        (
            publish,
            Gate::new(claims(read), Arc::default(), Clock::system(), None),
        )
    }

    async fn ok() -> Result<u8, Failure> {
        Ok(7)
    }

    #[tokio::test(start_paused = true)]
    async fn a_lapsed_claim_lets_nothing_pass() {
        let (_publish, gate) = gate(leading(Duration::from_secs(1)));
        assert_eq!(gate.pass("u", Write::Record, ok()).await, Ok(7));
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(
            gate.pass("u", Write::Record, ok()).await,
            Err(Stopped::NotLeading)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn who_was_frozen_between_two_calls_of_one_effect_sent_the_second_and_does_so_no_more() {
        let (_publish, gate) = gate(leading(Duration::from_secs(1)));
        let (answer, answered) = oneshot::channel::<()>();
        let sent_second = AtomicU64::new(0);
        let effect = async {
            answered.await.map_err(|_| Failure)?;
            sent_second.store(1, Ordering::Relaxed);
            Ok::<u8, Failure>(7)
        };
        let mut passing = pin!(gate.pass("u", Write::Record, effect));
        assert!(passing.as_mut().now_or_never().is_none());
        // Its answer has come, and its claim has lapsed, before it goes on.
        tokio::time::advance(Duration::from_secs(2)).await;
        answer.send(()).expect("it waits for it");
        assert_eq!(passing.await, Err(Stopped::NoAnswer));
        assert_eq!(sent_second.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn an_effect_on_an_engine_that_we_do_not_lead_is_not_sent() {
        let (_publish, gate) = gate(leading(Duration::from_secs(1)));
        let kill = Effect::Kill(ContainerId("c".to_owned()));
        let (ours, other) = (engine("ours"), engine("other"));
        assert_eq!(
            gate.pass("u", Write::Effect(&ours, &kill), ok()).await,
            Ok(7)
        );
        assert_eq!(
            gate.pass("u", Write::Effect(&other, &kill), ok()).await,
            Err(Stopped::NotLeading)
        );
    }

    #[tokio::test(start_paused = true)]
    async fn with_two_runtimes_an_effect_needs_the_claim_on_its_own_engine() {
        let (_docker, docker) = watch::channel(Claim::Standby);
        let (_pod, pod) = watch::channel(leading(Duration::from_secs(1)));
        let both = vec![(RuntimeKind::Docker, docker), (RuntimeKind::Pod, pod)];
        let gate = Gate::new(Claims::new(both), Arc::default(), Clock::system(), None);
        let kill = Effect::Kill(ContainerId("c".to_owned()));
        let (ours, other) = (engine("ours"), engine("other"));
        let on_ours = gate.pass("u", Write::Effect(&ours, &kill), ok()).await;
        assert_eq!(on_ours, Ok(7));
        let on_other = gate.pass("u", Write::Effect(&other, &kill), ok()).await;
        assert_eq!(on_other, Err(Stopped::NotLeading));
        assert_eq!(gate.pass("u", Write::Record, ok()).await, Ok(7));
    }

    #[tokio::test(start_paused = true)]
    async fn while_no_engine_ever_answered_only_what_two_may_do_passes() {
        let (_publish, gate) = gate(Claim::NoEngine);
        let kill = Effect::Kill(ContainerId("c".to_owned()));
        let ours = engine("ours");
        let refused = Err(Stopped::NotLeading);
        assert_eq!(gate.pass("u", Write::Report, ok()).await, Ok(7));
        assert_eq!(
            gate.pass("u", Write::Finalizer { on: false }, ok()).await,
            Ok(7)
        );
        assert_eq!(
            gate.pass("u", Write::Finalizer { on: true }, ok()).await,
            refused
        );
        assert_eq!(gate.pass("u", Write::Record, ok()).await, refused);
        assert_eq!(gate.pass("u", Write::DeleteSession, ok()).await, refused);
        assert_eq!(
            gate.pass("u", Write::Effect(&ours, &kill), ok()).await,
            refused
        );
        assert_eq!(gate.pass("u", Write::Sweep(&ours), ok()).await, refused);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_cut_off_with_the_claim_and_that_is_an_unknown() {
        let (_publish, gate) = gate(leading(Duration::from_millis(300)));
        let start = Instant::now();
        let answer = gate.pass(
            "u",
            Write::Record,
            std::future::pending::<Result<u8, Failure>>(),
        );
        assert_eq!(answer.await, Err(Stopped::NoAnswer));
        assert_eq!(start.elapsed(), Duration::from_millis(300));
    }

    #[tokio::test(start_paused = true)]
    async fn a_claim_that_is_renewed_meanwhile_lets_the_call_go_on_to_its_deadline() {
        let (publish, gate) = gate(leading(Duration::from_millis(300)));
        let renew = tokio::spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_millis(100)).await;
                publish.send_replace(leading(Duration::from_millis(300)));
            }
        });
        let start = Instant::now();
        let answer = gate.pass(
            "u",
            Write::Record,
            std::future::pending::<Result<u8, Failure>>(),
        );
        assert_eq!(answer.await, Err(Stopped::NoAnswer));
        assert!(start.elapsed() >= API_DEADLINE, "{:?}", start.elapsed());
        renew.abort();
    }

    #[derive(Default)]
    struct Recorder(Mutex<Vec<(u64, &'static str, Point)>>);

    impl Stops for Recorder {
        fn at(&self, n: u64, write: &'static str, point: Point) -> BoxFuture<'_, ()> {
            self.0.lock().unwrap().push((n, write, point));
            Box::pin(std::future::ready(()))
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_write_can_be_stopped_before_between_and_after() {
        let (_publish, read) = watch::channel(leading(Duration::from_secs(1)));
        let recorder = Arc::new(Recorder::default());
        let gate = Gate::new(
            claims(read),
            Arc::default(),
            Clock::system(),
            Some(recorder.clone()),
        );
        gate.pass("u", Write::Record, ok()).await.unwrap();
        gate.pass("u", Write::Report, ok()).await.unwrap();
        let seen = recorder.0.lock().unwrap().clone();
        let points = [Point::Before, Point::Between, Point::After];
        let expected: Vec<_> = [(1, "record"), (2, "report")]
            .into_iter()
            .flat_map(|(n, write)| points.map(|point| (n, write, point)))
            .collect();
        assert_eq!(seen, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_sent_takes_no_time_of_the_session_and_what_is_cut_off_does() {
        let (publish, gate) = gate(Claim::Standby);
        let count = || {
            let line = "dillinger_stage_seconds_count{stage=\"record\"} ";
            let text = gate.metrics.encode();
            let found = text.lines().find_map(|row| row.strip_prefix(line));
            found.map(str::to_owned).unwrap()
        };
        gate.pass("u", Write::Record, ok()).await.unwrap_err();
        assert_eq!(count(), "0");
        publish.send_replace(leading(Duration::from_millis(300)));
        let never = std::future::pending::<Result<u8, Failure>>();
        gate.pass("u", Write::Record, never).await.unwrap_err();
        assert_eq!(count(), "1");
    }
}
