//! Session + Game resolved to the values that one container is made from, or the reasons why not.
//!
//! Parse once: nobody downstream sees the raw resources' wishes again. Precedence is session, then Game,
//! then the Game's default. Pure and total: whatever stands in the resources, the answer is a contract or one
//! refusal whose message is bounded and safe to show.

mod files;
mod parameters;
mod placement;
mod ports;
mod resources;
mod template;

pub(crate) use parameters::hint;
pub use placement::Placement;

use kube::ResourceExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::quoted::quoted;
use super::reason::Reason;
use crate::api::{
    EnvVar, Game, GameSession, GameSpec, ImagePullPolicy, PortPolicy, PortProtocol, Readiness,
    RuntimeKind, SecurityContext,
};

/// What one container is made from. Texts still hold `$(PORT_…)`: ports are chosen later.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contract {
    pub runtime: RuntimeKind,
    pub game: String,
    /// GAME_ID, SESSION_ID and USER_ID as the container sees them.
    pub game_id: String,
    pub session_id: String,
    pub user_id: String,
    pub image: String,
    pub image_pull_policy: ImagePullPolicy,
    pub command: Vec<Text>,
    pub args: Vec<Text>,
    pub env: Vec<(String, Text)>,
    pub init: bool,
    pub cpu_millis: i64,
    pub memory_bytes: i64,
    pub user: i64,
    pub group: i64,
    pub read_only_root: bool,
    pub scratch: Vec<ScratchMount>,
    pub storage: Vec<StorageMount>,
    #[serde(skip_serializing_if = "Placement::is_default")]
    pub placement: Placement,
    pub terms: Terms,
}

/// A text whose parameters are filled in and whose ports are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Text(pub Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub enum Piece {
    Literal(String),
    /// Public number of the port of this (the Game's own) name.
    Port(String),
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ScratchMount {
    pub path: String,
    pub size_bytes: i64,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct StorageMount {
    pub name: String,
    pub path: String,
    pub size_bytes: i64,
}

/// What must be read again later and so travels with the container, as JSON of at most 8 KiB.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    pub ports: Vec<PortTerms>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
    pub start_deadline_seconds: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_active_deadline_seconds: Option<i32>,
    pub termination_grace_period_seconds: i32,
    pub game_uid: String,
    pub game_generation: i64,
    /// sha256 of everything else in the contract but the Game's uid and generation, hex: two containers with
    /// the same digest are made from the same values.
    pub digest: String,
}

/// One port as the Game declares it. Which host number it got is looked up, not stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortTerms {
    pub name: String,
    /// None: Passthrough, the host's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_port: Option<u16>,
    pub protocol: PortProtocol,
    pub policy: PortPolicy,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host_port: Option<u16>,
}

/// Why session and Game make no contract: the first reason, and a message that names the field, the value and the rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub reason: Reason,
    pub message: String,
}

/// Longest message of a refusal, in characters.
const LONGEST_MESSAGE: usize = 1024;

impl Refusal {
    fn new(reason: Reason, message: impl Into<String>) -> Refusal {
        let mut message = message.into();
        if let Some((end, _)) = message.char_indices().nth(LONGEST_MESSAGE - 1) {
            message.truncate(end);
            message.push('…');
        }
        Refusal { reason, message }
    }

    /// What an administrator must mend.
    fn game(message: impl Into<String>) -> Refusal {
        Refusal::new(Reason::GameInvalid, message)
    }

    /// What the session's user must mend.
    fn parameters(message: impl Into<String>) -> Refusal {
        Refusal::new(Reason::ParametersInvalid, message)
    }
}

/// Largest terms, as JSON: they travel as one label or annotation.
const LARGEST_TERMS: usize = 8 * 1024;

/// Environment variables that every container gets from us.
const OUR_ENV: [&str; 3] = ["GAME_ID", "SESSION_ID", "USER_ID"];

