//! What every request needs: the copy, the client, and the limits.

use std::sync::Arc;
use std::time::Duration;

use kube::{Api, Client};
use tokio::time::Instant;

use super::door::Origins;
use super::mirror::Mirror;
use super::problem::Problem;
use crate::api::GameSession;
use crate::telemetry::health::Health;

/// Shared by all requests; a copy is the same.
#[derive(Clone)]
pub struct Gateway(pub Arc<Inner>);

pub struct Inner {
    pub client: Client,
    /// The one namespace whose sessions and Games this gateway shows.
    pub namespace: String,
    pub mirror: Mirror,
    pub health: Health,
    pub origins: Origins,
    /// Longest that `POST /sessions` waits until the game runs.
    pub wait: Duration,
    pub started: Instant,
}

impl std::ops::Deref for Gateway {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    pub fn sessions(&self) -> Api<GameSession> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A session of the copy.
    ///
    /// # Errors
    /// 404 in the old runner's words; 503 while the copy is not complete.
    pub fn session(&self, id: &str) -> Result<Arc<GameSession>, Problem> {
        self.filled("Failed to get session")?;
        let known = self.mirror.session(id);
        known.ok_or_else(|| {
            let shown: String = id.chars().filter(|c| !c.is_control()).take(64).collect();
            Problem::not_found("Session not found", format!("there is no session \"{shown}\""))
        })
    }

    /// # Errors
    /// 503 until both lists came.
    pub fn filled(&self, error: &str) -> Result<(), Problem> {
        if self.mirror.is_filled() {
            return Ok(());
        }
        let words = "sessions and games were not listed yet: the API server does not answer";
        Err(Problem::unavailable(error, words.to_owned()))
    }
}
