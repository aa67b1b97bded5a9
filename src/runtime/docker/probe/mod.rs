//! Asks games whether they are ready: one task a container, from its start until it is ready or ends.
//!
//! `ask` never waits: it starts or joins the task and returns the answer so far. A change of the answer
//! is a hint.

mod exec;
mod log;
mod net;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::task::AbortOnDropHandle;

use super::client::Client;
use crate::api::Readiness;
use crate::session::container::Transport;
use crate::session::seen::Answer;

/// The first wait between two questions. It grows up to the Game's period: a game that is ready in
/// 300 ms should not wait for a whole second.
const FIRST_WAIT: Duration = Duration::from_millis(5);

/// Execs at once, of all containers together: each is a process started by the engine.
const EXECS: usize = 4;

/// Where one port of the game is reached from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) name: String,
    pub(super) transport: Transport,
    pub(super) address: SocketAddr,
}

/// What is known about one container's readiness.
pub(super) struct Probes {
    client: Arc<Client>,
    execs: Arc<Semaphore>,
    asked: Mutex<HashMap<String, Asked>>,
}

struct Asked {
    uid: String,
    answer: Arc<Mutex<Answer>>,
    _task: AbortOnDropHandle<()>,
}

impl Probes {
    pub(super) fn new(client: Arc<Client>) -> Probes {
        Probes {
            client,
            execs: Arc::new(Semaphore::new(EXECS)),
            asked: Mutex::new(HashMap::new()),
        }
    }

    fn locked(&self) -> std::sync::MutexGuard<'_, HashMap<String, Asked>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts or joins the questions to this container; the answer so far.
    pub(super) fn ask(
        &self,
        uid: &str,
        container: &str,
        readiness: &Readiness,
        targets: &[Target],
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Answer {
        let mut asked = self.locked();
        if let Some(known) = asked.get(container) {
            return known
                .answer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
        }
        let question = match Question::new(readiness, targets) {
            Ok(question) => question,
            Err(why) => return Answer::CannotTell(why),
        };
        let answer = Arc::new(Mutex::new(Answer::NotAsked));
        let task = tokio::spawn(keep_asking(
            Arc::clone(&self.client),
            Arc::clone(&self.execs),
            container.to_owned(),
            question,
            Pace::of(readiness),
            Arc::clone(&answer),
            changed,
        ));
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
        let asked = self.locked();
        let known = asked.get(container)?;
        Some(
            known
                .answer
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        )
    }

    /// The container ended, or its readiness is on record: no more questions.
    pub(super) fn end(&self, container: &str) {
        self.locked().remove(container);
    }

    pub(super) fn forget(&self, uid: &str) {
        self.locked().retain(|_, asked| asked.uid != uid);
    }
}

/// How often to ask and how long to wait for one answer.
#[derive(Clone, Copy)]
struct Pace {
    period: Duration,
    timeout: Duration,
}

impl Pace {
    fn of(readiness: &Readiness) -> Pace {
        let seconds = |s: i32| Duration::from_secs(u64::try_from(s.max(1)).unwrap_or(1));
        Pace {
            period: seconds(readiness.period_seconds),
            timeout: seconds(readiness.timeout_seconds),
        }
    }