/// Resolves a session and its Game to the values that one container is made from.
///
/// `chosen` is the runtime on record for the session, `served` what this controller serves (`--runtimes`).
///
/// # Errors
/// The first reason why not: GameNotFound; GameInvalid, which an administrator mends; RuntimeNotAllowed,
/// ParametersInvalid, ResourcesTooLarge or DeadlineTooLong, which the user mends.
pub fn resolve(
    session: &GameSession,
    game: Option<&Game>,
    chosen: Option<RuntimeKind>,
    served: &[RuntimeKind],
) -> Result<Contract, Refusal> {
    let wish = &session.spec;
    let Some(game) = game else {
        return Err(Refusal::new(
            Reason::GameNotFound,
            format!(
                "game {} is not in namespace {}; an administrator must create it, or make a new session with another gameRef",
                quoted(&wish.game_ref.name),
                quoted(&session.namespace().unwrap_or_default()),
            ),
        ));
    };
    let game_name = game.name_any();
    let session_name = session.name_any();
    let spec = &game.spec;
    check_identity(&spec.security_context)?;

    check_texts(spec)?;
    let ports = ports::terms(spec)?;
    ports::check_readiness(spec, &ports)?;
    let declared = parameters::Declared::of(spec)?;
    let template = template::Template {
        declared: &declared,
        ports: &ports,
    };
    let command = template.texts("command", &spec.command)?;
    let args = template.texts("args", &spec.args)?;
    let env = template.env(&spec.env)?;

    let runtime = runtime(wish.runtime, chosen, spec, served)?;
    let values = declared.values(wish.parameters.as_deref().unwrap_or_default())?;
    if wish.user.contains('\0') {
        return Err(Refusal::parameters("user holds a NUL character"));
    }
    let cpu_millis = resources::cpu_millis(wish, spec)?;
    let memory_bytes = resources::memory_bytes(wish, spec)?;
    let files = files::Files::of(spec)?;
    resources::check_scratch(wish, &files.scratch, memory_bytes)?;
    check_deadline(wish.active_deadline_seconds, spec)?;

    let fixed = template::Fixed {
        game_id: values
            .get("GAME_ID")
            .cloned()
            .unwrap_or_else(|| game_name.clone()),
        session_id: session_name,
        user_id: wish.user.clone(),
    };
    let mut contract = Contract {
        runtime,
        game: game_name,
        image: spec.image.clone(),
        image_pull_policy: spec.image_pull_policy,
        command: template::filled("command", command, &values, &fixed)?,
        args: template::filled("args", args, &values, &fixed)?,
        env: template::filled_env(env, &values, &fixed)?,
        game_id: fixed.game_id.clone(),
        session_id: fixed.session_id.clone(),
        user_id: fixed.user_id.clone(),
        init: spec.init_process,
        cpu_millis,
        memory_bytes,
        user: spec.security_context.run_as_user,
        group: spec.security_context.run_as_group,
        read_only_root: spec.security_context.read_only_root_filesystem,
        scratch: files.scratch,
        storage: files.storage,
        placement: Placement::of(spec),
        terms: Terms {
            ports,
            readiness: spec.readiness.clone(),
            start_deadline_seconds: spec.start_deadline_seconds,
            max_active_deadline_seconds: spec.max_active_deadline_seconds,
            termination_grace_period_seconds: spec.termination_grace_period_seconds,
            game_uid: String::new(),
            game_generation: 0,
            digest: String::new(),
        },
    };
    contract.terms.digest = digest(&contract);
    contract.terms.game_uid = game.uid().unwrap_or_default();
    contract.terms.game_generation = game.metadata.generation.unwrap_or_default();
    check_size(&contract.terms)?;
    Ok(contract)
}

