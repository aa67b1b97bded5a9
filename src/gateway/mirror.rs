//! A copy of one namespace's sessions and Games, kept by watches, and the changes that they tell the listeners.
//!
//! Every answer to a read comes from here, so that reads cost the API server nothing. The copy may lag behind a write of
//! a moment ago; [`Mirror::wait_for`] closes that gap for the client who wrote. Never blocks beyond a short lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::ResourceExt;
use tokio::sync::watch;

use super::hub::{Hub, Kind};
use super::old::Session;
use crate::api::{Game, GameSession};
use crate::controller::named::Named;
use crate::controller::watches::Saw;

/// The copy; another handle is the same.
#[derive(Clone, Debug)]
pub struct Mirror {
    state: Arc<Mutex<State>>,
    pub hub: Hub,
    /// Grows with everything that is seen; what waits for a session waits for this.
    seen: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    sessions: HashMap<String, Arc<GameSession>>,
    games: HashMap<String, Arc<Game>>,
    /// Both lists were complete once.
    listed: [bool; 2],
}

impl Default for Mirror {
    fn default() -> Self {
        Mirror {
            state: Arc::default(),
            hub: Hub::default(),
            seen: watch::Sender::new(0),
        }
    }
}

impl Mirror {
    /// Whether it was complete once.
    pub fn is_filled(&self) -> bool {
        self.lock().listed == [true, true]
    }

    pub fn session(&self, name: &str) -> Option<Arc<GameSession>> {
        self.lock().sessions.get(name).cloned()
    }

    pub fn sessions(&self) -> Vec<Arc<GameSession>> {
        self.lock().sessions.values().cloned().collect()
    }

    pub fn games(&self) -> Vec<Arc<Game>> {
        let mut games: Vec<_> = self.lock().games.values().cloned().collect();
        games.sort_by_key(|game| game.name_any());
        games
    }

    /// What the watch of sessions saw.
    pub fn saw_session(&self, saw: Saw<GameSession>) {
        match saw {
            Saw::Found(session) | Saw::Applied(session) => self.keep(Arc::new(session)),
            Saw::Deleted(session) => self.drop_session(&session.name_any(), session.uid().as_deref()),
            Saw::Missing(name) => self.drop_session(name.name(), None),
            Saw::Listed => self.lock().listed[0] = true,
        }
        self.seen.send_modify(|number| *number += 1);
    }

    /// What the watch of Games saw.
    pub fn saw_game(&self, saw: Saw<Game>) {
        let mut state = self.lock();
        match saw {
            Saw::Found(game) | Saw::Applied(game) => {
                state.games.insert(game.name_any(), Arc::new(game));
            }
            Saw::Deleted(game) => {
                state.games.remove(&game.name_any());
            }
            Saw::Missing(name) => {
                state.games.remove(Named::name(&name));
            }
            Saw::Listed => state.listed[1] = true,
        }
    }

    /// A session as the API server answered a write of ours: it is in the copy at once.
    pub fn wrote(&self, session: GameSession) -> Arc<GameSession> {
        let session = Arc::new(session);
        self.keep(session.clone());
        session
    }

    /// Waits until the session is as wanted; None: it is gone.
    pub async fn wait_for(
        &self,
        name: &str,
        wanted: impl Fn(&GameSession) -> bool,
    ) -> Option<Arc<GameSession>> {
        let mut seen = self.seen.subscribe();
        loop {
            let session = self.session(name)?;
            if wanted(&session) {
                return Some(session);
            }
            if seen.changed().await.is_err() {
                return Some(session);
            }
        }
    }

    fn keep(&self, session: Arc<GameSession>) {
        let name = session.name_any();
        let mut state = self.lock();
        let newer = state.sessions.get(&name).is_none_or(|known| {
            known.uid() != session.uid() || version(known) < version(&session)
        });
        if !newer {
            return;
        }
        let before = state.sessions.insert(name.clone(), session.clone());
        drop(state);
        let shown = Session::of(&session);
        if before.is_some_and(|before| Session::of(&before) == shown) {
            return;
        }
        let text = serde_json::to_string(&shown).expect("texts and numbers become JSON");
        self.hub.tell(&name, Kind::Session, text.into());
    }

    fn drop_session(&self, name: &str, uid: Option<&str>) {
        let mut state = self.lock();
        let known = state.sessions.get(name);
        // A deletion that comes late speaks of an earlier session of the name.
        if known.is_none_or(|known| uid.is_some_and(|uid| known.uid().as_deref() != Some(uid))) {
            return;
        }
        state.sessions.remove(name);
        drop(state);
        let text = serde_json::json!({ "id": name }).to_string();
        self.hub.tell(name, Kind::Gone, text.into());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(session: &GameSession) -> u64 {
    let version = session.metadata.resource_version.as_deref();
    version.and_then(|text| text.parse().ok()).unwrap_or_default()
}
