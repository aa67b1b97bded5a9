//! The caches of sessions and Games, and the indexes over them. Never blocks beyond a short lock.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{Resource, ResourceExt};

use super::guard::Guarded;
use super::kept::{Kept, OURS};
use super::named::Named;
use super::own_writes::version;
use crate::api::{Game, GameSession, GameSessionStatus};

/// What an event about a session asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Something that a decision depends on changed.
    pub look: bool,
    /// uid of a session that is gone.
    pub gone: Option<String>,
}

/// How an object came. Lists are in the order of what happened, and so are the events of a watch, but API servers have
/// mixed up events: one that comes late must not take the cache back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Believed whatever its version: after a restore from a backup it is lower than what was known.
    InAList,
    /// Believed where nothing later is known of the same object.
    AsAnEvent,
}

/// Sessions by name, uid and Game.
#[derive(Default)]
pub struct SessionCache(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    known: HashMap<Named, Known>,
    by_uid: HashMap<Arc<str>, Named>,
    by_game: HashMap<Arc<GameName>, HashSet<Named>>,
    /// How many sessions show what.
    shown: BTreeMap<Arc<Shown>, i64>,
}

/// Namespace and name of a Game.
type GameName = (String, String);

/// A session, and what is asked of many at once, so that their texts are not read for it.
struct Known {
    kept: Kept,
    print: u64,
    game: Option<Arc<GameName>>,
    /// It has no container and has not finished: its Game matters to it.
    waits: bool,
    shown: Arc<Shown>,
}

/// What the metrics count sessions by; empty where nothing is shown yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown {
    pub phase: String,
    pub runtime: String,
}

impl SessionCache {
    /// The session as it is kept; None if it is not there.
    pub fn kept(&self, session: &Named) -> Option<Kept> {
        let inner = self.lock();
        inner.known.get(session).map(|known| known.kept.clone())
    }

    /// All sessions, read or not.
    pub fn all(&self) -> Vec<Named> {
        self.lock().known.keys().cloned().collect()
    }

    /// How many sessions there are, read or not.
    pub fn len(&self) -> usize {
        self.lock().known.len()
    }

    /// Whether there is no session.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many sessions show what.
    pub fn shown(&self) -> Vec<(Shown, i64)> {
        let inner = self.lock();
        let counts = inner.shown.iter();
        counts.map(|(shown, n)| ((**shown).clone(), *n)).collect()
    }

    /// The session with this uid.
    pub fn by_uid(&self, uid: &str) -> Option<Named> {
        self.lock().by_uid.get(uid).cloned()
    }

    /// Sessions of this Game that have no container yet.
    pub fn waiting_for(&self, namespace: &str, game: &str) -> Vec<Named> {
        let inner = self.lock();
        let of_game = inner.by_game.get(&(namespace.to_owned(), game.to_owned()));
        let sessions = of_game.into_iter().flatten();
        let waits = |key: &&Named| inner.known.get(*key).is_some_and(|known| known.waits);
        sessions.filter(waits).cloned().collect()
    }

    /// A session as it came. It, or a later state of it, is in the cache when this returns.
    pub fn apply(&self, object: Guarded<GameSession>, came: Came) -> Change {
        let key = Named::of(&object);
        let game = object.read().map(|session| {
            let namespace = session.namespace().unwrap_or_default();
            (namespace, session.spec.game_ref.name.clone())
        });
        let print = print_of(&object);
        let (waits, shown) = (waits(&object), shown(&object));
        let kept = Kept::from(object);
        let mut inner = self.lock();
        let late =
            |known: &Known| known.kept.uid() == kept.uid() && known.kept.version() > kept.version();
        if came == Came::AsAnEvent && inner.known.get(&key).is_some_and(late) {
            return Change::default();
        }
        let before = inner.unlink(&key);
        // Older than what was known: the API server forgot, a status of ours perhaps.
        let forgotten = before.as_ref().is_some_and(late);
        let uid = kept.shared_uid();
        inner.by_uid.insert(uid.clone(), key.clone());
        let known = Known {
            kept,
            print,
            game: game.map(|game| inner.link(game, key.clone())),
            waits,
            shown: inner.count(shown),
        };
        inner.known.insert(key, known);
        match before {
            Some(before) if before.kept.uid() == &*uid => Change {
                look: before.print != print || forgotten,
                gone: None,
            },
            Some(before) => Change {
                look: true,
                gone: Some(before.kept.uid().to_owned()),
            },
            None => Change {
                look: true,
                gone: None,
            },
        }
    }

