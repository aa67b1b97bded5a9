//! What a user and a game do, while the controller may die.

use dillinger_runner::api::ConditionStatus;

use crate::harness::play::is;
use crate::harness::{Play, Scene, session, testgame};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Story {
    ColdStart,
    Stop,
    ResumeWithStorage,
    DeleteWhileRunning,
    CrashWithRestart,
    /// The game's own end, and its session's time to live after it.
    EndAndTimeToLive,
}

impl Story {
    pub const ALL: [Story; 6] = [
        Story::ColdStart,
        Story::Stop,
        Story::ResumeWithStorage,
        Story::DeleteWhileRunning,
        Story::CrashWithRestart,
        Story::EndAndTimeToLive,
    ];

    /// A name for its namespace.
    pub fn slug(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    /// Plays it to its end: the session as it stands there, None if it is gone.
    pub async fn play(self, scene: &Scene) -> Option<Play<'_>> {
        let game = testgame("arena");
        let game = match self {
            Story::EndAndTimeToLive => game.more_args(&["--exit-after", "3s"]),
            _ => game,
        };
        scene.game(&game).await;
        let wish = session("friday", "arena");
        let wish = match self {
            Story::CrashWithRestart => wish.restarts(2),
            Story::EndAndTimeToLive => wish.ttl(1),
            _ => wish,
        };
        let play = scene.session(&wish).await;
        match self {
            Story::ColdStart => {
                until_ready(&play, 0).await;
            }
            Story::Stop => {
                until_ready(&play, 0).await;
                play.stop().await;
                until_stopped(&play).await;
            }
            Story::ResumeWithStorage => {
                until_ready(&play, 0).await;
                let world = world(&play).await;
                play.stop().await;
                until_stopped(&play).await;
                play.resume().await;
                until_ready(&play, 1).await;
                assert_eq!(world, self::world(&play).await, "another world");
            }
            Story::DeleteWhileRunning => {
                until_ready(&play, 0).await;
                play.delete().await;
                play.until_gone().await;
                return None;
            }
            Story::CrashWithRestart => {
                until_ready(&play, 0).await;
                let world = world(&play).await;
                play.tell("crash 1").await;
                until_ready(&play, 1).await;
                assert_eq!(world, self::world(&play).await, "another world");
            }
            Story::EndAndTimeToLive => {
                play.until_gone().await;
                return None;
            }
        }
        Some(play)
    }
}

async fn until_ready(play: &Play<'_>, attempt: i32) {
    play.until(&format!("is Ready in attempt {attempt}"), |s| {
        is(s, "Ready", ConditionStatus::True)
            && s.status.as_ref().and_then(|t| t.attempt) == Some(attempt)
    })
    .await;
}

async fn until_stopped(play: &Play<'_>) {
    play.until_phase("Stopped").await;
    play.until_seen("the container is removed", || async {
        play.containers().await.is_empty().then_some(())
    })
    .await;
}

/// Which world the game plays in.
async fn world(play: &Play<'_>) -> String {
    let saved = play.ask("world").await;
    let id = saved.split(';').next().unwrap_or_default();
    assert!(id.starts_with("world "), "{saved}");
    id.to_owned()
}
