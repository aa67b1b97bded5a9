//! Writes to a session on the API server: merge patches of what changed, compare-and-set every one.
//!
//! Each passes the gate; a 409, an unknown and an end are told apart. May wait as long as the gate lets.

use std::sync::Arc;

use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::Status;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::diff::merge_patch;
use super::gate::{API_DEADLINE, Gate, Labelled, Stopped, Write};
use crate::api::{FINALIZER, GameSession, GameSessionStatus};
use crate::telemetry::metrics::Metrics;

/// Reads and writes of single sessions.
pub struct Sessions {
    client: Client,
    gate: Arc<Gate>,
    metrics: Arc<Metrics>,
}

/// How a write did not go through.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Somebody else wrote first, or it is another object of this name: GET, plan again.
    #[error("another writer was first")]
    Conflict,
    /// There is no such session any more.
    #[error("the session is gone")]
    Gone,
    /// It may have happened: GET, plan again.
    #[error("it may have happened: {0}")]
    Unknown(String),
    #[error("not sent: this process holds no claim for it")]
    NotLeading,
    #[error("the API server refused it: {0}")]
    Refused(String),
}

impl WriteError {
    /// Label for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            WriteError::Conflict => "conflict",
            WriteError::Gone => "gone",
            WriteError::Unknown(_) => "no_answer",
            WriteError::NotLeading => "not_leading",
            WriteError::Refused(_) => "refused",
        }
    }
}

impl Labelled for kube::Error {
    fn label(&self) -> &'static str {
        match self {
            kube::Error::Api(status) if status.is_conflict() => "conflict",
            kube::Error::Api(status) if status.is_not_found() => "not_found",
            kube::Error::Api(status) if status.is_forbidden() => "forbidden",
            kube::Error::Api(status) if status.is_invalid() => "invalid",
            kube::Error::Api(status) if status.code == 429 => "throttled",
            kube::Error::Api(status) if status.code >= 500 => "server",
            kube::Error::Api(_) => "refused",
            _ => "no_answer",
        }
    }
}

impl From<Stopped<kube::Error>> for WriteError {
    fn from(stopped: Stopped<kube::Error>) -> Self {
        match stopped {
            Stopped::NotLeading => WriteError::NotLeading,
            Stopped::NoAnswer => WriteError::Unknown("no answer in time".to_owned()),
            Stopped::Failed(kube::Error::Api(status)) => match status.code {
                404 if names_what_is_gone(&status) => WriteError::Gone,
                404 => {
                    WriteError::Unknown(format!("it does not serve sessions ({})", status.message))
                }
                409 => WriteError::Conflict,
                500.. => WriteError::Unknown(status.message),
                _ => WriteError::Refused(status.message),
            },
            Stopped::Failed(error) => WriteError::Unknown(words(&error)),
        }
    }
}

impl Sessions {
    pub fn new(client: Client, gate: Arc<Gate>, metrics: Arc<Metrics>) -> Self {
        Sessions {
            client,
            gate,
            metrics,
        }
    }

    /// Writes what differs between the status as it stands and `status`; None if nothing does.
    pub async fn status(
        &self,
        session: &GameSession,
        status: &GameSessionStatus,
        write: Write<'_>,
    ) -> Result<Option<Arc<GameSession>>, WriteError> {
        let Some(changes) = status_patch(session, status) else {
            return Ok(None);
        };
        let body = json!({
            "metadata": {"resourceVersion": session.metadata.resource_version},
            "status": changes,
        });
        let (api, name) = self.api(session);
        let (params, patch) = (PatchParams::default(), Patch::Merge(&body));
        let call = api.patch_status(&name, &params, &patch);
        let uid = uid(session);
        let reply = self.counted(self.gate.pass(uid, write, call).await)?;
        Ok(Some(Arc::new(lean(reply))))
    }

    /// Puts our finalizer on or takes it off; the others stay.
    pub async fn finalizer(
        &self,
        session: &GameSession,
        on: bool,
    ) -> Result<Arc<GameSession>, WriteError> {
        let body = finalizer_patch(session, on);
        let (api, name) = self.api(session);
        let (params, patch) = (PatchParams::default(), Patch::Merge(&body));
        let call = api.patch(&name, &params, &patch);
        let write = Write::Finalizer { on };
        let passed = self.gate.pass(uid(session), write, call).await;
        match self.counted(passed) {
            Ok(reply) => Ok(Arc::new(lean(reply))),
            // Another uid under this name is told as an invalid change of a field that cannot change.
            Err(WriteError::Refused(why)) if why.contains("metadata.uid") => {
                Err(WriteError::Conflict)
            }
            Err(error) => Err(error),
        }
    }

    /// Deletes exactly this session in exactly this version.
    pub async fn delete(&self, session: &GameSession) -> Result<(), WriteError> {
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: session.uid(),
                resource_version: session.resource_version(),
            }),
            ..DeleteParams::default()
        };
        let (api, name) = self.api(session);
        let call = api.delete(&name, &params);
        let passed = self.gate.pass(uid(session), Write::DeleteSession, call);
        self.counted(passed.await)?;
        Ok(())
    }

    /// A live GET. None: there is no session of this name with this uid any more.
    pub async fn get(&self, session: &GameSession) -> Result<Option<Arc<GameSession>>, WriteError> {
        let (api, name) = self.api(session);
        let sent = Instant::now();
        let answer = tokio::time::timeout(API_DEADLINE, api.get(&name)).await;
        let (failed, result) = match answer {
            Ok(Ok(found)) => (None, Ok(Some(found))),
            Ok(Err(kube::Error::Api(status))) if names_what_is_gone(&status) => (None, Ok(None)),
            Ok(Err(error)) => (Some(error.label()), Err(Stopped::Failed(error))),
            Err(_) => (Some("no_answer"), Err(Stopped::NoAnswer)),
        };
        self.metrics.api_call("get", sent.elapsed(), failed);
        let found = result?.filter(|found| found.metadata.uid == session.metadata.uid);
        Ok(found.map(|found| Arc::new(lean(found))))
    }

    fn counted<T>(&self, passed: Result<T, Stopped<kube::Error>>) -> Result<T, WriteError> {
        let result = passed.map_err(WriteError::from);
        if let Err(WriteError::Conflict) = &result {
            self.metrics.conflicts.inc();
        }
        result
    }

    fn api(&self, session: &GameSession) -> (Api<GameSession>, String) {
        let namespace = session.namespace().unwrap_or_default();
        let api = Api::namespaced(self.client.clone(), &namespace);
        (api, session.name_any())
    }
}

