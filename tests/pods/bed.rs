//! One test's part of the cluster: a namespace, a controller, and the proof at the end that nothing is left.

use dillinger_runner::api::{Condition, ConditionStatus, Game, GameSession, keys};
use k8s_openapi::api::core::v1::{Event, Namespace, PersistentVolumeClaim, Pod, ServiceAccount};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use crate::ask;
use crate::controller::{Controller, ControllerOptions};
use crate::make::{GameMaker, SessionMaker};
use crate::wait::{LIMIT, poll};
use crate::world::{World, own_ports};

pub struct Bed {
    pub world: World,
    pub client: Client,
    pub namespace: String,
    pub options: ControllerOptions,
    pub controller: Controller,
}

impl Bed {
    /// A namespace named after the test, and a controller that serves it with Pods.
    pub async fn open(name: &str) -> Bed {
        Bed::serving(name, "Pod").await
    }

    pub async fn serving(name: &str, runtimes: &str) -> Bed {
        let world = World::here();
        world.apply_definitions_once().await;
        let client = world.client().await;
        let mut stamp = [0; 3];
        let mut random = std::fs::File::open("/dev/urandom").expect("Linux");
        std::io::Read::read_exact(&mut random, &mut stamp).expect("Linux");
        let namespace = format!("{name}-{:02x}{:02x}{:02x}", stamp[0], stamp[1], stamp[2]);
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let wanted = json!({"metadata": {"name": namespace}});
        let wanted = serde_json::from_value(wanted).expect("a namespace");
        namespaces
            .create(&PostParams::default(), &wanted)
            .await
            .unwrap_or_else(|error| panic!("namespace {namespace}: {error}"));
        // Without it a namespace takes no Pod.
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
        crate::wait::until("the namespace has its ServiceAccount", || async {
            accounts.get_opt("default").await.ok()?
        })
        .await;
        let options = ControllerOptions::of(&namespace, own_ports(20)).flag("--runtimes", runtimes);
        let controller = Controller::start(&world, &options).await;
        Bed {
            world,
            client,
            namespace,
            options,
            controller,
        }
    }

    /// Objects of any kind in this namespace.
    pub fn of<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates the Game, or replaces its spec.
    pub async fn game(&self, maker: &GameMaker) {
        let name = maker.game.name_any();
        let mut manifest = serde_json::to_value(&maker.game).expect("a Game is JSON");
        // What a game may take is reserved for it, and the node has two cores for all tests.
        manifest["spec"]["resources"]["limits"]["cpu"] = json!("200m");
        let games: Api<Game> = self.of();
        let params = PatchParams::apply("test").force();
        games
            .patch(&name, &params, &Patch::Apply(manifest))
            .await
            .unwrap_or_else(|error| panic!("Game {name}: {error}"));
    }

