//! Users who create, edit, stop, resume and delete their sessions, and try again until the API server has taken it.

use std::time::Duration;

use dillinger_runner::api::GameSession;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use crate::harness::{ask, session};
use crate::ledger::{Ledger, Wished, now};
use crate::plan::{Deed, Timed};

/// Exit code of a game that was told to crash; no signal of anybody gives it.
pub const CRASH: &str = "7";

/// One user with one session at a time, all under one name.
pub struct User {
    pub name: String,
    pub sessions: Api<GameSession>,
    pub ledger: Ledger,
    /// Of the session that there is.
    pub uid: Option<String>,
}

/// More than the Game allows.
const TOO_LONG: i32 = 2_000_000;

/// The change that makes every spec of these users a good one.
pub fn mended() -> Value {
    json!({"spec": {"activeDeadlineSeconds": null}})
}

/// How long one call may take before it is tried again.
const CALL: Duration = Duration::from_secs(10);
/// Between two tries.
const AGAIN: Duration = Duration::from_millis(200);

impl User {
    /// Does what is planned, each at its time or as soon as it can; stops when the round is over.
    pub async fn live(mut self, deeds: Vec<Timed<Deed>>, began: Instant, end: Instant) -> User {
        for Timed { at, what } in deeds {
            sleep_until((began + at).min(end)).await;
            if Instant::now() >= end {
                break;
            }
            self.act(what, end).await;
        }
        self
    }

    async fn act(&mut self, deed: Deed, end: Instant) {
        let ledger = self.ledger.clone();
        let uid = self.uid.clone().unwrap_or_default();
        match deed {
            Deed::Create => {
                if !self.create(end).await {
                    return;
                }
            }
            Deed::Stop => {
                ledger.wish(&uid, Wished::Stopped);
                self.patch(json!({"spec": {"desiredState": "Stopped"}}))
                    .await;
            }
            Deed::Resume => {
                self.patch(json!({"spec": {"desiredState": "Running"}}))
                    .await;
                // From when it is known: until then it may be stopped yet.
                ledger.wish(&uid, Wished::Running);
            }
            Deed::Delete => {
                ledger.wish(&uid, Wished::Gone);
                self.delete().await;
                self.uid = None;
            }
            Deed::EditDeadline => {
                self.patch(json!({"spec": {"activeDeadlineSeconds": 7_200}}))
                    .await;
            }
            Deed::EditBadly => {
                let change = json!({"spec": {"activeDeadlineSeconds": TOO_LONG}});
                self.patch(change).await;
            }
            Deed::Mend => self.patch(mended()).await,
            Deed::Crash => {
                ledger.change(&uid, |life| life.crashes += 1);
                self.tell(&format!("crash {CRASH}")).await;
            }
            Deed::End => {
                ledger.change(&uid, |life| life.ended = true);
                self.tell("exit 0").await;
            }
            Deed::Visit => self.visit(&uid).await,
        }
        ledger.did(&format!("{deed:?}"));
    }

    /// A name is free when the session before has gone. False: it was not, to the end of the round.
    async fn create(&mut self, end: Instant) -> bool {
        let wish = session(&self.name, "arena").restarts(20).session;
        let params = PostParams::default();
        while Instant::now() < end {
            let asked = now();
            match timeout(CALL, self.sessions.create(&params, &wish)).await {
                Ok(Ok(made)) => {
                    self.is_born(&made, asked);
                    return true;
                }
                // Its answer may have been lost: what is there and is not being deleted is ours.
                Ok(Err(_)) | Err(_) => {
                    if let Ok(Ok(Some(there))) =
                        timeout(CALL, self.sessions.get_opt(&self.name)).await
                        && there.metadata.deletion_timestamp.is_none()
                        && !self.knows(&there)
                    {
                        self.is_born(&there, asked);
                        return true;
                    }
                }
            }
            tokio::time::sleep(AGAIN).await;
        }
        // One that was made at the last moment and not answered is found at the end.
        false
    }

    fn is_born(&mut self, made: &GameSession, asked: u64) {
        let uid = made.uid().expect("the API server gives a uid");
        self.ledger.born(&uid, &self.name, asked);
        self.uid = Some(uid);
    }

    fn knows(&self, there: &GameSession) -> bool {
        let uid = there.uid().unwrap_or_default();
        self.ledger.lives().contains_key(&uid)
    }

    /// A merge patch, until it was taken.
    async fn patch(&self, change: Value) {
        let (params, patch) = (PatchParams::default(), Patch::Merge(change));
        loop {
            match timeout(CALL, self.sessions.patch(&self.name, &params, &patch)).await {
                Ok(Ok(_)) => return,
                Ok(Err(kube::Error::Api(answer)))
                    if answer.code == 422 || self.is_missing(&answer.message) =>
                {
                    let what = format!("{}: {patch:?} gave {}", self.name, answer.message);
                    self.ledger.violation(what);
                    return;
                }
                Ok(Err(_)) | Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// The API server names the session that it does not have. One that was started only just now may not know the kind yet.
    fn is_missing(&self, words: &str) -> bool {
        words.contains(&format!("\"{}\" not found", self.name))
    }

    async fn delete(&self) {
        let params = DeleteParams::default();
        loop {
            match timeout(CALL, self.sessions.delete(&self.name, &params)).await {
                Ok(Ok(_)) => return,
                // An answer was lost, and it is gone.
                Ok(Err(kube::Error::Api(answer))) if self.is_missing(&answer.message) => return,
                Ok(Err(_)) | Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Where its game answers, if it is shown as ready.
    async fn address(&self) -> Option<String> {
        let got = timeout(CALL, self.sessions.get_opt(&self.name)).await;
        let session = got.ok()?.ok()??;
        session.status?.address
    }

    async fn tell(&self, words: &str) {
        if let Some(address) = self.address().await {
            let _ = timeout(CALL, ask::tell(&address, words)).await;
        }
    }

    /// The world is the same as at the last visit: storage never goes before its session.
    async fn visit(&self, uid: &str) {
        let Some(address) = self.address().await else {
            return;
        };
        let Some(answer) = ask::line(&address, "world").await else {
            return;
        };
        let world = answer.split(';').next().unwrap_or_default().to_owned();
        if !world.starts_with("world ") {
            return;
        }
        let ledger = self.ledger.clone();
        let mut other = None;
        ledger.change(uid, |life| match &life.world {
            Some(known) if *known != world => other = Some(known.clone()),
            Some(_) => {}
            None => life.world = Some(world.clone()),
        });
        if let Some(known) = other {
            ledger.violation(format!(
                "I10 {}: its world was {known:?} and is {world:?}",
                self.name
            ));
        }
        ledger.did("Visit that was answered");
    }
}

/// All users of a round, each in a task of its own; they are given back at its end.
pub async fn live(
    users: Vec<User>,
    plans: Vec<Vec<Timed<Deed>>>,
    began: Instant,
    end: Instant,
) -> Vec<User> {
    let tasks: Vec<_> = users
        .into_iter()
        .zip(plans)
        .map(|(user, plan)| tokio::spawn(user.live(plan, began, end)))
        .collect();
    let mut users = Vec::new();
    for task in tasks {
        users.push(task.await.expect("a user does not panic"));
    }
    users
}