/// Canonical form: JSON with the fields in the order of their declaration.
fn digest(contract: &Contract) -> String {
    let canonical = serde_json::to_vec(contract).expect("a contract is plain strings and numbers");
    Sha256::digest(canonical)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn check_size(terms: &Terms) -> Result<(), Refusal> {
    let size = serde_json::to_vec(terms)
        .expect("terms are plain strings and numbers")
        .len();
    if size > LARGEST_TERMS {
        return Err(Refusal::game(format!(
            "ports and readiness of the game take {size} bytes as JSON, and at most {LARGEST_TERMS} can travel with a container; shorten readiness"
        )));
    }
    Ok(())
}

/// Which runtime: the recorded one, else the session's, else the first of the Game's that is served here.
fn runtime(
    wished: Option<RuntimeKind>,
    chosen: Option<RuntimeKind>,
    game: &GameSpec,
    served: &[RuntimeKind],
) -> Result<RuntimeKind, Refusal> {
    let refused = |message: String| Refusal::new(Reason::RuntimeNotAllowed, message);
    let Some(named) = chosen.or(wished) else {
        return game
            .runtimes
            .iter()
            .copied()
            .find(|runtime| served.contains(runtime))
            .ok_or_else(|| {
                refused(format!(
                    "the game runs on {}, and this controller serves {}",
                    listed(&game.runtimes),
                    listed(served)
                ))
            });
    };
    if !game.runtimes.contains(&named) {
        return Err(refused(format!(
            "runtime {} is not one that the game allows: {}",
            named.as_str(),
            listed(&game.runtimes)
        )));
    }
    if !served.contains(&named) {
        return Err(refused(format!(
            "runtime {} is not served by this controller, which serves {}",
            named.as_str(),
            listed(served)
        )));
    }
    Ok(named)
}

fn listed(runtimes: &[RuntimeKind]) -> String {
    if runtimes.is_empty() {
        return "none".to_owned();
    }
    let words: Vec<&str> = runtimes.iter().take(4).map(|r| r.as_str()).collect();
    words.join(", ")
}

fn check_deadline(wished: Option<i32>, game: &GameSpec) -> Result<(), Refusal> {
    match (wished, game.max_active_deadline_seconds) {
        (Some(wished), Some(most)) if wished > most => Err(Refusal::new(
            Reason::DeadlineTooLong,
            format!(
                "activeDeadlineSeconds {wished} is more than the game allows: at most {most} seconds"
            ),
        )),
        _ => Ok(()),
    }
}

/// Never root.
fn check_identity(identity: &SecurityContext) -> Result<(), Refusal> {
    for (field, id) in [
        ("runAsUser", identity.run_as_user),
        ("runAsGroup", identity.run_as_group),
    ] {
        if !(1..=i64::from(i32::MAX)).contains(&id) {
            return Err(Refusal::game(format!(
                "securityContext.{field} {id} is not between 1 and {}",
                i32::MAX
            )));
        }
    }
    Ok(())
}

/// What no field of a Game may hold, and names that are ours.
fn check_texts(game: &GameSpec) -> Result<(), Refusal> {
    let nul = |field: &str, text: &str| {
        if text.contains('\0') {
            Err(Refusal::game(format!("{field} holds a NUL character")))
        } else {
            Ok(())
        }
    };
    nul("image", &game.image)?;
    for (field, texts) in [("command", &game.command), ("args", &game.args)] {
        for (index, text) in texts.iter().enumerate() {
            nul(&format!("{field}[{index}]"), text)?;
        }
    }
    for EnvVar { name, value } in &game.env {
        if OUR_ENV.contains(&name.as_str()) || name.starts_with("PORT_") {
            return Err(Refusal::game(format!(
                "env {}: the name is reserved",
                quoted(name)
            )));
        }
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(Refusal::game(format!(
                "env {} is no name of an environment variable",
                quoted(name)
            )));
        }
        nul(&format!("env {}", quoted(name)), value)?;
    }
    Ok(())
}

#[cfg(test)]
mod hostile;
#[cfg(test)]
pub(crate) mod tests;
