//! The last reply to a write of ours, until the cache has caught up.
//!
//! A cache lags behind our own writes; deciding on it again would write again and conflict, and would start a
//! session anew that the API server said is gone. Never blocks beyond a short lock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use kube::Resource;
use tokio::time::Instant;

use super::cache::{print, print_of};
use super::guard::Guarded;
use super::kept::Kept;
use crate::api::GameSession;

/// How long what a cache says of a session that is gone is not believed. Longer than the ten minutes between
/// two lists, which take it out of any cache; a session that a backup brought back waits as long.
const GONE: Duration = Duration::from_secs(15 * 60);

/// Replies by uid.
#[derive(Debug, Default)]
pub struct OwnWrites {
    replies: Mutex<HashMap<String, Reply>>,
    gone: Mutex<HashMap<String, Instant>>,
    /// Versions that our writes made and no watch has shown, oldest first, and when they were answered.
    unseen: Mutex<HashMap<String, Vec<(u64, Instant)>>>,
}

/// How what came stands to the reply that the cache had not caught up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// None is waited for, it is newer, or what came says the same later.
    Nothing,
    /// It only shows what we wrote ourselves.
    Echo,
    /// It stands in the place of what we wrote, and what a decision depends on is not as we wrote it.
    Otherwise,
}

#[derive(Debug)]
struct Reply {
    session: Arc<GameSession>,
    since: Instant,
}

impl Reply {
    fn version(&self) -> u64 {
        version(&*self.session)
    }

    fn print(&self) -> u64 {
        print(&self.session.metadata, self.session.status.as_ref())
    }
}

impl OwnWrites {
    /// The API server said that the session is gone; a cache that lags, and late events, say otherwise.
    pub fn gone(&self, uid: &str) {
        let mut gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.retain(|_, since| since.elapsed() < GONE);
        gone.insert(uid.to_owned(), Instant::now());
    }

    fn is_gone(&self, uid: &str) -> bool {
        let gone = self.gone.lock().unwrap_or_else(PoisonError::into_inner);
        gone.get(uid).is_some_and(|since| since.elapsed() < GONE)
    }

    /// Remembers a reply (or a live GET); it stands until the cache is as new.
    pub fn remember(&self, uid: &str, reply: Arc<GameSession>) {
        let reply = Reply {
            session: reply,
            since: Instant::now(),
        };
        self.lock().insert(uid.to_owned(), reply);
    }

    /// A list that was begun then shows this version. A newer reply that we had before it is of an API server that has
    /// gone back to a backup since: what it says is lost. Whether it was so.
    pub fn listed(&self, uid: &str, shown: u64, begun: Instant) -> bool {
        let mut replies = self.lock();
        let lost = |reply: &Reply| reply.since < begun && reply.version() > shown;
        let lost = replies.get(uid).is_some_and(lost);
        if lost {
            replies.remove(uid);
        }
        lost
    }

    /// A write of ours was answered with this; it is unseen until it has [`arrived`](Self::arrived).
    pub fn answered(&self, uid: &str, reply: &GameSession) {
        let answer = (version(reply), Instant::now());
        self.unseen()
            .entry(uid.to_owned())
            .or_default()
            .push(answer);
    }

    /// The cache holds this version: when each write of ours that it shows was answered, each told once.
    pub fn arrived(&self, uid: &str, shown: u64) -> Vec<Instant> {
        let mut unseen = self.unseen();
        let Some(answers) = unseen.get_mut(uid) else {
            return Vec::new();
        };
        let seen = answers.extract_if(.., |(version, _)| *version <= shown);
        let seen = seen.map(|(_, answered)| answered).collect();
        if answers.is_empty() {
            unseen.remove(uid);
        }
        seen
    }

    /// The cache holds this version: a reply that is no newer has served its turn.
    pub fn caught_up(&self, uid: &str, cached: u64) {
        let mut replies = self.lock();
        if replies
            .get(uid)
            .is_some_and(|reply| reply.version() <= cached)
        {
            replies.remove(uid);
        }
    }

    /// The newer of our last reply and the cache. The cache is read after the reply, both under one lock:
    /// the other way round the cache may catch up in between, and both would be missed.
    pub fn newest(
        &self,
        uid: &str,
        cached: impl FnOnce() -> Option<Kept>,
    ) -> Option<Arc<GameSession>> {
        if self.is_gone(uid) {
            return None;
        }
        let cached = {
            let mut replies = self.lock();
            let cached = cached();
            match (replies.get(uid), &cached) {
                (Some(reply), Some(cached))
                    if cached.uid() == uid && reply.version() > cached.version() =>
                {
                    return Some(reply.session.clone());
                }
                // The cache is as new, or holds another object of this name, or none: that of the reply is gone.
                (Some(_), _) => {
                    replies.remove(uid);
                }
                (None, _) => {}
            }
            cached
        };
        cached?.read()
    }

