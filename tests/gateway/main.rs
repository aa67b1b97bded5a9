//! The gateway on a real API server, with a real controller and Docker Engine behind it: the old runner's calls, ours beside
//! them, who may do what, live events, restarts. Runs inside `tests/world` (DILLINGER_WORLD).

#[path = "../real/harness/mod.rs"]
mod harness;

mod client;
mod listener;
mod process;
mod shape;

mod crowd;
mod docs;
mod events;
mod logs;
mod new_calls;
mod old_calls;
mod restart;
mod rights;
mod together;

use dillinger_runner::api::keys;

use harness::{GameMaker, testgame};

/// The Game of the old runner's clients that name none.
fn example() -> GameMaker {
    testgame("example").parameter(serde_json::json!({"name": "GAME_ID"}))
}

/// Labels of the old runner that its users' scripts look for.
const OLD_LABELS: [&str; 4] = [
    keys::OLD_TYPE,
    keys::OLD_GAME_ID,
    keys::OLD_SESSION_ID,
    keys::OLD_USER_ID,
];
