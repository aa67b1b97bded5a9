//! Calls to one Docker Engine: each has a deadline of its own, a bounded lane, and an error that says
//! whether the engine answered at all.
//!
//! `Client::new` never blocks and never fails: an engine that is away is found away by the first call.
//! A hung engine costs each caller its deadline at most; once the events task has called it away,
//! callers are answered at once until it is back.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bollard::Docker;
use bollard::errors::Error;
use http::header::HeaderValue;
use tokio::sync::Semaphore;

use crate::runtime::EffectError;
use crate::session::quoted::plain;

/// Looks wait this long at most, the wait for a lane included.
pub(super) const LOOK: Duration = Duration::from_secs(5);
/// Creating and starting: the engine sets up file systems and networks, one after another when it is busy.
pub(super) const START: Duration = Duration::from_secs(60);
/// Kills, removals and volumes.
pub(super) const WRITE: Duration = Duration::from_secs(30);

/// Looks at once. The engine serialises most of them anyway; more only hold sockets.
const LOOK_LANES: usize = 16;
const WRITE_LANES: usize = 16;

/// Where DOCKER_HOST points when it is not set.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// Characters of an answer's words that are kept: they come to stand in a status, an Event and the log.
const LONGEST_WORDS: usize = 1024;

/// Longer than any deadline here: ours decide.
const BOLLARD_SECONDS: u64 = 3600;

/// Why a call gave no usable answer.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum CallError {
    /// No answer in time: the call may have had its effect.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// No connection, or it broke: the call may have had its effect.
    #[error("{0}")]
    Unreachable(String),
    /// The engine answered with a failure, in its words.
    #[error("{message} (status {status})")]
    Answer { status: u16, message: String },
    /// The engine answered something that this program does not understand.
    #[error("an answer that is not understood: {0}")]
    Garbled(String),
}

impl CallError {
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            CallError::Answer { status, .. } => Some(*status),
            CallError::Timeout(_) | CallError::Unreachable(_) | CallError::Garbled(_) => None,
        }
    }

    pub(super) fn is_not_found(&self) -> bool {
        self.status() == Some(404)
    }

    /// The engine gave no sign of life.
    pub(super) fn is_silence(&self) -> bool {
        match self {
            CallError::Timeout(_) | CallError::Unreachable(_) => true,
            CallError::Answer { .. } | CallError::Garbled(_) => false,
        }
    }
}

impl From<CallError> for EffectError {
    fn from(error: CallError) -> EffectError {
        match error {
            CallError::Timeout(_) | CallError::Unreachable(_) | CallError::Garbled(_) => {
                EffectError::NoAnswer(error.to_string())
            }
            CallError::Answer { message, .. } => EffectError::Failed(message),
        }
    }
}

impl From<Error> for CallError {
    fn from(error: Error) -> CallError {
        match error {
            Error::DockerResponseServerError {
                status_code,
                message,
            } => CallError::Answer {
                status: status_code,
                message: plain(message.trim(), LONGEST_WORDS),
            },
            Error::DockerStreamError { error } => CallError::Answer {
                status: 500,
                message: plain(&error, LONGEST_WORDS),
            },
            Error::JsonDataError { message, .. } => {
                CallError::Garbled(plain(&message, LONGEST_WORDS))
            }
            Error::JsonSerdeError { err } => {
                CallError::Garbled(plain(&err.to_string(), LONGEST_WORDS))
            }
            // Everything else of bollard's open-ended list is about the connection or the request's making.
            other => CallError::Unreachable(root_cause(&other)),
        }
    }
}

/// What an error comes down to: hyper hides "connection refused" two levels down, under words of its own making.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

/// Which bounded lane a call goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lane {
    Look,
    /// Create and start: more than about the core count at once only adds latency.
    Start,
    Write,
    /// The events task and stop: few, or not to wait.
    Free,
}

/// One engine's address and the lanes to it.
pub(super) struct Client {
    host: String,
    docker: Mutex<Option<Docker>>,
    looks: Semaphore,
    starts: Semaphore,
    writes: Semaphore,
    /// Why the events task found the engine away; None while it is there or nobody has tried.
    away: Mutex<Option<String>>,
}

impl Client {
    pub(super) fn new(host: Option<&str>) -> Client {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Client {
            host: host
                .filter(|h| !h.is_empty())
                .unwrap_or(DEFAULT_HOST)
                .to_owned(),
            docker: Mutex::new(None),
            looks: Semaphore::new(LOOK_LANES),
            starts: Semaphore::new(cores),
            writes: Semaphore::new(WRITE_LANES),
            away: Mutex::new(None),
        }
    }

    /// The machine of a `tcp://` engine; None for a socket of this machine.
    pub(super) fn remote_host(&self) -> Option<&str> {
        let rest = self
            .host
            .strip_prefix("tcp://")
            .or_else(|| self.host.strip_prefix("http://"))?;
        let authority = rest.split('/').next().unwrap_or(rest);
        let host = authority.rsplit_once(':').map_or(authority, |(h, _)| h);
        Some(host.trim_start_matches('[').trim_end_matches(']'))
    }

    /// The engine is called away (callers are answered at once) or back.
    pub(super) fn set_away(&self, why: Option<String>) {
        *self.away.lock().unwrap_or_else(PoisonError::into_inner) = why;
    }

