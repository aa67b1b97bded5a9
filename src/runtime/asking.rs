//! Questions to games, whichever runtime asks: one task a container, from its start until it is ready or ends.
//!
//! `join` never waits: it starts or joins the task and returns the answer so far. A change of the answer is a hint.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use tokio_util::task::AbortOnDropHandle;

use super::net;
use crate::api::{ExchangeProbe, Readiness};
use crate::session::container::Transport;
use crate::session::seen::Answer;

/// The first wait between two questions. It grows up to the Game's period: a game that is ready in
/// 300 ms should not wait for a whole second.
pub(super) const FIRST_WAIT: Duration = Duration::from_millis(5);

/// Where one port of the game is reached from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) transport: Transport,
    pub(super) address: SocketAddr,
}

/// The answers so far, by container id.
#[derive(Default)]
pub(super) struct Asking(Mutex<HashMap<String, Asked>>);

struct Asked {
    uid: String,
    answer: Arc<Mutex<Answer>>,
    _task: AbortOnDropHandle<()>,
}

impl Asking {
    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins the questions to this container, or starts the task that `begin` makes; the answer so far.
    pub(super) fn join(
        &self,
        uid: &str,
        container: &str,
        begin: impl FnOnce(Arc<Mutex<Answer>>) -> Result<BoxFuture<'static, ()>, String>,
    ) -> Answer {
        let mut asked = self.locked();
        if let Some(known) = asked.get(container) {
            return known.so_far();
        }
        let answer = Arc::new(Mutex::new(Answer::NotAsked));
        let task = match begin(Arc::clone(&answer)) {
            Ok(task) => tokio::spawn(task),
            Err(why) => return Answer::CannotTell(why),
        };
        asked.insert(
            container.to_owned(),
            Asked {
                uid: uid.to_owned(),
                answer,
                _task: AbortOnDropHandle::new(task),
            },
        );
        Answer::NotAsked
    }

    /// The answer so far, without asking.
    pub(super) fn answer(&self, container: &str) -> Option<Answer> {
        Some(self.locked().get(container)?.so_far())
    }

    /// The container ended, or its readiness is on record: no more questions.
    pub(super) fn end(&self, container: &str) {
        self.locked().remove(container);
    }

    pub(super) fn forget(&self, uid: &str) {
        self.locked().retain(|_, asked| asked.uid != uid);
    }
}

impl Asked {
    fn so_far(&self) -> Answer {
        self.answer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// How often to ask and how long to wait for one answer.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) period: Duration,
    pub(super) timeout: Duration,
}

impl Pace {
    pub(super) fn of(readiness: &Readiness) -> Pace {
        let seconds = |s: i32| Duration::from_secs(u64::try_from(s.max(1)).unwrap_or(1));
        Pace {
            period: seconds(readiness.period_seconds),
            timeout: seconds(readiness.timeout_seconds),
        }
    }

    /// The next wait, half again as long, up to the period.
    pub(super) fn next(self, wait: Duration) -> Duration {
        (wait + wait / 2).min(self.period)
    }
}

pub(super) fn compiled(pattern: &str) -> Result<regex::bytes::Regex, String> {
    crate::session::pattern::searched(pattern)
        .map_err(|e| format!("the pattern \"{pattern}\" does not compile: {e}"))
}

/// The published port of this name. Where a port has both transports and the question fits both, the
/// datagrams are asked: what a game on TCPUDP speaks while it runs.
pub(super) fn find<'a>(
    targets: &'a [Target],
    name: &str,
    transport: Option<Transport>,
) -> Result<&'a Target, String> {
    targets
        .iter()
        .rfind(|t| t.name == name && transport.is_none_or(|wanted| t.transport == wanted))
        .ok_or_else(|| match transport {
            Some(Transport::Tcp) => format!("it publishes no TCP port \"{name}\""),
            Some(Transport::Udp) => format!("it publishes no UDP port \"{name}\""),
            None => format!("it publishes no port \"{name}\""),
        })
}

/// What this probe sends to which of these, and expects.
pub(super) fn exchange(probe: &ExchangeProbe, targets: &[Target]) -> Result<net::Exchange, String> {
    let target = find(targets, &probe.port, None)?;
    Ok(net::Exchange {
        address: target.address,
        transport: target.transport,
        send: net::bytes_to_send(probe)?,
        expect: compiled(&probe.expect)?,
    })
}

/// Keeps the answer; a change of its kind is a hint, a change of its words is not.
pub(super) fn tell(answer: &Mutex<Answer>, told: Answer, changed: &impl Fn()) {
    let mut kept = answer.lock().unwrap_or_else(PoisonError::into_inner);
    let differs = std::mem::discriminant(&*kept) != std::mem::discriminant(&told);
    *kept = told;
    drop(kept);
    if differs {
        changed();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_begin_close_together_and_end_a_period_apart() {
        let pace = Pace {
            period: Duration::from_secs(2),
            timeout: Duration::from_secs(1),
        };
        let mut wait = FIRST_WAIT;
        assert!(wait <= Duration::from_millis(10));
        for _ in 0..40 {
            let next = pace.next(wait);
            assert!(next >= wait && next <= Duration::from_secs(2));
            wait = next;
        }
        assert_eq!(wait, Duration::from_secs(2));
    }

    #[test]
    fn a_change_of_words_is_no_hint() {
        let answer = Mutex::new(Answer::NotAsked);
        let hints = std::cell::Cell::new(0);
        let changed = || hints.set(hints.get() + 1);
        tell(&answer, Answer::NotReady("refused".into()), &changed);
        tell(&answer, Answer::NotReady("closed".into()), &changed);
        assert_eq!(hints.get(), 1);
        tell(&answer, Answer::Ready, &changed);
        assert_eq!(hints.get(), 2);
    }
}