    /// What came in this version, against the reply. A cache alone cannot tell: an API server that went back to a backup
    /// and then went on shows what the cache had before our write, in a version that is later than it.
    pub fn against(&self, uid: &str, shown: u64, came: &Guarded<GameSession>) -> Against {
        let replies = self.lock();
        match replies.get(uid) {
            Some(reply) if reply.version() > shown => Against::Nothing,
            Some(reply) if reply.print() != print_of(came) => Against::Otherwise,
            Some(reply) if reply.version() == shown => Against::Echo,
            Some(_) | None => Against::Nothing,
        }
    }

    /// The session is gone.
    pub fn forget(&self, uid: &str) {
        self.lock().remove(uid);
        self.unseen().remove(uid);
    }

    fn unseen(&self) -> MutexGuard<'_, HashMap<String, Vec<(u64, Instant)>>> {
        self.unseen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Reply>> {
        self.replies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Versions of one object can be compared as numbers (Kubernetes 1.35 says so, etcd always did).
pub fn version<K: Resource>(object: &K) -> u64 {
    let text = object.meta().resource_version.as_deref();
    text.and_then(|text| text.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use kube::ResourceExt;

    use super::*;
    use crate::api::{GameRef, GameSessionSpec};

    fn session(uid: &str, version: u64) -> Arc<GameSession> {
        let spec = GameSessionSpec {
            game_ref: GameRef {
                name: "g".to_owned(),
            },
            user: "u".to_owned(),
            runtime: None,
            desired_state: Default::default(),
            parameters: None,
            resources: None,
            start_deadline_seconds: None,
            active_deadline_seconds: None,
            termination_grace_period_seconds: None,
            ttl_seconds_after_finished: None,
            restart_policy: Default::default(),
            backoff_limit: 3,
        };
        let mut session = GameSession::new("friday", spec);
        session.metadata.uid = Some(uid.to_owned());
        session.metadata.resource_version = Some(version.to_string());
        Arc::new(session)
    }

    fn cached(uid: &str, version: u64) -> Option<Kept> {
        Some(Kept::from(Guarded::Read(session(uid, version))))
    }

    #[test]
    fn our_reply_wins_until_the_cache_is_as_new() {
        let own = OwnWrites::default();
        own.remember("u", session("u", 10));
        let seen = |at| own.newest("u", || cached("u", at)).map(|s| version(&*s));
        assert_eq!(seen(9), Some(10));
        assert_eq!(seen(8), Some(10));
        assert_eq!(seen(10), Some(10));
        assert_eq!(seen(9), Some(9), "dropped once the cache had caught up");
    }

    #[test]
    fn versions_are_numbers_and_not_words() {
        let own = OwnWrites::default();
        own.remember("u", session("u", 10));
        assert_eq!(version(&*own.newest("u", || cached("u", 9)).unwrap()), 10);
    }

    #[test]
    fn a_cache_that_lost_the_object_wins_since_it_was_deleted() {
        let own = OwnWrites::default();
        own.remember("u", session("u", 10));
        assert!(own.newest("u", || None).is_none());
        own.remember("u", session("u", 10));
        let other = own.newest("u", || cached("v", 3)).unwrap();
        assert_eq!(other.uid().as_deref(), Some("v"));
    }

    #[test]
    fn the_cache_is_read_after_the_reply() {
        // The watch catches up between the two reads: what was written must not be missed.
        let own = OwnWrites::default();
        own.remember("u", session("u", 10));
        let newest = own.newest("u", || cached("u", 11));
        assert_eq!(version(&*newest.unwrap()), 11);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reply_that_a_restored_api_server_lost_was_planned_over_for_ever() {
        let own = OwnWrites::default();
        let second = Duration::from_secs(1);
        let before = Instant::now();
        tokio::time::advance(second).await;
        own.remember("u", session("u", 10));
        let seen = |at| own.newest("u", || cached("u", at)).map(|s| version(&*s));
        assert!(!own.listed("u", 8, before));
        assert_eq!(seen(8), Some(10), "that list was begun before our write");
        tokio::time::advance(second).await;
        assert!(!own.listed("v", 8, Instant::now()));
        assert_eq!(seen(8), Some(10), "that is another session");
        assert!(own.listed("u", 8, Instant::now()), "it is to be looked at");
        assert_eq!(seen(8), Some(8));
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_that_is_gone_stays_gone_whatever_a_late_cache_says() {
        let own = OwnWrites::default();
        own.remember("u", session("u", 10));
        own.gone("u");
        own.forget("u");
        assert!(own.newest("u", || cached("u", 9)).is_none());
        assert!(own.newest("u", || None).is_none());
        assert!(own.newest("u", || cached("u", 11)).is_none());
        assert!(own.newest("v", || cached("v", 12)).is_some());
        tokio::time::advance(GONE).await;
        assert!(own.newest("u", || cached("u", 11)).is_some());
    }

    /// How a version of this session stands to what waits for it.
    fn against(own: &OwnWrites, uid: &str, version: u64, change: fn(&mut GameSession)) -> Against {
        let mut came = session(uid, version);
        change(Arc::make_mut(&mut came));
        own.against(uid, version, &Guarded::Read(came))
    }

    fn is_echo(own: &OwnWrites, version: u64) -> bool {
        against(own, "u", version, |_| {}) == Against::Echo
    }

    #[test]
    fn an_event_that_shows_our_own_write_is_an_echo_and_a_later_one_is_not() {
        let own = OwnWrites::default();
        own.remember("u", session("u", 10));
        assert!(is_echo(&own, 10));
        assert!(!is_echo(&own, 11));
        assert_eq!(against(&own, "v", 10, |_| {}), Against::Nothing);
        own.forget("u");
        assert!(!is_echo(&own, 10));
    }

    #[test]
    fn a_finalizer_that_a_restored_server_put_back_stayed_since_the_cache_had_had_it_all_along() {
        let own = OwnWrites::default();
        own.remember("u", session("u", 10));
        let back =
            |came: &mut GameSession| came.metadata.finalizers = Some(vec!["ours".to_owned()]);
        assert_eq!(against(&own, "u", 9, back), Against::Nothing, "from before");
        assert_eq!(against(&own, "u", 11, back), Against::Otherwise);
        let counted_twice = "the same number, given to another state";
        assert_eq!(
            against(&own, "u", 10, back),
            Against::Otherwise,
            "{counted_twice}"
        );
        let renewed = |came: &mut GameSession| came.metadata.labels = Some(Default::default());
        assert_eq!(
            against(&own, "u", 11, renewed),
            Against::Nothing,
            "no decision depends on it"
        );
    }

    #[test]
    fn a_session_that_had_finished_said_running_for_ever_once_a_backup_had_forgotten_its_end() {
        let own = OwnWrites::default();
        let mut finished = session("u", 10);
        let status = serde_json::json!({"finishTime": "2026-01-02T03:04:05Z"});
        Arc::make_mut(&mut finished).status = Some(serde_json::from_value(status).unwrap());
        own.remember("u", finished);
        assert_eq!(
            against(&own, "u", 9, |_| {}),
            Against::Nothing,
            "from before"
        );
        assert_eq!(against(&own, "u", 11, |_| {}), Against::Otherwise);
    }

    #[test]
    fn a_reply_goes_once_the_cache_is_as_new_and_not_before() {
        let own = OwnWrites::default();
        own.remember("u", session("u", 10));
        own.caught_up("u", 9);
        assert!(is_echo(&own, 10), "an older event leaves it");
        own.caught_up("v", 11);
        assert!(is_echo(&own, 10), "another session's leaves it");
        own.caught_up("u", 10);
        assert!(!is_echo(&own, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_is_unseen_until_the_cache_holds_it_or_something_newer_and_is_told_once() {
        let own = OwnWrites::default();
        let second = Duration::from_secs(1);
        own.answered("u", &session("u", 10));
        tokio::time::advance(second).await;
        own.answered("u", &session("u", 12));
        own.answered("v", &session("v", 11));
        let none: [Duration; 0] = [];
        let ages = |uid, version| -> Vec<Duration> {
            let answered = own.arrived(uid, version);
            answered.iter().map(Instant::elapsed).collect()
        };
        assert_eq!(ages("u", 9), none);
        assert_eq!(ages("u", 11), [second], "another's write on top of ours");
        assert_eq!(ages("u", 11), none, "told once");
        tokio::time::advance(second).await;
        assert_eq!(ages("u", 12), [second]);
        own.forget("v");
        assert_eq!(ages("v", 11), none, "gone, and never seen");
    }
}