    /// The client of bollard, made at the first call that finds the socket.
    pub(super) fn docker(&self) -> Result<Docker, CallError> {
        let mut slot = self.docker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(docker) = slot.as_ref() {
            return Ok(docker.clone());
        }
        // bollard 0.21 sends no version in its paths, so the daemon's own default API answers:
        // the newest that both sides know, on every engine.
        let docker = Docker::connect_with_host(&self.host)
            .map_err(|e| self.named(CallError::Unreachable(root_cause(&e))))?
            .with_timeout(Duration::from_secs(BOLLARD_SECONDS))
            .with_request_modifier(url_safe_auth);
        *slot = Some(docker.clone());
        Ok(docker)
    }

    /// One call, bounded by `limit` with the wait for its lane.
    pub(super) async fn call<T, F>(
        &self,
        lane: Lane,
        limit: Duration,
        call: impl FnOnce(Docker) -> F,
    ) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        if lane != Lane::Free
            && let Some(why) = self
                .away
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone()
        {
            return Err(CallError::Unreachable(why));
        }
        let docker = self.docker()?;
        let bounded = async {
            let _permit = match lane {
                Lane::Look => self.looks.acquire().await.ok(),
                Lane::Start => self.starts.acquire().await.ok(),
                Lane::Write => self.writes.acquire().await.ok(),
                Lane::Free => None,
            };
            call(docker).await
        };
        match tokio::time::timeout(limit, bounded).await {
            Ok(answer) => answer.map_err(|error| self.named(error.into())),
            Err(_) => Err(CallError::Timeout(limit)),
        }
    }

    /// A connection that failed is named by its address: that is what a person checks first.
    fn named(&self, error: CallError) -> CallError {
        match error {
            CallError::Unreachable(why) => CallError::Unreachable(format!("{}: {why}", self.host)),
            other @ (CallError::Timeout(_) | CallError::Answer { .. } | CallError::Garbled(_)) => {
                other
            }
        }
    }
}

/// bollard encodes credentials in plain base64 while engines decode the URL-safe alphabet and take
/// what they cannot decode for "no credentials".
fn url_safe_auth(mut request: bollard::BollardRequest) -> bollard::BollardRequest {
    if let Some(value) = request.headers_mut().get_mut("x-registry-auth")
        && let Ok(text) = value.to_str()
        && let Ok(safe) = HeaderValue::from_str(&text.replace('+', "-").replace('/', "_"))
    {
        *value = safe;
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_made_without_an_engine() {
        let client = Client::new(Some("unix:///nowhere/at/all.sock"));
        let error = client.docker().expect_err("there is no such socket");
        assert!(error.is_silence());
        assert!(
            error.to_string().contains("/nowhere/at/all.sock"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_connection_that_fails_is_named_by_its_address_and_cause_alone() {
        let client = Client::new(Some("tcp://127.0.0.1:1"));
        let error = client
            .call(Lane::Look, LOOK, |d| async move { d.ping().await })
            .await
            .expect_err("nothing listens there");
        assert_eq!(
            error.to_string(),
            "tcp://127.0.0.1:1: Connection refused (os error 111)"
        );
    }

    #[test]
    fn an_address_of_no_known_kind_is_named_in_the_doubt() {
        let error = Client::new(Some("carrier-pigeon://loft"))
            .docker()
            .expect_err("no such transport");
        assert!(
            error.to_string().contains("carrier-pigeon://loft"),
            "{error}"
        );
    }

    #[test]
    fn the_machine_of_a_tcp_engine_is_known() {
        assert_eq!(
            Client::new(Some("tcp://10.0.0.7:2375")).remote_host(),
            Some("10.0.0.7")
        );
        assert_eq!(
            Client::new(Some("tcp://[fd00::1]:2375")).remote_host(),
            Some("fd00::1")
        );
        assert_eq!(Client::new(Some("unix:///run/d.sock")).remote_host(), None);
        assert_eq!(Client::new(None).remote_host(), None);
    }

    #[test]
    fn a_timeout_is_never_a_failure() {
        let error: EffectError = CallError::Timeout(LOOK).into();
        assert_eq!(error.label(), "no_answer");
        let error: EffectError = CallError::Answer {
            status: 500,
            message: "no".into(),
        }
        .into();
        assert_eq!(error.label(), "failed");
    }

    #[test]
    fn credentials_travel_in_the_url_safe_alphabet() {
        let request = http::Request::builder()
            .header("x-registry-auth", "ab+/cd==")
            .body(bollard::body_full(bytes::Bytes::new()))
            .expect("a request");
        let request = url_safe_auth(request);
        assert_eq!(request.headers()["x-registry-auth"], "ab-_cd==");
    }

    #[tokio::test]
    async fn an_engine_that_was_called_away_is_not_asked_again() {
        let client = Client::new(Some("tcp://127.0.0.1:1"));
        client.set_away(Some("gone for lunch".to_owned()));
        let asked = client
            .call(Lane::Look, LOOK, |d| async move { d.ping().await })
            .await;
        assert_eq!(asked.expect_err("it is away").to_string(), "gone for lunch");
    }
}
