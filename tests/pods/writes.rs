//! The write table of the design, column Pod: what passed the controller's gate.

use dillinger_runner::api::PortProtocol;

use crate::bed::Bed;
use crate::make::{GameMaker, session};

/// Ready at its start, so that no report of waiting can come between however busy the machine is.
fn instant() -> GameMaker {
    GameMaker::bare("arena")
        .args(&["--tcp", "7777"])
        .port("game", 7777, PortProtocol::TCP)
}

fn counted(writes: &[(String, u64)]) -> Vec<(&str, u64)> {
    writes.iter().map(|(call, n)| (call.as_str(), *n)).collect()
}

#[tokio::test]
async fn a_cold_session_costs_two_records_and_one_pod() {
    let bed = Bed::open("pods-writes").await;
    bed.game(&instant()).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    // A write counts once it is answered, which others see sooner.
    crate::wait::until("the record of Ready is answered", || async {
        let writes = bed.all_writes().await;
        (counted(&writes) == [("create", 1), ("record", 2)]).then_some(())
    })
    .await;
    play.delete().await;
    play.until_no_pod().await;
    assert_eq!(
        counted(&bed.all_writes().await),
        [("create", 1), ("record", 2)]
    );
    bed.close().await;
}

#[tokio::test]
async fn a_requested_stop_costs_two_records_and_one_delete_and_the_resume_three_again() {
    let bed = Bed::open("pods-writes-stop").await;
    bed.game(&instant()).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.stop().await;
    play.until_phase("Stopped").await;
    play.until_no_pod().await;
    let writes = bed.all_writes().await;
    let count = |call: &str| {
        let found = writes.iter().find(|(name, _)| name == call);
        found.map_or(0, |(_, n)| *n)
    };
    assert_eq!((count("record"), count("create"), count("stop")), (4, 1, 1));
    assert_eq!(count("report"), 0, "{writes:?}");
    play.resume().await;
    play.until_ready_in(1).await;
    let writes = bed.all_writes().await;
    let count = |call: &str| {
        let found = writes.iter().find(|(name, _)| name == call);
        found.map_or(0, |(_, n)| *n)
    };
    assert_eq!((count("record"), count("create")), (6, 2));
    assert_eq!(count("report"), 0, "{writes:?}");
    bed.close().await;
}
