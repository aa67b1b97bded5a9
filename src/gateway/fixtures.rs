//! A gateway for tests: its copy is complete, and its API server is a function.

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::auth::{Auth, Mode};
use super::door::Origins;
use super::limits::Limits;
use super::mirror::Mirror;
use super::state::{Gateway, Inner};
use crate::api::GameSession;
use crate::controller::guard::Guarded;
use crate::controller::watches::Saw;
use crate::telemetry::health::Health;

/// Open, in the namespace `games`, with an empty copy.
pub fn gateway(client: Client) -> Gateway {
    gateway_with(Mode::Open(client))
}

/// The same with another way to know callers.
pub fn gateway_with(mode: Mode) -> Gateway {
    let mirror = Mirror::default();
    mirror.saw_session(Saw::Listed);
    mirror.saw_game(Saw::Listed);
    Gateway(Arc::new(Inner {
        namespace: "games".to_owned(),
        mirror,
        health: Health::new(),
        auth: Auth::new(mode, "games".to_owned(), Limits::new(0)),
        own_only: false,
        origins: Origins(vec!["http://localhost:3001".to_owned()]),
        backend: None,
        wait: Duration::ZERO,
        started: Instant::now(),
        stop: CancellationToken::new(),
    }))
}

/// What a list shows of a session.
pub fn session(value: Value) -> Saw<Guarded<GameSession>> {
    Saw::Found(serde_json::from_str(&value.to_string()).unwrap())
}
