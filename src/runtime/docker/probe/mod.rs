//! Asks games whether they are ready: one task a container, from its start until it is ready or ends.
//!
//! `ask` never waits: it starts or joins the task and returns the answer so far. A change of the answer
//! is a hint.

mod exec;
mod log;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::sync::Semaphore;

use super::client::Client;
use crate::api::Readiness;
pub(super) use crate::runtime::asking::Target;
use crate::runtime::asking::{self, Asking, FIRST_WAIT, Pace, compiled, find, tell};
use crate::runtime::net;
use crate::session::container::Transport;
use crate::session::seen::Answer;

/// Execs at once, of all containers together: each is a process started by the engine.
const EXECS: usize = 4;

/// What is known about the containers' readiness.
pub(super) struct Probes {
    client: Arc<Client>,
    execs: Arc<Semaphore>,
    asking: Asking,
}

impl Probes {
    pub(super) fn new(client: Arc<Client>) -> Probes {
        Probes {
            client,
            execs: Arc::new(Semaphore::new(EXECS)),
            asking: Asking::default(),
        }
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
        self.asking.join(uid, container, |answer| {
            let question = Question::new(readiness, targets)?;
            Ok(Box::pin(keep_asking(
                Arc::clone(&self.client),
                Arc::clone(&self.execs),
                container.to_owned(),
                question,
                Pace::of(readiness),
                answer,
                changed,
            )))
        })
    }

    /// The answer so far, without asking.
    pub(super) fn answer(&self, container: &str) -> Option<Answer> {
        self.asking.answer(container)
    }

    /// The container ended, or its readiness is on record: no more questions.
    pub(super) fn end(&self, container: &str) {
        self.asking.end(container);
    }

    pub(super) fn forget(&self, uid: &str) {
        self.asking.forget(uid);
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
            return Ok(Question::Exchange(asking::exchange(exchange, targets)?));
        }
        Err("its readiness names no way to ask".to_owned())
    }
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
}