    /// The session of this name is gone; with a uid: that one, and not another that has its name now.
    pub fn remove(&self, key: &Named, uid: Option<&str>) -> Change {
        let mut inner = self.lock();
        let known = inner.known.get(key);
        if uid.is_some_and(|uid| known.is_some_and(|known| known.kept.uid() != uid)) {
            return Change::default();
        }
        let gone = inner.unlink(key);
        Change {
            look: false,
            gone: gone.map(|known| known.kept.uid().to_owned()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// Takes a session out of all indexes.
    fn unlink(&mut self, key: &Named) -> Option<Known> {
        let known = self.known.remove(key)?;
        self.by_uid.remove(known.kept.uid());
        if let Some(game) = &known.game
            && let Some(of_game) = self.by_game.get_mut(game)
        {
            of_game.remove(key);
            if of_game.is_empty() {
                self.by_game.remove(game);
            }
        }
        if let Some(n) = self.shown.get_mut(&known.shown) {
            *n -= 1;
            if *n == 0 {
                self.shown.remove(&known.shown);
            }
        }
        Some(known)
    }

    /// A session of this Game; the one copy of the Game's name.
    fn link(&mut self, game: GameName, session: Named) -> Arc<GameName> {
        let shared = self.by_game.get_key_value(&game);
        let game = shared.map_or_else(|| Arc::new(game), |(shared, _)| shared.clone());
        let of_game = self.by_game.entry(game.clone()).or_default();
        of_game.insert(session);
        game
    }

    /// One more session shows this; the one copy of it.
    fn count(&mut self, shown: Shown) -> Arc<Shown> {
        let shared = self.shown.get_key_value(&shown);
        let shown = shared.map_or_else(|| Arc::new(shown), |(shared, _)| shared.clone());
        *self.shown.entry(shown.clone()).or_default() += 1;
        shown
    }
}

/// It has no container and has not finished, or cannot be read.
fn waits(session: &Guarded<GameSession>) -> bool {
    let status = session.read().and_then(|session| session.status.as_ref());
    status.is_none_or(|status| status.container.is_none() && status.finish_time.is_none())
}

fn shown(session: &Guarded<GameSession>) -> Shown {
    let status = session.read().and_then(|session| session.status.as_ref());
    let phase = status.and_then(|status| status.phase.clone());
    let runtime = status.and_then(|status| status.runtime.clone());
    Shown {
        phase: phase.unwrap_or_default(),
        runtime: runtime.unwrap_or_default(),
    }
}

/// The print of a session as it came; one that cannot be read has not finished.
pub(super) fn print_of(session: &Guarded<GameSession>) -> u64 {
    print(
        session.meta(),
        session.read().and_then(|read| read.status.as_ref()),
    )
}

/// Hash of what a decision depends on and only others change: spec, deletion, finalizers, our annotations. Status alone
/// never triggers, since it is ours; but a session that has finished is not looked at again, and that it has, or that its
/// newest spec was seen since, may be forgotten.
pub(super) fn print(metadata: &ObjectMeta, status: Option<&GameSessionStatus>) -> u64 {
    let ended = status.filter(|status| status.finish_time.is_some());
    let observed = ended.map(|status| status.observed_generation == metadata.generation);
    let mut hasher = DefaultHasher::new();
    observed.hash(&mut hasher);
    metadata.generation.hash(&mut hasher);
    metadata.deletion_timestamp.is_some().hash(&mut hasher);
    metadata.finalizers.hash(&mut hasher);
    let annotations = metadata.annotations.iter().flatten();
    for (key, value) in annotations.filter(|(key, _)| key.starts_with(OURS)) {
        (key, value).hash(&mut hasher);
    }
    hasher.finish()
}

/// Games by namespace and name.
#[derive(Default)]
pub struct GameCache(Mutex<HashMap<(String, String), Guarded<Game>>>);

impl GameCache {
    pub fn get(&self, namespace: &str, name: &str) -> Option<Guarded<Game>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.lock().get(&key).cloned()
    }

    /// A Game as it came; whether its spec is another one than before.
    pub fn apply(&self, game: Guarded<Game>, came: Came) -> bool {
        let print = |game: &Guarded<Game>| (game.uid(), game.meta().generation);
        let key = (game.namespace().unwrap_or_default(), game.name_any());
        let now = print(&game);
        let mut games = self.lock();
        let late =
            |known: &Guarded<Game>| known.uid() == game.uid() && version(known) > version(&game);
        if came == Came::AsAnEvent && games.get(&key).is_some_and(late) {
            return false;
        }
        games
            .insert(key, game)
            .is_none_or(|before| print(&before) != now)
    }

    /// The Game of this name is gone; with a uid: that one. Whether it was there.
    pub fn remove(&self, namespace: &str, name: &str, uid: Option<&str>) -> bool {
        let key = (namespace.to_owned(), name.to_owned());
        let mut games = self.lock();
        let known = games.get(&key).and_then(|game| game.uid());
        if uid.is_some() && known.as_deref() != uid {
            return false;
        }
        games.remove(&key).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, String), Guarded<Game>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
