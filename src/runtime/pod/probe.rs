//! Whether a game is ready: by the kubelet where it can say so (tcpSocket, httpGet, exec), by questions from here where
//! it cannot (log, exchange).
//!
//! The kubelet is given a startup probe: it asks until the game answered once and never again, which is what a readiness
//! means here. It would end a game that fails it too often; a number of failures that takes decades makes sure that only
//! the session's own deadline does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures::{AsyncReadExt, FutureExt};
use k8s_openapi::api::core::v1::{ExecAction, HTTPGetAction, Pod, Probe, TCPSocketAction};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::LogParams;
use kube::{Api, Client};
use regex::bytes::Regex;

use super::body::{GAME, plain};
use crate::api::Readiness;
use crate::runtime::asking::{self, Asking, FIRST_WAIT, Pace, Target, compiled, tell};
use crate::runtime::log_text::Text;
use crate::runtime::net;
use crate::session::container::{Published, Transport};
use crate::session::contract::PortTerms;
use crate::session::ports::transports;
use crate::session::seen::Answer;

/// The probe that the kubelet makes; None where it cannot ask in this way, or there is no port to ask.
pub(super) fn by_kubelet(readiness: &Readiness, ports: &[Published]) -> Option<Probe> {
    let Readiness {
        period_seconds,
        timeout_seconds,
        log: _,
        tcp_socket,
        http_get,
        exec,
        exchange: _,
    } = readiness;
    let inside = |name: &str| {
        let port = ports
            .iter()
            .find(|port| port.name == name && port.transport == Transport::Tcp)?;
        Some(IntOrString::Int(port.container_port.into()))
    };
    let probe = Probe {
        period_seconds: Some((*period_seconds).max(1)),
        timeout_seconds: Some((*timeout_seconds).max(1)),
        failure_threshold: Some(i32::MAX),
        ..Probe::default()
    };
    if let Some(tcp) = tcp_socket {
        return Some(Probe {
            tcp_socket: Some(TCPSocketAction {
                port: inside(&tcp.port)?,
                host: None,
            }),
            ..probe
        });
    }
    if let Some(http) = http_get {
        return Some(Probe {
            http_get: Some(HTTPGetAction {
                path: Some(http.path.clone()),
                port: inside(&http.port)?,
                ..HTTPGetAction::default()
            }),
            ..probe
        });
    }
    exec.as_ref().map(|exec| Probe {
        exec: Some(ExecAction {
            command: Some(exec.command.iter().map(|word| plain(word)).collect()),
        }),
        ..probe
    })
}

/// The kubelet asks, and not we.
pub(super) fn asked_by_kubelet(readiness: &Readiness) -> bool {
    readiness.tcp_socket.is_some() || readiness.http_get.is_some() || readiness.exec.is_some()
}

/// The questions from here.
pub(super) struct Probes {
    client: Client,
    asking: Asking,
}

/// One way to ask, checked once.
enum Question {
    Log(Regex),
    Exchange(net::Exchange),
}

/// The Pod that is asked.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    pub(super) namespace: String,
    pub(super) name: String,
    /// Its UID.
    pub(super) id: String,
}

impl Probes {
    pub(super) fn new(client: Client) -> Probes {
        Probes {
            client,
            asking: Asking::default(),
        }
    }

    /// Starts or joins the questions to this Pod; the answer so far.
    pub(super) fn ask(
        &self,
        uid: &str,
        pod: &Asked,
        readiness: &Readiness,
        targets: &[Target],
        changed: impl Fn() + Send + Sync + 'static,
    ) -> Answer {
        self.asking.join(uid, &pod.id, |answer| {
            let question = question(readiness, targets)?;
            let pods = Api::namespaced(self.client.clone(), &pod.namespace);
            let (name, pace) = (pod.name.clone(), Pace::of(readiness));
            Ok(keep_asking(pods, name, question, pace, answer, changed).boxed())
        })
    }

    /// The answer so far, without asking.
    pub(super) fn answer(&self, id: &str) -> Option<Answer> {
        self.asking.answer(id)
    }

    /// The Pod ended, or its readiness is on record: no more questions.
    pub(super) fn end(&self, id: &str) {
        self.asking.end(id);
    }

    pub(super) fn forget(&self, uid: &str) {
        self.asking.forget(uid);
    }
}

fn question(readiness: &Readiness, targets: &[Target]) -> Result<Question, String> {
    if let Some(log) = &readiness.log {
        return Ok(Question::Log(compiled(&log.pattern)?));
    }
    if let Some(exchange) = &readiness.exchange {
        return Ok(Question::Exchange(asking::exchange(exchange, targets)?));
    }
    Err("its readiness names no way to ask from here".to_owned())
}

