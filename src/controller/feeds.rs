//! What feeds the triggers: the watches' sinks, a runtime's hints, a new term. Never blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;
use kube::{Resource, ResourceExt};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::cache::Came;
use super::claim::Claim;
use super::context::Context;
use super::guard::Guarded;
use super::named::Named;
use super::own_writes::{self, Against};
use super::trace;
use super::watches::Saw;
use crate::api::{Game, GameSession};
use crate::runtime::{Hint, Runtime};

/// How many first lists are still missing; nothing is decided before the last.
#[derive(Clone)]
pub(super) struct Synced {
    missing: Arc<AtomicUsize>,
    done: CancellationToken,
}

impl Synced {
    pub(super) fn new(namespaces: usize) -> Self {
        Synced {
            missing: Arc::new(AtomicUsize::new(2 * namespaces)),
            done: CancellationToken::new(),
        }
    }

    /// One more first list is complete; called once a watch.
    fn listed(&self) {
        if self.missing.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.cancel();
        }
    }
}

pub(super) fn sessions_sink(
    ctx: &Arc<Context>,
    synced: &Synced,
) -> impl FnMut(Saw<Guarded<GameSession>>) + use<> {
    let (ctx, mut first) = (ctx.clone(), Some(synced.clone()));
    let mut begun = Instant::now();
    let apply = |ctx: &Context, object: Guarded<GameSession>, came: Came, begun: Instant| {
        let key = Named::of(&object);
        let uid = object.uid().unwrap_or_default();
        let version = own_writes::version(&object);
        // A write that no watch has shown, and that the API server has forgotten.
        let lost = came == Came::InAList && ctx.own_writes.listed(&uid, version, begun);
        let against = ctx.own_writes.against(&uid, version, &object);
        let change = ctx.cache.apply(object, came);
        // Once it is in the cache: whoever writes looks there after its answer.
        trace::arrived(ctx, &uid, version);
        ctx.own_writes.caught_up(&uid, version);
        if let Some(gone) = change.gone {
            ctx.forget(&gone);
        }
        let otherwise = against == Against::Otherwise;
        // What we wrote ourselves was planned over already.
        if lost || otherwise || (change.look && against != Against::Echo) {
            match came {
                Came::AsAnEvent if !otherwise => ctx.triggers.came(key, version),
                // Its version says nothing of what was planned over before.
                Came::AsAnEvent | Came::InAList => ctx.triggers.fire(key),
            }
        }
    };
    let remove = |ctx: &Context, key: Named, uid: Option<&str>| {
        if let Some(gone) = ctx.cache.remove(&key, uid).gone {
            ctx.triggers.forget(&key);
            ctx.forget(&gone);
        }
    };
    move |saw| match saw {
        Saw::Listing => begun = Instant::now(),
        Saw::Found(object) => apply(&ctx, object, Came::InAList, begun),
        Saw::Applied(object) => apply(&ctx, object, Came::AsAnEvent, begun),
        Saw::Deleted(object) => remove(&ctx, Named::of(&object), object.meta().uid.as_deref()),
        Saw::Missing(key) => remove(&ctx, key, None),
        Saw::Listed => {
            if let Some(synced) = first.take() {
                synced.listed();
            }
        }
    }
}

pub(super) fn games_sink(
    ctx: &Arc<Context>,
    synced: &Synced,
) -> impl FnMut(Saw<Guarded<Game>>) + use<> {
    let (ctx, mut first) = (ctx.clone(), Some(synced.clone()));
    let wake = |ctx: &Context, namespace: &str, game: &str| {
        for session in ctx.cache.waiting_for(namespace, game) {
            ctx.triggers.fire(session);
        }
    };
    let apply = move |ctx: &Context, game: Guarded<Game>, came: Came| {
        let (namespace, name) = (game.namespace().unwrap_or_default(), game.name_any());
        if ctx.games.apply(game, came) {
            wake(ctx, &namespace, &name);
        }
    };
    let remove = move |ctx: &Context, key: Named, uid: Option<&str>| {
        let namespace = key.namespace().unwrap_or_default();
        if ctx.games.remove(namespace, key.name(), uid) {
            wake(ctx, namespace, key.name());
        }
    };
    move |saw| match saw {
        Saw::Listing => {}
        Saw::Found(game) => apply(&ctx, game, Came::InAList),
        Saw::Applied(game) => apply(&ctx, game, Came::AsAnEvent),
        Saw::Deleted(game) => remove(&ctx, Named::of(&game), game.meta().uid.as_deref()),
        Saw::Missing(key) => remove(&ctx, key, None),
        Saw::Listed => {
            if let Some(synced) = first.take() {
                synced.listed();
            }
        }
    }
}

/// A runtime's hints become triggers.
pub(super) async fn hints(ctx: Arc<Context>, runtime: Arc<dyn Runtime>) {
    let mut hints = runtime.hints();
    while let Some(hint) = hints.next().await {
        match hint {
            Hint::Session(uid) => {
                if let Some(session) = ctx.cache.by_uid(&uid) {
                    ctx.triggers.fire(session);
                }
            }
            Hint::All => all(&ctx),
        }
    }
    // Hints may be lost; the slow clock finds the rest.
    tracing::error!("the runtime gives no more hints");
    std::future::pending::<()>().await;
}

fn all(ctx: &Context) {
    for session in ctx.cache.all() {
        ctx.triggers.fire(session);
    }
}

/// Opens the triggers while we may act and the caches are warm; a new claim names every session.
pub(super) async fn lead(ctx: Arc<Context>, synced: Synced) {
    synced.done.cancelled().await;
    tracing::info!(sessions = ctx.cache.len(), "caches are warm");
    let mut claims = ctx.claims.clone();
    let mut terms: Vec<Option<u64>> = Vec::new();
    loop {
        let next: Vec<Option<u64>> = claims
            .now()
            .into_iter()
            .map(|claim| match claim {
                Claim::Standby => None,
                Claim::NoEngine => Some(0),
                Claim::Leading { term, .. } => Some(term),
            })
            .collect();
        if next != terms {
            let acts = next.iter().any(Option::is_some);
            terms = next;
            if acts {
                all(&ctx);
                ctx.triggers.open();
            } else {
                ctx.triggers.close();
            }
        }
        if !claims.changed().await {
            return;
        }
    }
}
