//! The write table of the design, column by column, counted in the API server's audit log.

use dillinger_runner::api::PortProtocol;

use crate::harness::audit::words;
use crate::harness::{GameMaker, Scene, session, testgame};

const STATUS: &str = "patch gamesessions/status";
const META: &str = "patch gamesessions";

/// Ready at its start, so that no report of waiting can come between however busy the machine is.
fn instant() -> GameMaker {
    GameMaker::bare("arena")
        .args(&["--tcp", "7777"])
        .port("game", 7777, PortProtocol::TCP)
        .storage("world", "/data")
}

#[tokio::test]
async fn a_cold_session_costs_three_writes_to_ready() {
    let (scene, controller) = Scene::with_controller("writes-cold").await;
    scene.game(&instant()).await;
    let audit = scene.audit();
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    assert_eq!(words(&audit.session_writes()), [STATUS, META, STATUS]);
    assert_eq!(audit.conflicts(), 0);
    scene.close(controller).await;
}

#[tokio::test]
async fn a_requested_stop_costs_two_more_and_the_resume_two_again() {
    let (scene, controller) = Scene::with_controller("writes-stop").await;
    scene.game(&instant()).await;
    let audit = scene.audit();
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.stop().await;
    play.until_phase("Stopped").await;
    play.until_seen("the container is removed", || async {
        play.containers().await.is_empty().then_some(())
    })
    .await;
    assert_eq!(
        words(&audit.session_writes()),
        [STATUS, META, STATUS, STATUS, STATUS]
    );
    play.resume().await;
    play.until_ready().await;
    assert_eq!(
        audit.session_writes().len(),
        7,
        "{:?}",
        audit.session_writes()
    );
    assert_eq!(audit.conflicts(), 0);
    scene.close(controller).await;
}

#[tokio::test]
async fn an_end_by_deadline_and_ttl_costs_seven_in_all() {
    let (scene, controller) = Scene::with_controller("writes-deadline").await;
    scene.game(&instant().no_storage()).await;
    let audit = scene.audit();
    let play = scene
        .session(&session("friday", "arena").active_deadline(1).ttl(1))
        .await;
    play.until_gone().await;
    assert_eq!(
        words(&audit.session_writes()),
        [
            STATUS,
            META,
            STATUS,
            STATUS,
            STATUS,
            META,
            "delete gamesessions"
        ]
    );
    assert_eq!(audit.conflicts(), 0);
    scene.close(controller).await;
}

#[tokio::test]
async fn an_end_by_deadline_and_ttl_with_storage_costs_seven_too() {
    let (scene, controller) = Scene::with_controller("writes-storage").await;
    scene.game(&instant()).await;
    let audit = scene.audit();
    let play = scene
        .session(&session("friday", "arena").active_deadline(1).ttl(1))
        .await;
    play.until_gone().await;
    let writes = audit.session_writes();
    assert!(writes.len() <= 7, "{writes:?}");
    assert_eq!(audit.conflicts(), 0);
    scene.close(controller).await;
}

#[tokio::test]
async fn a_delete_while_running_costs_two_more() {
    let (scene, controller) = Scene::with_controller("writes-delete").await;
    scene.game(&instant()).await;
    let audit = scene.audit();
    let play = scene.session(&session("friday", "arena")).await;
    play.until_ready().await;
    play.delete().await;
    play.until_gone().await;
    assert_eq!(
        words(&audit.session_writes()),
        [STATUS, META, STATUS, STATUS, META]
    );
    assert_eq!(audit.conflicts(), 0);
    scene.close(controller).await;
}

#[tokio::test]
async fn a_restart_costs_at_most_three_more() {
    let (scene, controller) = Scene::with_controller("writes-restart").await;
    scene.game(&instant()).await;
    let audit = scene.audit();
    let play = scene.session(&session("friday", "arena").restarts(3)).await;
    play.until_ready().await;
    assert_eq!(play.ask("ping").await, "pong:ping");
    play.tell("crash 1").await;
    play.until_reason("Ready", "BackOff").await;
    play.until_ready().await;
    let writes = audit.session_writes();
    assert!(writes.len() <= 6, "{writes:?}");
    assert_eq!(audit.conflicts(), 0);
    let events = play.events().await;
    assert!(events.len() <= 4, "{events:?}");
    scene.close(controller).await;
}

#[tokio::test]
async fn a_game_that_takes_longer_to_be_ready_costs_one_report() {
    let (scene, controller) = Scene::with_controller("writes-waiting").await;
    scene
        .game(&testgame("arena").more_args(&["--ready-after", "3s"]))
        .await;
    let audit = scene.audit();
    let play = scene.session(&session("friday", "arena")).await;
    play.until_reason("Ready", "WaitingForReady").await;
    play.until_ready().await;
    assert_eq!(
        words(&audit.session_writes()),
        [STATUS, META, STATUS, STATUS]
    );
    scene.close(controller).await;
}