async fn keep_asking(
    pods: Api<Pod>,
    name: String,
    question: Question,
    pace: Pace,
    answer: Arc<Mutex<Answer>>,
    changed: impl Fn() + Send + Sync + 'static,
) {
    let mut wait = FIRST_WAIT;
    loop {
        let told = match &question {
            Question::Log(pattern) => {
                in_log(&pods, &name, pattern, |so_far| {
                    tell(&answer, so_far, &changed);
                })
                .await
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

/// Waits until the pattern is in the log, or the stream ends, which the API server's proxy may do at any time.
async fn in_log(pods: &Api<Pod>, name: &str, pattern: &Regex, so_far: impl Fn(Answer)) -> Answer {
    let params = LogParams {
        container: Some(GAME.to_owned()),
        follow: true,
        ..LogParams::default()
    };
    let not_yet = || Answer::NotReady(format!("its log does not hold \"{pattern}\" yet"));
    so_far(not_yet());
    let mut stream = match pods.log_stream(name, &params).await {
        Ok(stream) => Box::pin(stream),
        Err(kube::Error::Api(status)) => {
            return Answer::CannotTell(format!("its log cannot be read: {}", status.message));
        }
        // The answer begins with the first line of the log.
        Err(_) => return not_yet(),
    };
    let mut text = Text::default();
    let mut piece = vec![0; 8192];
    loop {
        match stream.read(&mut piece).await {
            Ok(0) => {
                return Answer::NotReady(format!("its log ended without \"{pattern}\""));
            }
            Ok(read) if text.feed(pattern, &piece[..read]) => return Answer::Ready,
            Ok(_) => {}
            Err(error) => {
                return Answer::CannotTell(format!("its log cannot be read: {error}"));
            }
        }
    }
}

/// Where the ports of a Pod are asked: at the address that players use.
pub(super) fn targets(address: Option<&str>, endpoints: &[crate::api::Endpoint]) -> Vec<Target> {
    let Some(host) = address.and_then(|address| address.parse().ok()) else {
        return Vec::new();
    };
    endpoints
        .iter()
        .filter_map(|end| {
            Some(Target {
                name: end.name.clone(),
                transport: match end.protocol.as_str() {
                    "TCP" => Transport::Tcp,
                    _ => Transport::Udp,
                },
                address: SocketAddr::new(host, u16::try_from(end.port).ok()?),
            })
        })
        .collect()
}

/// The ports of a Pod inside the cluster.
pub(super) fn inside(address: Option<&str>, ports: &[PortTerms]) -> Vec<Target> {
    let Some(host) = address.and_then(|address| address.parse().ok()) else {
        return Vec::new();
    };
    let numbered = ports
        .iter()
        .filter_map(|port| Some((port, port.container_port?)));
    numbered
        .flat_map(|(port, number)| {
            transports(port.protocol)
                .iter()
                .map(move |transport| Target {
                    name: port.name.clone(),
                    transport: *transport,
                    address: SocketAddr::new(host, number),
                })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn readiness(way: serde_json::Value) -> Readiness {
        serde_json::from_value(way).expect("a readiness")
    }

    fn port(transport: Transport) -> Published {
        Published {
            name: "game".to_owned(),
            container_port: 7777,
            host_port: 7001,
            transport,
        }
    }

    #[test]
    fn the_kubelet_asks_the_containers_port_and_never_gives_up() {
        let tcp = readiness(json!({"periodSeconds": 2, "tcpSocket": {"port": "game"}}));
        let ports = [port(Transport::Tcp), port(Transport::Udp)];
        let probe = by_kubelet(&tcp, &ports).expect("the kubelet can");
        assert_eq!(probe.tcp_socket.unwrap().port, IntOrString::Int(7777));
        assert_eq!(probe.period_seconds, Some(2));
        assert_eq!(probe.failure_threshold, Some(i32::MAX));
        let http = readiness(json!({"httpGet": {"port": "game", "path": "/ready"}}));
        let probe = by_kubelet(&http, &ports).expect("the kubelet can");
        assert_eq!(probe.http_get.unwrap().path.as_deref(), Some("/ready"));
    }

    #[test]
    fn a_command_is_asked_as_it_is_written() {
        let exec = readiness(json!({"exec": {"command": ["/probe", "$(HOME)"]}}));
        let probe = by_kubelet(&exec, &[]).expect("the kubelet can");
        assert_eq!(probe.exec.unwrap().command.unwrap(), ["/probe", "$$(HOME)"]);
    }

    #[test]
    fn what_the_kubelet_cannot_ask_is_asked_from_here() {
        for way in [
            json!({"log": {"pattern": "ready"}}),
            json!({"exchange": {"port": "game", "send": "hi", "expect": "."}}),
        ] {
            let readiness = readiness(way);
            assert!(!asked_by_kubelet(&readiness));
            assert!(by_kubelet(&readiness, &[port(Transport::Udp)]).is_none());
        }
    }

    #[test]
    fn a_port_that_only_speaks_udp_gives_the_kubelet_nothing_to_ask() {
        let tcp = readiness(json!({"tcpSocket": {"port": "game"}}));
        assert!(by_kubelet(&tcp, &[port(Transport::Udp)]).is_none());
    }
}
