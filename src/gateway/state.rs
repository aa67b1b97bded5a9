//! What every request needs: the copy, who calls, the limits.

use std::sync::Arc;
use std::time::Duration;

use kube::Api;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::auth::{Auth, Caller};
use super::backend::Backend;
use super::door::Origins;
use super::mirror::{Mirror, Shown};
use super::problem::Problem;
use crate::api::GameSession;
use crate::session::quoted::quoted;
use crate::telemetry::health::Health;

/// Shared by all requests; a copy is the same.
#[derive(Clone)]
pub struct Gateway(pub Arc<Inner>);

pub struct Inner {
    /// The one namespace whose sessions and Games this gateway shows.
    pub namespace: String,
    pub mirror: Mirror,
    pub health: Health,
    pub auth: Auth,
    /// Callers see and stop their own sessions alone.
    pub own_only: bool,
    pub origins: Origins,
    /// The controller, for logs and for what it says of its engine; None: it was not named.
    pub backend: Option<Backend>,
    /// Longest that `POST /sessions` waits until the game runs.
    pub wait: Duration,
    pub started: Instant,
    /// The end was asked for: streams end.
    pub stop: CancellationToken,
}

impl std::ops::Deref for Gateway {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Inner {
    /// Sessions, in the name of the caller.
    pub fn sessions(&self, caller: &Caller) -> Api<GameSession> {
        Api::namespaced(caller.client.clone(), &self.namespace)
    }

    /// Whether this caller may see sessions of this user.
    pub fn sees(&self, caller: &Caller, user: &str) -> bool {
        !self.own_only || caller.user.as_deref() == Some(user)
    }

    /// A session of the copy that the caller may see.
    ///
    /// # Errors
    /// 404 in the old runner's words, also for somebody else's where callers see their own alone; 503 while the copy is
    /// not complete.
    pub fn session(&self, caller: &Caller, id: &str, failed: &str) -> Result<Shown, Problem> {
        self.filled(failed)?;
        let known = self.mirror.session(id);
        let seen = known.filter(|shown| self.sees(caller, &shown.session.spec.user));
        seen.ok_or_else(|| {
            Problem::not_found(
                "Session not found",
                format!("there is no session {}", quoted(id)),
            )
        })
    }

    /// # Errors
    /// 503 until both lists came.
    pub fn filled(&self, failed: &str) -> Result<(), Problem> {
        if self.mirror.is_filled() {
            return Ok(());
        }
        let words = "sessions and games were not listed yet: the API server does not answer";
        Err(Problem::unavailable(failed, words.to_owned()))
    }

    /// How long a stream to this caller lasts: rights are asked for anew by the next one.
    pub fn stream_limit(&self) -> Duration {
        if self.auth.is_open() {
            FOREVER
        } else {
            REVIEWED
        }
    }
}

/// Longest stream to a caller whose rights may end.
const REVIEWED: Duration = Duration::from_secs(600);
const FOREVER: Duration = Duration::from_secs(365 * 86_400);