fn uid(session: &GameSession) -> &str {
    session.metadata.uid.as_deref().unwrap_or_default()
}

/// A 404 about one object. One that speaks of a path or a kind alone comes from an API server that does not serve
/// sessions (the definition is gone, or not there yet) and says nothing about any of them.
pub fn names_what_is_gone(status: &Status) -> bool {
    status.is_not_found() && status.details.as_ref().is_some_and(|d| !d.name.is_empty())
}

/// What differs, as a merge patch of the status alone.
fn status_patch(session: &GameSession, status: &GameSessionStatus) -> Option<Value> {
    // Most looks change nothing, and comparing two texts costs as much as the rest of such a look.
    if session.status.as_ref() == Some(status) {
        return None;
    }
    let old = to_value(&session.status.clone().unwrap_or_default());
    merge_patch(&old, &to_value(status))
}

/// Whether writing this status would change anything.
pub fn differs(session: &GameSession, status: &GameSessionStatus) -> bool {
    status_patch(session, status).is_some()
}

fn to_value(status: &GameSessionStatus) -> Value {
    serde_json::to_value(status).expect("a status is plain data")
}

fn finalizer_patch(session: &GameSession, on: bool) -> Value {
    let others = session
        .finalizers()
        .iter()
        .filter(|name| *name != FINALIZER);
    let mut finalizers: Vec<&str> = others.map(String::as_str).collect();
    if on {
        finalizers.push(FINALIZER);
    }
    json!({"metadata": {
        "uid": session.metadata.uid,
        "resourceVersion": session.metadata.resource_version,
        "finalizers": finalizers,
    }})
}

fn lean(mut session: GameSession) -> GameSession {
    session.metadata.managed_fields = None;
    session
}

/// The chain of causes, each once (kube repeats a source in its own text). What the API server refused, in its words.
pub fn words(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(kube::Error::Api(status)) = error.downcast_ref() {
        return format!("{} ({} {})", status.message, status.code, status.reason);
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(finalizers: &[&str]) -> GameSession {
        let text = json!({
            "metadata": {
                "name": "friday", "namespace": "games", "uid": "u", "resourceVersion": "7",
                "finalizers": finalizers,
            },
            "spec": {"gameRef": {"name": "g"}, "user": "alice"},
            "status": {"phase": "Pending", "attempt": 0},
        });
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn the_finalizer_patch_carries_uid_and_version_and_keeps_what_others_put_there() {
        let on = finalizer_patch(&session(&["a/b", "c/d"]), true);
        let wanted = json!({"metadata": {
            "uid": "u", "resourceVersion": "7", "finalizers": ["a/b", "c/d", FINALIZER],
        }});
        assert_eq!(on, wanted);
        let off = finalizer_patch(&session(&["a/b", FINALIZER, "c/d"]), false);
        assert_eq!(off["metadata"]["finalizers"], json!(["a/b", "c/d"]));
        let again = finalizer_patch(&session(&[FINALIZER]), true);
        assert_eq!(again["metadata"]["finalizers"], json!([FINALIZER]));
    }

    #[test]
    fn a_status_that_says_the_same_is_not_written() {
        let session = session(&[]);
        let same = session.status.clone().unwrap();
        assert!(!differs(&session, &same));
        let other = GameSessionStatus {
            phase: Some("Running".to_owned()),
            attempt: None,
            ..same
        };
        let patch = status_patch(&session, &other).unwrap();
        assert_eq!(patch, json!({"phase": "Running", "attempt": null}));
    }

    #[test]
    fn a_session_is_gone_only_where_the_server_names_it() {
        let missing: Status = serde_json::from_value(json!({
            "status": "Failure", "code": 404, "reason": "NotFound", "message": "not found",
            "details": {"name": "friday", "group": "dillinger.dev", "kind": "gamesessions"},
        }))
        .unwrap();
        let unserved = Status {
            details: None,
            ..missing.clone()
        };
        let write_error =
            |status: Status| WriteError::from(Stopped::Failed(kube::Error::Api(Box::new(status))));
        assert!(matches!(write_error(missing), WriteError::Gone));
        assert!(matches!(write_error(unserved), WriteError::Unknown(_)));
    }

    #[test]
    fn a_server_error_is_an_unknown_and_a_client_error_is_not() {
        let failed = |code| {
            let status = Status {
                code,
                ..Status::failure("no", "no")
            };
            WriteError::from(Stopped::Failed(kube::Error::Api(Box::new(status))))
        };
        assert!(matches!(failed(409), WriteError::Conflict));
        assert!(matches!(failed(404), WriteError::Unknown(_)));
        assert!(matches!(failed(422), WriteError::Refused(_)));
        assert!(matches!(failed(429), WriteError::Refused(_)));
        assert!(matches!(failed(504), WriteError::Unknown(_)));
        assert!(matches!(
            WriteError::from(Stopped::NoAnswer),
            WriteError::Unknown(_)
        ));
    }
}
