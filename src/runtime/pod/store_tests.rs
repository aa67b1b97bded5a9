//! Words of watches, answers and lists in every order.

use super::*;
use crate::session::reason::Reason;
use crate::session::seen::Exit;
use jiff::Timestamp;

fn pod(id: &str, version: u64, state: State) -> PodSeen {
    PodSeen {
        session: "s".into(),
        namespace: "games".into(),
        name: "friday-0123456789".to_owned(),
        id: id.to_owned(),
        version,
        attempt: Some(0),
        created: Timestamp::UNIX_EPOCH,
        image: "i".into(),
        image_id: None,
        node: Some("node1".into()),
        contract: None,
        ports: Some("game=7001".to_owned()),
        exposure: Exposure::HostPort,
        address: Some("10.202.1.7".to_owned()),
        bound: vec![(7001, Transport::Udp)],
        terminating: false,
        started: None,
        state,
    }
}

fn pending(id: &str, version: u64) -> PodSeen {
    pod(id, version, State::Waiting(Reason::Creating, String::new()))
}

fn running(id: &str, version: u64) -> PodSeen {
    pod(id, version, State::Running { ready: true })
}

fn ended(id: &str, version: u64) -> PodSeen {
    pod(id, version, State::Ended(Box::default()))
}

fn ids(store: &Store) -> Vec<String> {
    store
        .of("s", Some(0))
        .iter()
        .map(|(pod, _)| pod.id.clone())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn an_older_word_changes_nothing_and_a_list_always_counts() {
    let store = Store::default();
    assert!(store.apply(running("p", 7), Came::AsAnEvent));
    assert!(!store.apply(pending("p", 5), Came::AsAReply));
    assert!(!store.apply(pending("p", 5), Came::AsAnEvent));
    assert!(matches!(
        store.of("s", Some(0))[0].0.state,
        State::Running { .. }
    ));
    assert!(store.apply(pending("p", 5), Came::InAList));
}

fn deleted(pod: PodSeen) -> PodSeen {
    PodSeen {
        terminating: true,
        ..pod
    }
}

fn interrupted(pod: PodSeen) -> PodSeen {
    let interrupted = Some(DELETED.to_owned());
    PodSeen {
        state: State::Ended(Box::new(Exit {
            interrupted,
            ..Exit::default()
        })),
        ..pod
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_clock_is_behind_made_of_a_deletion_by_hand_an_end_by_itself() {
    let store = Store::default();
    store.apply(deleted(running("p", 7)), Came::AsAnEvent);
    store.apply(deleted(ended("p", 8)), Came::AsAnEvent);
    let known = store.find("s", "p").expect("it is there");
    assert_eq!(*known, interrupted(deleted(ended("p", 8))));
    // The last word of another one is the first of its end.
    let store = Store::default();
    store.apply(deleted(running("q", 7)), Came::AsAnEvent);
    store.deleted(deleted(ended("q", 8)));
    let (last, _) = store.of("s", Some(0)).remove(0);
    assert_eq!(*last, interrupted(deleted(ended("q", 8))));
}

#[tokio::test(start_paused = true)]
async fn a_node_whose_clock_is_ahead_made_of_an_end_by_itself_a_deletion() {
    let store = Store::default();
    store.apply(ended("p", 7), Came::AsAnEvent);
    store.apply(interrupted(deleted(ended("p", 8))), Came::AsAnEvent);
    let known = store.find("s", "p").expect("it is there");
    assert_eq!(*known, deleted(ended("p", 8)));
}

/// Its kubelet deletes it once more when the game has ended: the grace is 0 then, and the time of the deletion that moment.
#[tokio::test(start_paused = true)]
async fn the_last_word_of_a_pod_that_was_deleted_by_hand_made_of_it_an_end_by_itself() {
    let store = Store::default();
    store.apply(deleted(running("p", 7)), Came::AsAnEvent);
    store.apply(interrupted(deleted(ended("p", 8))), Came::AsAnEvent);
    store.apply(deleted(ended("p", 9)), Came::AsAnEvent);
    let known = store.find("s", "p").expect("it is there");
    assert_eq!(*known, interrupted(deleted(ended("p", 9))));
    store.deleted(deleted(ended("p", 10)));
    let (last, _) = store.of("s", Some(0)).remove(0);
    assert_eq!(*last, interrupted(deleted(ended("p", 10))));
}

#[tokio::test(start_paused = true)]
async fn the_same_said_again_is_nothing_new() {
    let store = Store::default();
    store.apply(running("p", 7), Came::AsAnEvent);
    assert!(!store.apply(running("p", 8), Came::AsAnEvent));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_after_the_deletion_brings_nothing_back() {
    let store = Store::default();
    store.apply(running("p", 7), Came::AsAnEvent);
    store.deleted(running("p", 9));
    assert!(!store.apply(running("p", 7), Came::AsAReply));
    assert!(ids(&store).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_pod_outlives_it_until_somebody_took_note() {
    let store = Store::default();
    store.apply(running("p", 7), Came::AsAnEvent);
    store.deleted(ended("p", 9));
    assert_eq!(ids(&store), ["p"]);
    assert!(store.find("s", "p").is_none());
    store.dismiss("s", "p");
    assert!(ids(&store).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_was_noted_before_the_deletion_is_not_shown_after_it() {
    let store = Store::default();
    store.apply(ended("p", 7), Came::AsAnEvent);
    assert!(!store.of("s", Some(0))[0].1);
    store.dismiss("s", "p");
    assert!(store.of("s", Some(0))[0].1);
    store.deleted(ended("p", 9));
    assert!(ids(&store).is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_was_noted_between_a_deletion_by_hand_and_its_last_word_holds_up_no_next_attempt()
 {
    let store = Store::default();
    let going = PodSeen {
        terminating: true,
        ..ended("p", 8)
    };
    store.apply(going.clone(), Came::AsAnEvent);
    store.deleted(going);
    assert_eq!(store.of("s", Some(0)).len(), 1);
    assert!(store.of("s", Some(1)).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_vanished_while_it_ran_leaves_nothing() {
    let store = Store::default();
    store.apply(running("p", 7), Came::AsAnEvent);
    store.deleted(running("p", 9));
    assert!(ids(&store).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_new_pod_hides_the_end_of_the_one_before() {
    let store = Store::default();
    store.apply(ended("p", 7), Came::AsAnEvent);
    store.deleted(ended("p", 9));
    store.apply(pending("q", 10), Came::AsAReply);
    assert_eq!(ids(&store), ["q"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_list_does_not_show_is_gone_and_its_session_is_named() {
    let store = Store::default();
    store.apply(running("p", 7), Came::AsAnEvent);
    assert!(store.known_in(Some("other")).is_empty());
    let missing = store.known_in(Some("games"));
    assert_eq!(store.known_in(None), missing);
    assert_eq!(store.unlisted(&missing), ["s".into()]);
    assert!(ids(&store).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_was_made_while_a_list_came_in_is_there_though_the_list_does_not_show_it() {
    let store = Store::default();
    store.apply(running("p", 7), Came::AsAnEvent);
    let mut missing = store.known_in(None);
    store.apply(pending("q", 9), Came::AsAReply);
    missing.remove("p");
    assert!(store.unlisted(&missing).is_empty());
    assert_eq!(ids(&store), ["p", "q"]);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_changes_names_the_sessions_on_it() {
    let store = Store::default();
    store.apply(running("p", 7), Came::AsAnEvent);
    let node = |ready| NodeSeen {
        ready,
        address: Some("10.0.0.1".to_owned()),
    };
    let known = running("p", 7);
    assert_eq!(store.node_of(&known), super::Node::Away);
    assert_eq!(store.node("node1", Some(node(true))), ["s".into()]);
    assert!(store.node("node1", Some(node(true))).is_empty());
    assert!(store.node("node2", Some(node(true))).is_empty());
    assert_eq!(store.nodes(), 2);
    assert_eq!(store.node("node1", Some(node(false))), ["s".into()]);
    assert_eq!(store.node_of(&known), super::Node::Away);
}

#[tokio::test(start_paused = true)]
async fn a_port_is_held_by_who_lives_and_not_by_oneself() {
    let store = Store::default();
    let port = (7001, Transport::Udp);
    store.apply(running("p", 7), Came::AsAnEvent);
    store.apply(running("p", 8), Came::AsAnEvent);
    assert_eq!(
        (store.holders("other", port), store.holders("s", port)),
        (1, 0)
    );
    store.apply(ended("p", 9), Came::AsAnEvent);
    assert_eq!(store.holders("other", port), 0);
    store.deleted(ended("p", 10));
    store.apply(running("q", 11), Came::AsAnEvent);
    store.apply(running("r", 12), Came::AsAnEvent);
    assert_eq!(store.holders("other", port), 2);
    store.deleted(running("q", 13));
    let unlisted = store.unlisted(&HashSet::from(["r".to_owned()]));
    assert_eq!((unlisted.len(), store.holders("other", port)), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn players_reach_a_game_at_its_node_its_load_balancer_or_itself() {
    let store = Store::default();
    let at = |exposure| {
        let pod = PodSeen {
            exposure,
            ..running("p", 7)
        };
        store.host_of(&pod)
    };
    for exposure in [
        Exposure::HostPort,
        Exposure::NodePort,
        Exposure::LoadBalancer,
    ] {
        assert_eq!(at(exposure), None, "{exposure:?}");
    }
    let node = NodeSeen {
        ready: true,
        address: Some("192.0.2.1".to_owned()),
    };
    store.node("node1", Some(node));
    let balanced = ServiceSeen {
        namespace: "games".into(),
        address: Some("lb.example.org".to_owned()),
    };
    assert!(store.service("s", Some(balanced.clone())));
    assert!(!store.service("s", Some(balanced)));
    assert_eq!(at(Exposure::HostPort).as_deref(), Some("192.0.2.1"));
    assert_eq!(at(Exposure::NodePort).as_deref(), Some("192.0.2.1"));
    assert_eq!(
        at(Exposure::LoadBalancer).as_deref(),
        Some("lb.example.org")
    );
    assert_eq!(at(Exposure::None).as_deref(), Some("10.202.1.7"));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_a_list_does_not_show_is_gone() {
    let store = Store::default();
    let service = ServiceSeen {
        namespace: "games".into(),
        address: None,
    };
    store.service("s", Some(service));
    let none = HashSet::new();
    assert!(store.services_missing_in(Some("other"), &none).is_empty());
    assert_eq!(store.services_missing_in(Some("games"), &none), ["s"]);
    assert!(store.has_service("s"));
    store.service("s", None);
    assert!(!store.has_service("s"));
}
