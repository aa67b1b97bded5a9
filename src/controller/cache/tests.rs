//! The caches, object by object and event by event.

use serde_json::{Value, json};

use super::*;

fn session(name: &str, uid: &str, change: impl FnOnce(&mut Value)) -> Guarded<GameSession> {
    let mut value = json!({
        "metadata": {"name": name, "namespace": "games", "uid": uid, "generation": 1},
        "spec": {"gameRef": {"name": "wesnoth"}, "user": "alice"},
    });
    change(&mut value);
    serde_json::from_str(&value.to_string()).unwrap()
}

fn key(name: &str) -> Named {
    Named::new(Some("games"), name)
}

#[test]
fn our_own_status_asks_for_no_look_and_what_others_change_does() {
    let cache = SessionCache::default();
    let look =
        |change: fn(&mut Value)| cache.apply(session("a", "u", change), Came::AsAnEvent).look;
    assert!(look(|_| {}), "a new session");
    assert!(!look(|_| {}), "nothing changed");
    assert!(!look(|v| v["status"] = json!({"phase": "Running"})));
    assert!(!look(
        |v| v["metadata"]["annotations"] = json!({"example.org/a": "b"})
    ));
    assert!(!look(|v| v["metadata"]["labels"] = json!({"a": "b"})));
    assert!(look(|v| v["metadata"]["generation"] = json!(2)));
    assert!(look(|v| v["metadata"]["finalizers"] = json!(["a/b"])));
    assert!(look(
        |v| v["metadata"]["annotations"] = json!({"dillinger.dev/abandon-engine": "e"})
    ));
    assert!(look(
        |v| v["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z")
    ));
}

#[test]
fn another_object_of_the_same_name_is_a_new_session_and_the_old_one_is_gone() {
    let cache = SessionCache::default();
    cache.apply(session("a", "old", |_| {}), Came::AsAnEvent);
    let change = cache.apply(session("a", "new", |_| {}), Came::AsAnEvent);
    let gone = Some("old".to_owned());
    assert_eq!(change, Change { look: true, gone });
    assert_eq!(cache.by_uid("old"), None);
    assert_eq!(cache.by_uid("new"), Some(key("a")));
}

#[test]
fn what_is_removed_is_gone_from_every_index() {
    let cache = SessionCache::default();
    cache.apply(session("a", "u", |_| {}), Came::AsAnEvent);
    assert_eq!(cache.waiting_for("games", "wesnoth"), [key("a")]);
    assert_eq!(cache.remove(&key("a"), None).gone.as_deref(), Some("u"));
    assert!(cache.kept(&key("a")).is_none());
    assert!(cache.shown().is_empty());
    assert_eq!(cache.by_uid("u"), None);
    assert!(cache.waiting_for("games", "wesnoth").is_empty());
    assert!(cache.all().is_empty());
    assert_eq!(cache.remove(&key("a"), None), Change::default());
}

#[test]
fn a_game_wakes_its_sessions_without_a_container_and_no_others() {
    let cache = SessionCache::default();
    cache.apply(session("waits", "1", |_| {}), Came::AsAnEvent);
    cache.apply(
        session("plays", "2", |v| {
            v["status"] = json!({"container": {"id": "c"}})
        }),
        Came::AsAnEvent,
    );
    cache.apply(
        session("ended", "3", |v| {
            v["status"] = json!({"finishTime": "2026-01-01T00:00:00Z"})
        }),
        Came::AsAnEvent,
    );
    cache.apply(
        session("other", "4", |v| {
            v["spec"]["gameRef"]["name"] = json!("teeworlds")
        }),
        Came::AsAnEvent,
    );
    assert_eq!(cache.waiting_for("games", "wesnoth"), [key("waits")]);
    assert!(cache.waiting_for("elsewhere", "wesnoth").is_empty());
}

#[test]
fn a_session_that_names_another_game_moves_to_it() {
    let cache = SessionCache::default();
    cache.apply(session("a", "u", |_| {}), Came::AsAnEvent);
    cache.apply(
        session("a", "u", |v| {
            v["spec"]["gameRef"]["name"] = json!("teeworlds")
        }),
        Came::AsAnEvent,
    );
    assert!(cache.waiting_for("games", "wesnoth").is_empty());
    assert_eq!(cache.waiting_for("games", "teeworlds"), [key("a")]);
}

#[test]
fn what_sessions_show_is_counted_as_it_changes() {
    let cache = SessionCache::default();
    let phase = |name: &str, phase: &str| {
        let shows = |v: &mut Value| v["status"] = json!({"phase": phase});
        cache.apply(session(name, name, shows), Came::AsAnEvent);
    };
    phase("a", "Pending");
    phase("b", "Pending");
    phase("a", "Running");
    let counts = cache.shown();
    let counts: Vec<_> = counts
        .iter()
        .map(|(shown, n)| (&*shown.phase, *n))
        .collect();
    assert_eq!(counts, [("Pending", 1), ("Running", 1)]);
}

