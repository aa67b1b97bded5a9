//! One session under test: its wish, what the status says, and its container on the engine.

use dillinger_runner::api::{Condition, ConditionStatus, GameSession, keys};
use k8s_openapi::api::core::v1::Event;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::{Value, json};

use super::ask;
use super::engine::{Engine, text};
use super::scene::Scene;
use super::wait::{LIMIT, poll};

#[derive(Clone)]
pub struct Play<'a> {
    scene: &'a Scene,
    pub name: String,
    pub uid: String,
    api: Api<GameSession>,
}

impl<'a> Play<'a> {
    pub fn new(scene: &'a Scene, session: &GameSession) -> Play<'a> {
        Play {
            scene,
            name: session.name_any(),
            uid: session.uid().expect("the API server gives a uid"),
            api: Api::namespaced(scene.client.clone(), &scene.namespace),
        }
    }

    /// None once this very session (by uid) is gone.
    pub async fn get(&self) -> Option<GameSession> {
        self.api
            .get_opt(&self.name)
            .await
            .unwrap_or_else(|error| panic!("GET of session {}: {error}", self.name))
            .filter(|s| s.uid().as_deref() == Some(&self.uid))
    }

    pub async fn now(&self) -> GameSession {
        self.get()
            .await
            .unwrap_or_else(|| panic!("session {} is gone", self.name))
    }

    /// Waits for a condition on the session; panics with the whole picture.
    pub async fn until(&self, what: &str, condition: impl Fn(&GameSession) -> bool) -> GameSession {
        let found = poll(LIMIT, || async {
            // The API server may be away for a while in some tests.
            let session = self.api.get_opt(&self.name).await.ok()??;
            (session.uid().as_deref() == Some(&self.uid) && condition(&session)).then_some(session)
        })
        .await;
        match found {
            Some(session) => session,
            None => panic!(
                "waited {LIMIT:?} in vain until session {} {what}\n{}",
                self.name,
                self.picture().await
            ),
        }
    }

    /// Ready=True as `kubectl wait --for=condition=Ready` sees it.
    pub async fn until_ready(&self) -> GameSession {
        self.until("is Ready", |s| is(s, "Ready", ConditionStatus::True))
            .await
    }

    pub async fn until_phase(&self, phase: &str) -> GameSession {
        self.until(&format!("has the phase {phase}"), |s| phase_of(s) == phase)
            .await
    }

    /// The condition has this reason, whatever its status.
    pub async fn until_reason(&self, condition: &str, reason: &str) -> GameSession {
        self.until(&format!("has {condition} with the reason {reason}"), |s| {
            cond(s, condition).is_some_and(|c| c.reason == reason)
        })
        .await
    }

    /// Finished=True with this reason.
    pub async fn until_finished(&self, reason: &str) -> GameSession {
        let session = self
            .until("is finished", |s| is(s, "Finished", ConditionStatus::True))
            .await;
        let found = cond(&session, "Finished").expect("just seen");
        if found.reason != reason {
            panic!(
                "session {} finished as {}, not as {reason}\n{}",
                self.name,
                found.reason,
                self.picture().await
            );
        }
        session
    }

    /// The controller has taken note of the newest spec.
    pub async fn until_observed(&self) -> GameSession {
        self.until("has its newest spec observed", observed).await
    }

    pub async fn until_gone(&self) {
        let gone = poll(LIMIT, || async {
            match self.api.get_opt(&self.name).await {
                Ok(Some(session)) => (session.uid().as_deref() != Some(&self.uid)).then_some(()),
                Ok(None) => Some(()),
                Err(_) => None,
            }
        })
        .await;
        if gone.is_none() {
            panic!(
                "waited {LIMIT:?} in vain until session {} is gone\n{}",
                self.name,
                self.picture().await
            );
        }
    }

    /// Waits for something outside the session's resource.
    pub async fn until_seen<T, F, Fut>(&self, what: &str, look: F) -> T
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Option<T>>,
    {
        match poll(LIMIT, look).await {
            Some(value) => value,
            None => panic!(
                "session {}: waited {LIMIT:?} in vain until {what}\n{}",
                self.name,
                self.picture().await
            ),
        }
    }

    pub async fn patch(&self, change: Value) -> GameSession {
        self.try_patch(change)
            .await
            .unwrap_or_else(|error| panic!("PATCH of session {}: {error}", self.name))
    }

    pub async fn try_patch(&self, change: Value) -> Result<GameSession, kube::Error> {
        self.api
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(change))
            .await
    }

    pub async fn stop(&self) {
        self.patch(json!({"spec": {"desiredState": "Stopped"}}))
            .await;
    }

    pub async fn resume(&self) {
        self.patch(json!({"spec": {"desiredState": "Running"}}))
            .await;
    }