    pub async fn session(&self, maker: &SessionMaker) -> Play<'_> {
        let sessions: Api<GameSession> = self.of();
        let created = sessions
            .create(&PostParams::default(), &maker.session)
            .await
            .unwrap_or_else(|error| panic!("session: {error}"));
        Play {
            bed: self,
            name: created.name_any(),
            uid: created.uid().expect("the API server gives a uid"),
        }
    }

    /// A session that is there already.
    pub async fn known(&self, name: &str) -> Play<'_> {
        let sessions: Api<GameSession> = self.of();
        let found = sessions.get(name).await;
        let found = found.unwrap_or_else(|error| panic!("session {name}: {error}"));
        Play {
            bed: self,
            name: found.name_any(),
            uid: found.uid().expect("the API server gives a uid"),
        }
    }

    /// How often each write to sessions and to the cluster was made, by the controller's own metrics: every one passes its
    /// gate, and is counted there.
    pub async fn all_writes(&self) -> Vec<(String, u64)> {
        let (_, text) = self
            .controller
            .admin("GET", "/metrics", "")
            .await
            .expect("the controller answers");
        let mut writes: Vec<(String, u64)> = text
            .lines()
            .filter_map(|line| line.rsplit_once(' '))
            .filter_map(|(series, value)| {
                let call = ["api", "runtime"].into_iter().find_map(|of| {
                    series
                        .strip_prefix(&format!(
                            "dillinger_{of}_call_duration_seconds_count{{call=\""
                        ))?
                        .strip_suffix("\"}")
                })?;
                Some((call.to_owned(), value.parse::<f64>().ok()? as u64))
            })
            .filter(|(call, count)| {
                *count > 0 && !["get", "sweep_get", "event"].contains(&call.as_str())
            })
            .collect();
        writes.sort();
        writes
    }

    /// A folder of the first node as a volume that one claim can have, under a class of its own.
    pub async fn volume(&self, class: &str) {
        let folder = self.world.folder.join("volumes").join(class);
        std::fs::create_dir_all(&folder).expect("the cluster's folder takes a folder");
        let volume = json!({
            "metadata": {"name": class},
            "spec": {
                "capacity": {"storage": "64Mi"}, "accessModes": ["ReadWriteOnce"],
                "persistentVolumeReclaimPolicy": "Retain", "storageClassName": class,
                "local": {"path": folder},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                    {"key": "kubernetes.io/hostname", "operator": "In", "values": ["node1"]},
                ]}]}},
            },
        });
        let volumes: Api<k8s_openapi::api::core::v1::PersistentVolume> =
            Api::all(self.client.clone());
        let volume = serde_json::from_value(volume).expect("a volume");
        volumes
            .create(&PostParams::default(), &volume)
            .await
            .unwrap_or_else(|error| panic!("volume {class}: {error}"));
    }

    /// Deletes what the test left, and proves that the cluster took it all.
    pub async fn close(mut self) {
        let sessions: Api<GameSession> = self.of();
        let all = sessions.list(&ListParams::default()).await.expect("listed");
        for session in all {
            let name = session.name_any();
            let _ = sessions.delete(&name, &DeleteParams::default()).await;
        }
        let (pods, claims): (Api<Pod>, Api<PersistentVolumeClaim>) = (self.of(), self.of());
        let left = poll(LIMIT, || async {
            let sessions = sessions
                .list(&ListParams::default())
                .await
                .ok()?
                .items
                .len();
            let pods = pods.list(&ListParams::default()).await.ok()?.items.len();
            let claims = claims.list(&ListParams::default()).await.ok()?.items.len();
            (sessions + pods + claims == 0).then_some(())
        })
        .await;
        assert!(
            left.is_some(),
            "something is left\n{}",
            self.controller.tail(60)
        );
        let status = self.controller.terminate().await;
        assert!(
            status.success(),
            "the controller ended with {status}\n{}",
            self.controller.tail(60)
        );
        let log = self.controller.log_text();
        assert!(!log.contains("panicked"), "{log}");
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let _ = namespaces
            .delete(&self.namespace, &DeleteParams::background())
            .await;
        let volumes: Api<k8s_openapi::api::core::v1::PersistentVolume> =
            Api::all(self.client.clone());
        let _ = volumes
            .delete(&self.namespace, &DeleteParams::default())
            .await;
    }
}

/// One session under test.
pub struct Play<'a> {
    bed: &'a Bed,
    pub name: String,
    pub uid: String,
}

