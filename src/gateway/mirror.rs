//! A copy of one namespace's sessions and Games, kept by watches, and the changes that they tell the listeners.
//!
//! Every answer to a read comes from here, so that reads cost the API server nothing. The copy may lag behind a write of
//! a moment ago; [`Mirror::wait_for`] closes that gap for the client who wrote. Never blocks beyond a short lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use kube::{Resource, ResourceExt};
use tokio::sync::watch;

use super::hub::{Hub, Kind};
use super::old::Session;
use crate::api::{Game, GameSession};
use crate::controller::guard::Guarded;
use crate::controller::watches::Saw;

/// A session, and the text that it is shown as: made once for each change, not for each reader.
#[derive(Clone, Debug)]
pub struct Shown {
    pub session: Arc<GameSession>,
    pub text: Arc<str>,
}

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
    sessions: HashMap<String, Shown>,
    games: HashMap<String, Arc<Game>>,
    /// Both lists were complete once.
    listed: [bool; 2],
}

impl AsRef<GameSession> for Shown {
    fn as_ref(&self) -> &GameSession {
        &self.session
    }
}

impl Shown {
    fn of(session: GameSession) -> Shown {
        let text = serde_json::to_string(&Session::of(&session));
        Shown {
            session: Arc::new(session),
            text: text.expect("texts and numbers become JSON").into(),
        }
    }
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

    pub fn session(&self, name: &str) -> Option<Shown> {
        self.lock().sessions.get(name).cloned()
    }

    pub fn sessions(&self) -> Vec<Shown> {
        self.lock().sessions.values().cloned().collect()
    }

    /// By name.
    pub fn games(&self) -> Vec<Arc<Game>> {
        let mut games: Vec<_> = self.lock().games.values().cloned().collect();
        games.sort_by_key(|game| game.name_any());
        games
    }

    /// What the watch of sessions saw. One that this version cannot read is not shown.
    pub fn saw_session(&self, saw: Saw<Guarded<GameSession>>) {
        match saw {
            Saw::Listing => return,
            Saw::Found(session) | Saw::Applied(session) => match session.read() {
                Some(session) => {
                    self.keep(GameSession::clone(session));
                }
                None => self.drop_session(&session.name_any(), None),
            },
            Saw::Deleted(session) => {
                self.drop_session(&session.name_any(), session.meta().uid.as_deref());
            }
            Saw::Missing(name) => self.drop_session(name.name(), None),
            Saw::Listed => self.lock().listed[0] = true,
        }
        self.seen.send_modify(|number| *number += 1);
    }

    /// What the watch of Games saw.
    pub fn saw_game(&self, saw: Saw<Guarded<Game>>) {
        let mut state = self.lock();
        match saw {
            Saw::Listing => {}
            Saw::Found(game) | Saw::Applied(game) => match game.read() {
                Some(read) => {
                    state.games.insert(game.name_any(), read.clone());
                }
                None => {
                    state.games.remove(&game.name_any());
                }
            },
            Saw::Deleted(game) => {
                state.games.remove(&game.name_any());
            }
            Saw::Missing(name) => {
                state.games.remove(name.name());
            }
            Saw::Listed => state.listed[1] = true,
        }
    }

    /// A session as the API server answered a write of ours: it is in the copy at once.
    pub fn wrote(&self, mut session: GameSession) -> Shown {
        session.metadata.managed_fields = None;
        self.keep(session)
    }

    /// Waits until the session is as wanted; None: it is gone.
    pub async fn wait_for(
        &self,
        name: &str,
        wanted: impl Fn(&GameSession) -> bool,
    ) -> Option<Shown> {
        let mut seen = self.seen.subscribe();
        loop {
            let shown = self.session(name)?;
            if wanted(&shown.session) || seen.changed().await.is_err() {
                return Some(shown);
            }
        }
    }

    fn keep(&self, session: GameSession) -> Shown {
        let name = session.name_any();
        let shown = Shown::of(session);
        let mut state = self.lock();
        if let Some(known) = state.sessions.get(&name)
            && known.session.uid() == shown.session.uid()
            && version(&known.session) >= version(&shown.session)
        {
            return known.clone();
        }
        let before = state.sessions.insert(name.clone(), shown.clone());
        // Told under the lock, so that nobody is told the older state after the newer one.
        if before.is_none_or(|before| before.text != shown.text) {
            let user = &shown.session.spec.user;
            self.hub
                .tell(&name, user, Kind::Session, shown.text.clone());
        }
        shown
    }

