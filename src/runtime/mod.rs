//! The seam between the controller and the places where containers run.
//!
//! `look` and the other looks never fail: doubt is a value. `act` does one write and never waits for a
//! game. Hints say "look again" and may be lost, doubled or late.

mod asking;
pub mod docker;
mod hints;
mod log_text;
mod net;
pub mod pod;
#[cfg(feature = "simulate")]
pub mod simulated;

pub(crate) use log_text::safe as safe_log;

use std::sync::Arc;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;

use crate::session::contract::{Contract, PortTerms, Terms};
use crate::session::facts::{Engine, EngineId};
use crate::session::observation::{Image, StorageSeen};
use crate::session::plan::Effect;
use crate::session::ports::{ChosenPorts, NoPort};
use crate::session::seen::Seen;

/// Names one session to a runtime.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// `<session>-<first 10 hex of sha256(uid)>`.
    pub container_name: String,
}

/// What to look for.
#[derive(Clone, Debug)]
pub struct Look<'a> {
    pub key: &'a SessionKey,
    /// n, if recorded: chooses among several containers of the session.
    pub attempt: Option<i32>,
    /// The recorded engine; another one that answers is Unknown(EngineMismatch).
    pub engine: Option<&'a EngineId>,
    /// The container's id, if it is on record for n and its end is not: that it is gone ends a game, and is not believed lightly.
    pub id: Option<&'a str>,
    /// Ask the game whether it is ready (started or joined, the answer so far is returned). False once ready is recorded.
    pub probe: bool,
}

/// A log as it was written, in chunks.
pub type Log = BoxStream<'static, Bytes>;

/// What of a log is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogRead {
    /// So many of the last lines, and then
    pub tail: u32,
    /// what comes, until the container ends.
    pub follow: bool,
}

/// "Look again", for one session or for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// uid of the session.
    Session(String),
    /// Something was missed, or the engine came or went.
    All,
}

/// How an effect went through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It was so already (304, 404 on removal, 409 on a kill of an exited container), or the name exists (409 on create): look again.
    Already,
}

/// How an effect did not go through. A timeout is an unknown, never a failure: the next look tells.
#[derive(Debug, thiserror::Error)]
pub enum EffectError {
    /// The runtime refused the content of a create (400, 422), in its words.
    #[error("the runtime refused it: {0}")]
    Refused(String),
    /// A create that does not fit the quota of the namespace: it may fit later.
    #[error("it does not fit the quota: {0}")]
    Quota(String),
    /// No answer in time, or none at all: it may have happened.
    #[error("no answer from the runtime: {0}")]
    NoAnswer(String),
    /// It answered that this cannot be done now.
    #[error("the runtime failed: {0}")]
    Failed(String),
    /// The engine that answers is not the one that the write was meant for.
    #[error("the engine is {found}, not {expected}")]
    OtherEngine { expected: String, found: String },
}

impl EffectError {
    /// Label for metrics and logs.
    pub fn label(&self) -> &'static str {
        match self {
            EffectError::Refused(_) => "refused",
            EffectError::Quota(_) => "quota",
            EffectError::NoAnswer(_) => "no_answer",
            EffectError::Failed(_) => "failed",
            EffectError::OtherEngine { .. } => "other_engine",
        }
    }
}

/// One container or volume found by a list, for the sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    pub namespace: String,
    pub session: String,
    pub uid: String,
    pub kind: OwnedKind,
    /// Container id, or volume name.
    pub id: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnedKind {
    Container { running: bool },
    Storage,
}

/// A place where containers run.
pub trait Runtime: Send + Sync + 'static {
    /// The engine that answers now; None while none does. Answered from memory where that is fresh.
    fn engine(&self) -> BoxFuture<'_, Option<Engine>>;

    /// One live look.
    fn look<'a>(&'a self, look: Look<'a>) -> BoxFuture<'a, Seen>;

    /// The image on the engine, the pull that runs for it, or how pulls of it failed.
    fn image<'a>(&'a self, image: &'a str) -> BoxFuture<'a, Image>;

    /// Host ports for a container of this session: its own earlier choice if free, else the next.
    fn choose_ports(&self, key: &SessionKey, ports: &[PortTerms]) -> Result<ChosenPorts, NoPort>;

    /// As [`Runtime::choose_ports`], for all that the contract says of how players reach the game.
    fn choose_for(&self, key: &SessionKey, contract: &Contract) -> Result<ChosenPorts, NoPort> {
        self.choose_ports(key, &contract.terms.ports)
    }

    /// There is no container of the session, and none is to be: what was chosen for it is free again.
    fn free_ports(&self, key: &SessionKey);

    /// These host ports of the session clashed: do not choose them for 5 minutes.
    fn shun_ports(&self, key: &SessionKey, ports: &[u16]);

    /// Which storage of the session exists; `wanted` are volume names. Err: why nobody can tell.
    fn storage<'a>(
        &'a self,
        key: &'a SessionKey,
        wanted: &'a [String],
    ) -> BoxFuture<'a, Result<StorageSeen, String>>;

    /// One write, to the recorded engine and no other.
    fn act<'a>(
        &'a self,
        key: &'a SessionKey,
        engine: &'a EngineId,
        effect: &'a Effect,
    ) -> BoxFuture<'a, Result<Outcome, EffectError>>;

    /// A stop of this session that had gone through as far as anybody waited for it, and was refused since, in these
    /// words: told once, after a hint. None: there was none.
    fn refused_since(&self, _uid: &str) -> Option<String> {
        None
    }

    /// Everything that carries our cluster and controller labels on the engine of now.
    fn list(&self) -> BoxFuture<'_, Result<Vec<Owned>, EffectError>>;

    /// The log of the session's newest container, as the game wrote it; None: this runtime has none to show.
    fn log<'a>(
        &'a self,
        _uid: &'a str,
        _read: LogRead,
    ) -> BoxFuture<'a, Result<Option<Log>, EffectError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// The stream of hints; taken once.
    fn hints(self: Arc<Self>) -> BoxStream<'static, Hint>;

    /// The session is gone: drop what is remembered of it.
    fn forget(&self, uid: &str);
}

/// Terms are read where a container is seen; runtimes use this to parse their label.
pub fn parse_terms(label: Option<&str>) -> Option<Terms> {
    label.and_then(|text| serde_json::from_str(text).ok())
}