impl Play<'_> {
    fn sessions(&self) -> Api<GameSession> {
        self.bed.of()
    }

    pub async fn now(&self) -> GameSession {
        let found = self.sessions().get(&self.name).await;
        found.unwrap_or_else(|error| panic!("session {}: {error}", self.name))
    }

    /// Waits for a condition on the session; panics with the whole picture.
    pub async fn until(&self, what: &str, holds: impl Fn(&GameSession) -> bool) -> GameSession {
        let look = || async {
            let session = self.sessions().get_opt(&self.name).await.ok()??;
            holds(&session).then_some(session)
        };
        match poll(LIMIT, look).await {
            Some(session) => session,
            None => panic!("{} never {what}\n{}", self.name, self.picture().await),
        }
    }

    /// Waits for something outside of the session's resource.
    pub async fn until_seen<T, F, Fut>(&self, what: &str, look: F) -> T
    where
        F: FnMut() -> Fut,
        Fut: Future<Output = Option<T>>,
    {
        match poll(LIMIT, look).await {
            Some(value) => value,
            None => panic!("{}: never {what}\n{}", self.name, self.picture().await),
        }
    }

    pub async fn until_ready(&self) -> GameSession {
        self.until("is Ready", |s| {
            cond(s, "Ready").is_some_and(|c| c.status == ConditionStatus::True)
        })
        .await
    }

    /// Ready in this attempt.
    pub async fn until_ready_in(&self, attempt: i32) -> GameSession {
        self.until(&format!("is Ready in attempt {attempt}"), |s| {
            s.status.as_ref().and_then(|s| s.attempt) == Some(attempt)
                && cond(s, "Ready").is_some_and(|c| c.status == ConditionStatus::True)
        })
        .await
    }

    pub async fn until_phase(&self, phase: &str) -> GameSession {
        self.until(&format!("has the phase {phase}"), |s| phase_of(s) == phase)
            .await
    }

    pub async fn until_reason(&self, kind: &str, reason: &str) -> GameSession {
        self.until(&format!("has {kind} with the reason {reason}"), |s| {
            cond(s, kind).is_some_and(|c| c.reason == reason)
        })
        .await
    }

    pub async fn until_finished(&self, reason: &str) -> GameSession {
        let session = self
            .until("is finished", |s| {
                cond(s, "Finished").is_some_and(|c| c.status == ConditionStatus::True)
            })
            .await;
        let found = &cond(&session, "Finished").expect("just seen").reason;
        if found != reason {
            panic!(
                "finished as {found}, not {reason}\n{}",
                self.picture().await
            );
        }
        session
    }

    pub async fn until_gone(&self) {
        let look = || async {
            let found = self.sessions().get_opt(&self.name).await.ok()?;
            found.is_none().then_some(())
        };
        self.until_seen("is gone", look).await;
    }

    pub async fn patch(&self, change: Value) {
        self.sessions()
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(change))
            .await
            .unwrap_or_else(|error| panic!("PATCH of session {}: {error}", self.name));
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
        let sessions = self.sessions();
        let deleted = sessions.delete(&self.name, &DeleteParams::default()).await;
        deleted.expect("the session is deleted");
    }

    /// The Pods of this session.
    pub async fn pods(&self) -> Vec<Pod> {
        let pods: Api<Pod> = self.bed.of();
        let ours = ListParams::default().labels(&format!("{}={}", keys::UID, self.uid));
        pods.list(&ours).await.expect("Pods are listed").items
    }

    /// The one Pod of this session.
    pub async fn pod(&self) -> Pod {
        let mut pods = self.pods().await;
        if pods.len() != 1 {
            panic!("{} Pods, not one\n{}", pods.len(), self.picture().await);
        }
        pods.remove(0)
    }

    pub async fn until_no_pod(&self) {
        self.until_seen("has no Pod", || async {
            self.pods().await.is_empty().then_some(())
        })
        .await;
    }

    /// Asks the test game at the address that the status shows; waits until it answers.
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
        let told = ask::tell(&address, request).await;
        told.unwrap_or_else(|error| panic!("{request:?} to the game at {address}: {error}"));
    }

    pub async fn address(&self) -> String {
        let session = self.now().await;
        let address = session.status.and_then(|s| s.address);
        address.unwrap_or_else(|| panic!("session {} shows no address", self.name))
    }

    pub async fn picture(&self) -> String {
        let mut session = self.sessions().get_opt(&self.name).await.ok().flatten();
        if let Some(session) = &mut session {
            session.metadata.managed_fields = None;
        }
        let mut picture = format!(
            "--- session\n{}",
            serde_yaml::to_string(&session).unwrap_or_default()
        );
        for pod in self.pods().await {
            let status = serde_yaml::to_string(&pod.status).unwrap_or_default();
            picture.push_str(&format!("--- Pod {}\n{status}", pod.name_any()));
        }
        let events: Api<Event> = self.bed.of();
        for event in events
            .list(&ListParams::default())
            .await
            .into_iter()
            .flatten()
        {
            let (reason, words) = (event.reason.unwrap_or_default(), event.message);
            picture.push_str(&format!("event {reason}: {}\n", words.unwrap_or_default()));
        }
        picture + &self.bed.controller.tail(60)
    }
}

pub fn phase_of(session: &GameSession) -> &str {
    let status = session.status.as_ref();
    status.and_then(|s| s.phase.as_deref()).unwrap_or_default()
}

pub fn cond<'a>(session: &'a GameSession, kind: &str) -> Option<&'a Condition> {
    let conditions = session.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find(|c| c.type_ == kind)
}

/// Message of a condition that must be there.
pub fn message<'a>(session: &'a GameSession, kind: &str) -> &'a str {
    let found = cond(session, kind);
    &found
        .unwrap_or_else(|| panic!("no condition {kind}"))
        .message
}
