//! When a session is to be looked at again.

use futures::StreamExt;
use tokio::time::Instant;

use super::*;
use crate::runtime::simulated::waits::Waits;
use crate::session::seen::Answer;

#[tokio::test(start_paused = true)]
async fn an_exit_by_hand_ends_the_container_and_its_session_is_hinted_at() {
    let place = Scratch::new();
    let runtime = place.open();
    runtime.runs("a");
    runtime.runs("b");
    let mut hints = runtime.clone().hints();
    place.append("{\"exited\":{\"uid\":\"b\",\"code\":3,\"at\":\"2026-01-01T00:00:09Z\"}}\n");
    assert!(futures::poll!(hints.next()).is_pending());
    assert!(
        runtime.engine().await.is_some(),
        "the question that is asked again and again"
    );
    assert_eq!(hints.next().await, Some(Hint::Session("b".to_owned())));
    let Seen::Exited(_, exit) = runtime.sees("b") else {
        panic!("{:?}", runtime.sees("b"));
    };
    assert_eq!(exit.code, Some(3));
    assert_eq!(exit.finished, Some(start() + SignedDuration::from_secs(9)));
    assert!(matches!(runtime.sees("a"), Seen::Running(..)));
}

#[tokio::test(start_paused = true)]
async fn a_stop_a_kill_and_a_pull_are_hinted_at_once() {
    let place = Scratch::new();
    let runtime = place.open();
    let mut hints = runtime.clone().hints();
    let (a, b) = (runtime.runs("a"), runtime.runs("b"));
    runtime.does("a", &Effect::Stop(a, 30));
    runtime.does("b", &Effect::Kill(b));
    let pull = Effect::Pull {
        image: "image".to_owned(),
        policy: crate::api::ImagePullPolicy::Always,
    };
    runtime.does("c", &pull);
    for uid in ["a", "b", "c"] {
        assert_eq!(hints.next().await, Some(Hint::Session(uid.to_owned())));
    }
    let began = Instant::now();
    tokio::select! {
        hint = hints.next() => panic!("its own writes are no news: {hint:?}"),
        () = tokio::time::sleep(Duration::from_secs(60)) => {}
    }
    assert_eq!(began.elapsed(), Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_game_is_ready_when_its_time_has_passed_and_who_asked_is_told_in_that_instant() {
    let place = Scratch::new();
    let runtime = place.ready_after(Duration::from_millis(1500));
    let mut hints = runtime.clone().hints();
    runtime.runs("a");
    tokio::time::advance(Duration::from_secs(1)).await;
    runtime.runs("b");
    for uid in ["a", "b", "a"] {
        let seen = runtime.sees(uid);
        assert!(
            matches!(seen, Seen::Running(_, Answer::NotReady(_))),
            "{seen:?}"
        );
    }
    let began = Instant::now();
    assert_eq!(hints.next().await, Some(Hint::Session("a".to_owned())));
    assert_eq!(began.elapsed(), Duration::from_millis(500));
    assert!(matches!(runtime.sees("a"), Seen::Running(_, Answer::Ready)));
    assert!(matches!(
        runtime.sees("b"),
        Seen::Running(_, Answer::NotReady(_))
    ));
    assert_eq!(hints.next().await, Some(Hint::Session("b".to_owned())));
    assert_eq!(began.elapsed(), Duration::from_millis(1500));
    assert!(matches!(runtime.sees("b"), Seen::Running(_, Answer::Ready)));
}

#[tokio::test(start_paused = true)]
async fn a_sooner_game_that_comes_later_is_not_kept_waiting() {
    let waits = Waits::default();
    let now = Instant::now();
    let (far, near) = (Duration::from_secs(20), Duration::from_secs(10));
    waits.add("far", now + far);
    let due = waits.due();
    tokio::pin!(due);
    assert!(futures::poll!(&mut due).is_pending());
    waits.add("near", now + near);
    assert_eq!(due.await, ["near"]);
    assert_eq!(now.elapsed(), near);
    assert_eq!(waits.due().await, ["far"]);
    assert_eq!(now.elapsed(), far);
}