    fn drop_session(&self, name: &str, uid: Option<&str>) {
        let mut state = self.lock();
        let Some(known) = state.sessions.get(name) else {
            return;
        };
        // A deletion that comes late speaks of an earlier session of the name.
        if uid.is_some_and(|uid| known.session.metadata.uid.as_deref() != Some(uid)) {
            return;
        }
        let user = known.session.spec.user.clone();
        state.sessions.remove(name);
        let text = serde_json::json!({ "id": name }).to_string();
        self.hub.tell(name, &user, Kind::Gone, text.into());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn version(session: &GameSession) -> u64 {
    let version = session.metadata.resource_version.as_deref();
    version
        .and_then(|text| text.parse().ok())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use serde_json::{Value, json};

    use super::super::hub::{Backlog, Told};
    use super::*;
    use crate::controller::named::Named;

    fn value(name: &str, uid: &str, version: u64, phase: &str) -> Value {
        json!({
            "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession",
            "metadata": {"name": name, "namespace": "games", "uid": uid, "resourceVersion": version.to_string()},
            "spec": {"gameRef": {"name": "chess"}, "user": "ann"},
            "status": {"phase": phase},
        })
    }

    fn guarded(value: Value) -> Guarded<GameSession> {
        serde_json::from_str(&value.to_string()).unwrap()
    }

    fn phase(mirror: &Mirror, name: &str) -> Option<String> {
        mirror.session(name)?.session.status.as_ref()?.phase.clone()
    }

    fn told(backlog: &Backlog) -> usize {
        match backlog.take() {
            Some(Told::Changes(changes)) => changes.len(),
            Some(Told::Anew) | None => 0,
        }
    }

    #[test]
    fn an_event_that_comes_late_takes_nothing_back() {
        let mirror = Mirror::default();
        let written = serde_json::from_value(value("a", "1", 9, "Running")).unwrap();
        mirror.wrote(written);
        mirror.saw_session(Saw::Applied(guarded(value("a", "1", 8, "Starting"))));
        assert_eq!(phase(&mirror, "a").as_deref(), Some("Running"));
        // Another session of the name is another session.
        mirror.saw_session(Saw::Applied(guarded(value("a", "2", 12, "Pending"))));
        mirror.saw_session(Saw::Deleted(guarded(value("a", "1", 11, "Running"))));
        assert_eq!(phase(&mirror, "a").as_deref(), Some("Pending"));
        mirror.saw_session(Saw::Missing(Named::new(Some("games"), "a")));
        assert_eq!(phase(&mirror, "a"), None);
    }

    #[test]
    fn listeners_are_told_what_changes_for_them_and_nothing_else() {
        let mirror = Mirror::default();
        let backlog = mirror.hub.listen();
        mirror.saw_session(Saw::Found(guarded(value("a", "1", 1, "Pending"))));
        assert_eq!(told(&backlog), 1);
        mirror.saw_session(Saw::Applied(guarded(value("a", "1", 2, "Pending"))));
        assert_eq!(told(&backlog), 0, "it looks the same");
        mirror.saw_session(Saw::Applied(guarded(value("a", "1", 3, "Running"))));
        mirror.saw_session(Saw::Deleted(guarded(value("a", "1", 4, "Running"))));
        assert_eq!(told(&backlog), 1, "that it is gone is the last word");
    }

    #[test]
    fn a_session_that_cannot_be_read_is_not_shown_and_spoils_nothing() {
        let mirror = Mirror::default();
        let mut odd = value("odd", "1", 1, "Running");
        odd["spec"]["runtime"] = "Wasm".into();
        mirror.saw_session(Saw::Found(guarded(odd)));
        mirror.saw_session(Saw::Found(guarded(value("a", "2", 2, "Running"))));
        mirror.saw_session(Saw::Listed);
        assert_eq!(mirror.sessions().len(), 1);
        assert!(!mirror.is_filled(), "Games were not listed yet");
        mirror.saw_game(Saw::Listed);
        assert!(mirror.is_filled());
    }

    #[tokio::test]
    async fn who_waits_for_a_session_sees_it_run_or_go() {
        let mirror = Mirror::default();
        mirror.saw_session(Saw::Found(guarded(value("a", "1", 1, "Pending"))));
        let runs =
            |s: &GameSession| s.status.as_ref().and_then(|s| s.phase.as_deref()) == Some("Running");
        let mut waits = Box::pin(mirror.wait_for("a", runs));
        assert!(waits.as_mut().now_or_never().is_none());
        mirror.saw_session(Saw::Applied(guarded(value("a", "1", 2, "Running"))));
        assert!(waits.await.is_some());
        let mut waits = Box::pin(mirror.wait_for("a", |_| false));
        assert!(waits.as_mut().now_or_never().is_none());
        mirror.saw_session(Saw::Deleted(guarded(value("a", "1", 3, "Running"))));
        assert!(waits.await.is_none());
    }
}