fn at(version: u64) -> impl FnOnce(&mut Value) {
    move |value| {
        value["metadata"]["resourceVersion"] = json!(version.to_string());
        value["metadata"]["generation"] = json!(version);
    }
}

fn cached_version(cache: &SessionCache) -> u64 {
    cache.kept(&key("a")).unwrap().version()
}

#[test]
fn an_event_that_came_out_of_order_took_the_cache_back_and_was_planned_over() {
    let cache = SessionCache::default();
    cache.apply(session("a", "u", at(6)), Came::AsAnEvent);
    let change = cache.apply(session("a", "u", at(5)), Came::AsAnEvent);
    assert_eq!(change, Change::default(), "it says nothing new");
    assert_eq!(cached_version(&cache), 6);
    assert!(
        cache.apply(session("a", "u", at(10)), Came::AsAnEvent).look,
        "numbers, not words"
    );
    assert_eq!(cached_version(&cache), 10);
}

#[test]
fn a_list_is_believed_though_a_restored_server_counts_from_before() {
    let cache = SessionCache::default();
    cache.apply(session("a", "u", at(6)), Came::AsAnEvent);
    assert!(cache.apply(session("a", "u", at(5)), Came::InAList).look);
    assert_eq!(cached_version(&cache), 5);
    let other = cache.apply(session("a", "v", at(3)), Came::AsAnEvent);
    assert_eq!(
        other.gone.as_deref(),
        Some("u"),
        "another object is no earlier state"
    );
}

#[test]
fn a_status_that_a_restored_server_lost_was_written_again_only_by_the_slow_clock() {
    let cache = SessionCache::default();
    let status = |version: &'static str| {
        move |v: &mut Value| v["metadata"]["resourceVersion"] = json!(version)
    };
    cache.apply(session("a", "u", status("6")), Came::AsAnEvent);
    assert!(
        !cache
            .apply(session("a", "u", status("6")), Came::InAList)
            .look
    );
    assert!(
        cache
            .apply(session("a", "u", status("5")), Came::InAList)
            .look
    );
    assert!(
        !cache
            .apply(session("a", "u", status("7")), Came::InAList)
            .look
    );
}

#[test]
fn a_finished_session_whose_newest_spec_a_restored_server_had_forgotten_to_be_seen_was_never_looked_at_again()
 {
    let cache = SessionCache::default();
    let ended = |observed: i64| {
        move |v: &mut Value| {
            v["metadata"]["generation"] = json!(2);
            v["status"] =
                json!({"finishTime": "2026-01-01T00:00:00Z", "observedGeneration": observed});
        }
    };
    let look = |observed| {
        let session = session("a", "u", ended(observed));
        cache.apply(session, Came::AsAnEvent).look
    };
    assert!(look(2), "a new session");
    assert!(!look(2));
    assert!(
        look(1),
        "its time to live was set, and forgotten, and set again"
    );
}

#[test]
fn the_late_deletion_of_a_session_took_the_next_one_of_its_name_out_of_the_cache() {
    let cache = SessionCache::default();
    cache.apply(session("a", "old", at(5)), Came::AsAnEvent);
    cache.apply(session("a", "new", at(7)), Came::AsAnEvent);
    assert_eq!(cache.remove(&key("a"), Some("old")), Change::default());
    assert_eq!(cached_version(&cache), 7);
    assert_eq!(
        cache.remove(&key("a"), Some("new")).gone.as_deref(),
        Some("new")
    );
}

#[test]
fn a_late_event_of_a_game_does_not_bring_its_former_spec_back() {
    let games = GameCache::default();
    let game = |uid: &str, version: u64| -> Guarded<Game> {
        let text = json!({
            "metadata": {
                "name": "g", "namespace": "n", "uid": uid, "generation": version,
                "resourceVersion": version.to_string(),
            },
            "spec": {"image": "example/game:1"},
        });
        serde_json::from_str(&text.to_string()).unwrap()
    };
    assert!(games.apply(game("u", 6), Came::AsAnEvent));
    assert!(!games.apply(game("u", 5), Came::AsAnEvent));
    assert_eq!(games.get("n", "g").unwrap().meta().generation, Some(6));
    assert!(!games.remove("n", "g", Some("former")));
    assert!(games.apply(game("u", 5), Came::InAList));
    assert!(games.remove("n", "g", Some("u")));
}

#[test]
fn only_another_spec_of_a_game_counts_as_a_change() {
    let games = GameCache::default();
    let game = |generation: i64| -> Guarded<Game> {
        let text = json!({
            "metadata": {"name": "g", "namespace": "n", "uid": "u", "generation": generation},
            "spec": {"image": "example/game:1"},
        });
        serde_json::from_str(&text.to_string()).unwrap()
    };
    assert!(games.apply(game(1), Came::AsAnEvent));
    assert!(!games.apply(game(1), Came::AsAnEvent));
    assert!(games.apply(game(2), Came::AsAnEvent));
    assert!(games.remove("n", "g", None));
    assert!(games.get("n", "g").is_none());
}
