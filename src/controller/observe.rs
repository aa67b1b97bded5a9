//! One observation of a session: looks first, asks further only what the rows can need. Waits for the
//! runtime's looks, never for a game.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;

use super::claim::Claim;
use super::context::{Context, session_key};
use super::guard::Guarded;
use super::memory::Run;
use super::times::on_our_clock;
use crate::api::{ABANDON_ENGINE, DesiredState, FINALIZER, GameSession, RuntimeKind};
use crate::runtime::{Look, Runtime, SessionKey};
use crate::session::container;
use crate::session::contract::{self, Contract, Refusal};
use crate::session::facts::{Engine, EngineId, Facts};
use crate::session::observation::{Image, Observation, Session, StorageSeen};
use crate::session::ports::{ChosenPorts, NoPort};
use crate::session::reason::Reason;
use crate::session::seen::{Answer, Doubt, Seen};

/// What came of it.
pub enum Observed {
    Made(Box<Observation>),
    /// Another live controller's session: leave it, look again after this time.
    Theirs(Duration),
    /// Its status holds what this version does not know; leave it.
    Unreadable(String),
}

/// How often a session of another controller is looked at again, in case that one dies.
const THEIRS: Duration = Duration::from_secs(30);

/// Observes one session as this copy of it says.
pub async fn observe(ctx: &Context, session: &GameSession) -> Observed {
    let status = session.status.clone().unwrap_or_default();
    let facts = match Facts::parse(&status) {
        Ok(facts) => facts,
        Err(unreadable) => return Observed::Unreadable(unreadable.to_string()),
    };
    let contract = resolve(ctx, session, facts.runtime);
    let chosen = facts
        .runtime
        .or(contract.as_ref().ok().map(|contract| contract.runtime));
    if let Some(kind) = chosen
        && ctx.served.len() > 1
        && ctx.served.contains(&kind)
        && ctx.claims.of(kind) == Claim::Standby
    {
        // Another process acts for this runtime; this one acts for another.
        return Observed::Theirs(THEIRS);
    }
    let runtime = chosen.and_then(|kind| ctx.runtimes.get(&kind));
    let engine = match runtime {
        Some(runtime) => runtime.engine().await,
        None => None,
    };
    if let Some(wait) = theirs(ctx, &facts, engine.as_ref()).await {
        return Observed::Theirs(wait);
    }
    let key = session_key(session);
    let wish = wish(session, &key);
    let mut seen = look(ctx, &key, &facts, chosen).await;
    let mut storage = StorageSeen::default();
    if storage_matters(&wish, &facts, &seen)
        && let Some(runtime) = runtime
    {
        let wanted = match &contract {
            Ok(contract) => container::volume_names(&key.container_name, contract),
            Err(_) => Vec::new(),
        };
        match runtime.storage(&key, &wanted).await {
            Ok(found) => storage = found,
            Err(words) => {
                let why = format!("it is not known which storage there is: {words}");
                seen = Seen::Unknown(Doubt::EngineUnreachable(why));
            }
        }
    }
    let (mut image, mut ports) = (Image::Unchecked, Ok(ChosenPorts::default()));
    if may_create(&wish, &facts, &seen)
        && let (Some(runtime), Ok(contract)) = (runtime, &contract)
    {
        image = runtime.image(&contract.image).await;
        if image == Image::Unchecked {
            let why = "the engine did not say whether it has the image";
            seen = Seen::Unknown(Doubt::EngineUnreachable(why.to_owned()));
        }
        ports = choose_ports(runtime, &key, contract, &image);
    }
    if !is_to_run(&wish, &facts)
        && seen == Seen::Absent
        && let Some(runtime) = runtime
    {
        runtime.free_ports(&key);
    }
    let now = ctx.clock.now();
    let doubt_since = ctx.memory.doubt(&key.uid, &seen, now);
    let memo = ctx.memory.change(&key.uid, |known| {
        known.unreadable = None;
        if let (Seen::Running(c, answer), None) = (&seen, facts.ready_time()) {
            known.runs(&c.id, (*answer == Answer::Ready).then_some(now));
        }
        let run = seen.container().and_then(|c| known.run_of(&c.id.0));
        let (running_for, ready) = (run.map(Run::lasts), run.and_then(|run| run.ready));
        on_our_clock(&mut seen, now, ctx.clock.wall(), running_for);
        // Policy Always: the pull that was begun for this attempt is over, and the image is there.
        if image == Image::Present && known.pulling.is_some() && known.pulling == facts.attempt {
            known.memo.pulled = known.pulling.take();
        }
        let mut memo = known.memo.clone();
        memo.doubt_since = doubt_since;
        memo.ready_since = ready;
        memo
    });
    Observed::Made(Box::new(Observation {
        now,
        session: wish,
        facts,
        status,
        seen,
        contract,
        image,
        ports,
        storage,
        memo,
        engine,
        owner: ctx.owner.clone(),
        limits: ctx.limits(),
    }))
}