    pub async fn delete(&self) {
        self.api
            .delete(&self.name, &DeleteParams::default())
            .await
            .unwrap_or_else(|error| panic!("DELETE of session {}: {error}", self.name));
    }

    /// The containers of this session on the engine, in every state.
    pub async fn containers(&self) -> Vec<Value> {
        self.engine()
            .containers(&[&format!("{}={}", keys::UID, self.uid)])
            .await
    }

    /// The one container of this session.
    pub async fn container(&self) -> Value {
        let mut all = self.containers().await;
        if all.len() != 1 {
            panic!(
                "session {} has {} containers, not one\n{}",
                self.name,
                all.len(),
                self.picture().await
            );
        }
        all.remove(0)
    }

    pub async fn container_id(&self) -> String {
        text(&self.container().await["Id"])
    }

    /// The engine's full view of the one container.
    pub async fn inspect(&self) -> Value {
        let id = self.container_id().await;
        self.engine().inspect(&id).await
    }

    pub async fn volumes(&self) -> Vec<Value> {
        self.engine()
            .volumes(&[&format!("{}={}", keys::UID, self.uid)])
            .await
    }

    /// Asks the test game over TCP at the address that the status shows; waits until it answers.
    pub async fn ask(&self, request: &str) -> String {
        let address = self.address().await;
        self.until_seen(
            &format!("the game at {address} answers {request:?}"),
            || ask::line(&address, request),
        )
        .await
    }

    /// Tells the test game something that ends it: no answer is waited for.
    pub async fn tell(&self, request: &str) {
        let address = self.address().await;
        ask::tell(&address, request)
            .await
            .unwrap_or_else(|error| panic!("{request:?} to the game at {address}: {error}"));
    }

    pub async fn address(&self) -> String {
        self.now()
            .await
            .status
            .and_then(|s| s.address)
            .unwrap_or_else(|| panic!("session {} shows no address", self.name))
    }

    /// `reason` of the events about this session, oldest first.
    pub async fn events(&self) -> Vec<Event> {
        let all: Api<Event> = Api::namespaced(self.scene.client.clone(), &self.scene.namespace);
        let list = all
            .list(&ListParams::default())
            .await
            .map(|l| l.items)
            .unwrap_or_default();
        list.into_iter()
            .filter(|e| e.involved_object.uid.as_deref() == Some(&self.uid))
            .collect()
    }

    pub async fn until_event(&self, reason: &str) -> Event {
        self.until_seen(&format!("there is an event {reason}"), || async {
            self.events()
                .await
                .into_iter()
                .find(|e| e.reason.as_deref() == Some(reason))
        })
        .await
    }

    fn engine(&self) -> &Engine {
        &self.scene.engine
    }

    /// Everything that helps to see what went wrong.
    pub async fn picture(&self) -> String {
        let session = match self.api.get_opt(&self.name).await {
            Ok(Some(mut session)) => {
                session.metadata.managed_fields = None;
                serde_yaml::to_string(&session).unwrap_or_default()
            }
            Ok(None) => "(gone)\n".to_owned(),
            Err(error) => format!("({error})\n"),
        };
        let mut picture = format!(
            "--- session {}/{}\n{session}",
            self.scene.namespace, self.name
        );
        picture.push_str("--- events\n");
        for event in self.events().await {
            picture.push_str(&format!(
                "{} {}: {}\n",
                event.type_.unwrap_or_default(),
                event.reason.unwrap_or_default(),
                event.message.unwrap_or_default()
            ));
        }
        picture.push_str(&self.scene.engine_picture(&self.uid).await);
        picture.push_str(&self.scene.controller_picture());
        picture
    }
}

/// The status speaks of the newest spec.
pub fn observed(session: &GameSession) -> bool {
    session.status.as_ref().and_then(|s| s.observed_generation) == session.metadata.generation
}

pub fn phase_of(session: &GameSession) -> String {
    session
        .status
        .as_ref()
        .and_then(|s| s.phase.clone())
        .unwrap_or_default()
}

pub fn cond<'a>(session: &'a GameSession, type_: &str) -> Option<&'a Condition> {
    session
        .status
        .as_ref()?
        .conditions
        .as_ref()?
        .iter()
        .find(|c| c.type_ == type_)
}

pub fn is(session: &GameSession, type_: &str, status: ConditionStatus) -> bool {
    cond(session, type_).is_some_and(|c| c.status == status)
}

/// Reason and message of a condition that must be there.
pub fn why(session: &GameSession, type_: &str) -> (String, String) {
    let condition = cond(session, type_)
        .unwrap_or_else(|| panic!("no condition {type_}: {:?}", session.status));
    (condition.reason.clone(), condition.message.clone())
}
