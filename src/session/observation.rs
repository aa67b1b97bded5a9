//! All that a decision may know.

use jiff::Timestamp;

use super::contract::{Contract, Refusal};
use super::facts::{Engine, Facts};
use super::ports::{ChosenPorts, NoPort};
use super::seen::Seen;
use crate::api::{DesiredState, GameSessionStatus, RestartPolicy, RuntimeKind};

/// One session with its surroundings at one instant.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    pub now: Timestamp,
    pub session: Session,
    pub facts: Facts,
    /// Status as it stands in the resource; old conditions keep their transition times.
    pub status: GameSessionStatus,
    pub seen: Seen,
    /// Resolved from session and Game as they are now.
    pub contract: Result<Contract, Refusal>,
    pub image: Image,
    pub ports: Result<ChosenPorts, NoPort>,
    pub storage: StorageSeen,
    pub memo: Memo,
    /// The engine that answers now, for records; None while none does.
    pub engine: Option<Engine>,
    pub owner: Owner,
    pub limits: Limits,
}

/// Whose containers ours are: the labels that every one of them carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// UID of kube-system.
    pub cluster: String,
    /// `--controller-name`.
    pub controller: String,
}

/// The wish, and who wishes.
#[derive(Clone, Debug, PartialEq)]
pub struct Session {
    pub namespace: String,
    pub name: String,
    pub uid: String,
    /// Of the copy that this observation was made from.
    pub resource_version: String,
    pub generation: i64,
    pub user: String,
    pub game: String,
    /// As the user set it; what was chosen is in the facts, or in the contract.
    pub runtime: Option<RuntimeKind>,
    pub deleted: bool,
    /// Our finalizer is on.
    pub finalizer: bool,
    pub desired: DesiredState,
    pub restart_policy: RestartPolicy,
    pub backoff_limit: i32,
    pub start_deadline_seconds: Option<i32>,
    pub active_deadline_seconds: Option<i32>,
    pub grace_seconds: Option<i32>,
    pub ttl_seconds: Option<i32>,
    /// Value of the annotation `dillinger.dev/abandon-engine`.
    pub abandon_engine: Option<String>,
    /// The session's container name on both runtimes.
    pub container_name: String,
}

/// The image on the engine of now. `Unchecked` where the row cannot need it.
#[derive(Clone, Debug, PartialEq)]
pub enum Image {
    Unchecked,
    Present,
    Missing,
    /// A pull runs; coarse progress as text ("40 % of 120 MB"), empty at first.
    Pulling(String),
    /// The pull failed this many times in a row, last at this time, in the engine's words.
    Failed {
        times: u32,
        at: Timestamp,
        message: String,
    },
}

/// Storage of this session on the engine of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StorageSeen {
    /// Volumes of this session that exist.
    pub present: Vec<String>,
    /// Volumes that the contract needs and that do not exist.
    pub missing: Vec<String>,
}

/// Memory of this process about the session: with it empty every plan is still safe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Memo {
    /// When the game of the container that is seen was first seen ready, whether or not that could be recorded.
    pub ready_since: Option<Timestamp>,
    /// Stop was sent for this attempt, at this instant.
    pub signalled: Option<(i32, Timestamp)>,
    /// The engine refused to create this attempt for its content, in its words.
    pub refused: Option<(i32, String)>,
    /// A create did not fit the namespace's quota, in the API server's words.
    pub quota: Option<String>,
    /// What the runtime answers to the effect that is due, which failed so at least twice in a row.
    pub trouble: Option<String>,
    /// The image was pulled for this attempt (policy Always).
    pub pulled: Option<i32>,
    /// A live GET of the session confirmed that it still says so (row A1), at this resourceVersion; good as long as
    /// the observation is made from that same version.
    pub confirmed: Option<String>,
    /// Since when the engine has been in doubt without a break.
    pub doubt_since: Option<Timestamp>,
    /// Since when this process could have got this attempt a container, later by as long as it was in doubt meanwhile;
    /// None: since now.
    pub able_since: Option<Timestamp>,
}

/// What the controller's flags set, and what a check at start found.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Longest time from attemptTime to a container, in seconds.
    pub provision_deadline_seconds: i32,
    /// False while our clock and the API server's disagree by more than 60 s: no deadline acts.
    pub clock_trusted: bool,
    /// When this process started.
    pub process_started: Timestamp,
}

impl Observation {
    /// A person declared the recorded engine lost, and it is in doubt: what it held counts as gone.
    pub fn decreed_lost(&self) -> bool {
        let recorded = self.facts.engine.as_ref().map(|engine| &engine.id.0);
        let doubt = matches!(self.seen, Seen::Unknown(_));
        doubt
            && self.facts.attempt.is_some()
            && recorded.is_some()
            && recorded == self.session.abandon_engine.as_ref()
    }
}