/// A Game that cannot be read is an invalid one.
fn resolve(
    ctx: &Context,
    session: &GameSession,
    chosen: Option<RuntimeKind>,
) -> Result<Contract, Refusal> {
    let namespace = session.namespace().unwrap_or_default();
    let name = &session.spec.game_ref.name;
    match ctx.games.get(&namespace, name) {
        Some(Guarded::Read(game)) => contract::resolve(session, Some(&game), chosen, &ctx.served),
        None => contract::resolve(session, None, chosen, &ctx.served),
        Some(Guarded::Unreadable(what)) => Err(Refusal {
            reason: Reason::GameInvalid,
            message: format!("this version cannot read Game \"{name}\": {}", what.error),
        }),
    }
}

fn wish(session: &GameSession, key: &SessionKey) -> Session {
    let spec = &session.spec;
    Session {
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        uid: key.uid.clone(),
        resource_version: session.resource_version().unwrap_or_default(),
        generation: session.metadata.generation.unwrap_or_default(),
        user: spec.user.clone(),
        game: spec.game_ref.name.clone(),
        runtime: spec.runtime,
        deleted: session.metadata.deletion_timestamp.is_some(),
        finalizer: session.finalizers().iter().any(|name| name == FINALIZER),
        desired: spec.desired_state,
        restart_policy: spec.restart_policy,
        backoff_limit: spec.backoff_limit,
        start_deadline_seconds: spec.start_deadline_seconds,
        active_deadline_seconds: spec.active_deadline_seconds,
        grace_seconds: spec.termination_grace_period_seconds,
        ttl_seconds: spec.ttl_seconds_after_finished,
        abandon_engine: session.annotations().get(ABANDON_ENGINE).cloned(),
        container_name: key.container_name.clone(),
    }
}

/// Some(how long to leave it alone): recorded on an engine that is not ours and that somebody leads.
async fn theirs(ctx: &Context, facts: &Facts, current: Option<&Engine>) -> Option<Duration> {
    let recorded = &facts.engine.as_ref()?.id;
    if current.is_some_and(|engine| engine.id == *recorded) || we_lead(ctx, recorded) {
        return None;
    }
    let left = ctx.leases.alive(recorded).await?;
    Some(left.clamp(Duration::from_secs(1), THEIRS))
}

fn we_lead(ctx: &Context, engine: &EngineId) -> bool {
    ctx.claims.lead(engine, tokio::time::Instant::now())
}

/// One live look. While no attempt is on record every runtime served is asked: what was made for the session
/// must be found even where its status was lost.
async fn look(ctx: &Context, key: &SessionKey, facts: &Facts, chosen: Option<RuntimeKind>) -> Seen {
    let look = Look {
        key,
        attempt: facts.attempt,
        engine: facts.engine.as_ref().map(|engine| &engine.id),
        id: facts.unended_id(),
        probe: facts.attempt.is_some() && facts.ready_time().is_none(),
    };
    if facts.attempt.is_some() {
        return match chosen.and_then(|kind| ctx.runtimes.get(&kind)) {
            Some(runtime) => runtime.look(look).await,
            None => Seen::Unknown(Doubt::EngineUnreachable(
                "this controller does not serve the session's runtime".to_owned(),
            )),
        };
    }
    let mut verdict = Seen::Absent;
    for (kind, runtime) in &ctx.runtimes {
        let seen = runtime.look(look.clone()).await;
        let is_chosen = chosen == Some(*kind);
        match seen {
            Seen::Created(..)
            | Seen::Running(..)
            | Seen::Paused(_)
            | Seen::Exited(..)
            | Seen::Going => {
                return seen;
            }
            Seen::Unknown(_) | Seen::Foreign(_) if is_chosen => verdict = seen,
            Seen::Unknown(_) | Seen::Foreign(_) | Seen::Absent => {}
        }
    }
    verdict
}

/// D10, F4 and C12 ask for storage; nothing else does.
fn storage_matters(wish: &Session, facts: &Facts, seen: &Seen) -> bool {
    let ended = wish.deleted || facts.finish.is_some();
    match seen {
        Seen::Absent | Seen::Foreign(_) => {
            (ended && wish.finalizer) || may_create(wish, facts, seen)
        }
        Seen::Unknown(_)
        | Seen::Created(..)
        | Seen::Running(..)
        | Seen::Paused(_)
        | Seen::Going
        | Seen::Exited(..) => false,
    }
}

/// The C rows ask for image and ports: something is to run, may be made, and is not there.
fn may_create(wish: &Session, facts: &Facts, seen: &Seen) -> bool {
    let guarded = wish.finalizer || facts.runtime == Some(RuntimeKind::Pod);
    *seen == Seen::Absent && guarded && facts.attempt.is_some() && is_to_run(wish, facts)
}

fn is_to_run(wish: &Session, facts: &Facts) -> bool {
    facts.finish.is_none() && !wish.deleted && wish.desired == DesiredState::Running
}

/// Ports are chosen last: a choice is held for the session from then on.
fn choose_ports(
    runtime: &Arc<dyn Runtime>,
    key: &SessionKey,
    contract: &Contract,
    image: &Image,
) -> Result<ChosenPorts, NoPort> {
    match image {
        Image::Present => runtime.choose_for(key, contract),
        Image::Unchecked | Image::Missing | Image::Pulling(_) | Image::Failed { .. } => {
            Ok(ChosenPorts::default())
        }
    }
}