    /// The next wait, half again as long, up to the period.
    fn next(self, wait: Duration) -> Duration {
        (wait + wait / 2).min(self.period)
    }
}

/// One way to ask, checked once.
enum Question {
    Log(regex::bytes::Regex),
    Tcp(SocketAddr),
    Http(SocketAddr, String),
    Exec(Vec<String>),
    Exchange(net::Exchange),
}

impl Question {
    fn new(readiness: &Readiness, targets: &[Target]) -> Result<Question, String> {
        let Readiness {
            period_seconds: _,
            timeout_seconds: _,
            log,
            tcp_socket,
            http_get,
            exec,
            exchange,
        } = readiness;
        if let Some(log) = log {
            return Ok(Question::Log(compiled(&log.pattern)?));
        }
        if let Some(tcp) = tcp_socket {
            return Ok(Question::Tcp(
                find(targets, &tcp.port, Some(Transport::Tcp))?.address,
            ));
        }
        if let Some(http) = http_get {
            let target = find(targets, &http.port, Some(Transport::Tcp))?;
            return Ok(Question::Http(target.address, http.path.clone()));
        }
        if let Some(exec) = exec {
            return Ok(Question::Exec(exec.command.clone()));
        }
        if let Some(exchange) = exchange {
            let target = find(targets, &exchange.port, None)?;
            return Ok(Question::Exchange(net::Exchange {
                address: target.address,
                transport: target.transport,
                send: net::bytes_to_send(exchange)?,
                expect: compiled(&exchange.expect)?,
            }));
        }
        Err("its readiness names no way to ask".to_owned())
    }
}

fn compiled(pattern: &str) -> Result<regex::bytes::Regex, String> {
    crate::session::pattern::searched(pattern)
        .map_err(|e| format!("the pattern \"{pattern}\" does not compile: {e}"))
}

/// The published port of this name. Where a port has both transports and the question fits both, the
/// datagrams are asked: what a game on TCPUDP speaks while it runs.
fn find<'a>(
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

async fn keep_asking(
    client: Arc<Client>,
    execs: Arc<Semaphore>,
    container: String,
    question: Question,
    pace: Pace,
    answer: Arc<Mutex<Answer>>,
    changed: impl Fn() + Send + Sync + 'static,
) {
    let mut wait = FIRST_WAIT;
    let mut exec = exec::Exec::default();
    loop {
        let told = match &question {
            Question::Log(pattern) => {
                log::wait_for(&client, &container, pattern, |so_far| {
                    tell(&answer, so_far, &changed);
                })
                .await
            }
            Question::Tcp(address) => net::tcp(*address, pace.timeout).await,
            Question::Http(address, path) => net::http(*address, path, pace.timeout).await,
            Question::Exec(command) => {
                // Closed never; a permit is only missing while others ask.
                let _permit = execs.acquire().await.ok();
                exec.ask(&client, &container, command, pace.timeout).await
            }
            Question::Exchange(exchange) => exchange.ask(pace.timeout).await,
        };
        let ready = told == Answer::Ready;
        tell(&answer, told, &changed);
        if ready {
            return;
        }
        tokio::time::sleep(wait).await;
        wait = pace.next(wait);
    }
}

/// Keeps the answer; a change of its kind is a hint, a change of its words is not.
fn tell(answer: &Mutex<Answer>, told: Answer, changed: &impl Fn()) {
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
    use crate::api::{ExchangeProbe, LogProbe, TcpSocketProbe};

    fn readiness() -> Readiness {
        Readiness {
            period_seconds: 2,
            timeout_seconds: 1,
            log: None,
            tcp_socket: None,
            http_get: None,
            exec: None,
            exchange: None,
        }
    }

    fn target(name: &str, transport: Transport) -> Target {
        Target {
            name: name.into(),
            transport,
            address: ([127, 0, 0, 1], 7000).into(),
        }
    }

    #[test]
    fn questions_begin_close_together_and_end_a_period_apart() {
        let pace = Pace::of(&readiness());
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
    fn a_tcp_question_needs_a_port_on_tcp() {
        let readiness = Readiness {
            tcp_socket: Some(TcpSocketProbe {
                port: "game".into(),
            }),
            ..readiness()
        };
        let error = Question::new(&readiness, &[target("game", Transport::Udp)]).err();
        assert_eq!(error.as_deref(), Some("it publishes no TCP port \"game\""));
        let both = [
            target("game", Transport::Tcp),
            target("game", Transport::Udp),
        ];
        assert!(matches!(
            Question::new(&readiness, &both),
            Ok(Question::Tcp(_))
        ));
    }

    #[test]
    fn an_exchange_follows_the_transport_of_its_port() {
        let readiness = Readiness {
            exchange: Some(ExchangeProbe {
                port: "game".into(),
                send: Some("hi".into()),
                send_hex: None,
                expect: ".".into(),
            }),
            ..readiness()
        };
        for transport in [Transport::Tcp, Transport::Udp] {
            let question = Question::new(&readiness, &[target("game", transport)]);
            match question {
                Ok(Question::Exchange(e)) => assert_eq!(e.transport, transport),
                Ok(_) => panic!("another question"),
                Err(why) => panic!("{why}"),
            }
        }
    }

    #[test]
    fn a_pattern_that_does_not_compile_is_named() {
        let readiness = Readiness {
            log: Some(LogProbe {
                pattern: "(".into(),
            }),
            ..readiness()
        };
        let why = Question::new(&readiness, &[]).err().expect("no pattern");
        assert!(why.contains("\"(\""), "{why}");
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
