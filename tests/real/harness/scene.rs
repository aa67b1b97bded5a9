//! One test's part of the world: a namespace, a controller, and the proof at the end that nothing is left.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Mutex;

use dillinger_runner::api::{Game, GameSession, keys};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use serde_json::Value;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard};

use super::audit::Audit;
use super::controller::{Controller, ControllerOptions};
use super::engine::{Engine, text};
use super::make::{GameMaker, SessionMaker};
use super::play::Play;
use super::wait::{LIMIT, poll};
use super::world::{World, own_ports};

/// Scenes that are open in this process, by namespace. Whenever the last one closes, the whole engine must be clean.
static OPEN: AsyncMutex<usize> = AsyncMutex::const_new(0);

pub struct Scene {
    pub world: World,
    pub namespace: String,
    pub client: Client,
    pub engine: Engine,
    pub ports: RangeInclusive<u16>,
    pub options: ControllerOptions,
    controllers: Mutex<BTreeMap<u32, std::path::PathBuf>>,
    closed: bool,
}

impl Scene {
    /// A namespace named after the test, with no controller yet.
    pub async fn open(name: &str) -> Scene {
        let world = World::here();
        world.apply_definitions_once().await;
        Scene::open_in(world, name).await
    }

    /// The same in a world whose cluster has the definitions already.
    pub async fn open_in(world: World, name: &str) -> Scene {
        let client = world.client().await;
        *OPEN.lock().await += 1;
        // A test target may run again in the same world.
        let mut stamp = [0; 3];
        std::io::Read::read_exact(
            &mut std::fs::File::open("/dev/urandom").expect("Linux"),
            &mut stamp,
        )
        .expect("Linux");
        let namespace = format!("{name}-{:02x}{:02x}{:02x}", stamp[0], stamp[1], stamp[2]);
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let wanted = Namespace {
            metadata: ObjectMeta {
                name: Some(namespace.clone()),
                ..Default::default()
            },
            ..Default::default()
        };
        namespaces
            .create(&PostParams::default(), &wanted)
            .await
            .unwrap_or_else(|error| panic!("namespace {namespace}: {error}"));
        let ports = own_ports(20);
        Scene {
            engine: world.engine(),
            options: ControllerOptions::of(&namespace, ports.clone()),
            world,
            namespace,
            client,
            ports,
            controllers: Mutex::default(),
            closed: false,
        }
    }

    /// A namespace and a controller that serves it.
    pub async fn with_controller(name: &str) -> (Scene, Controller) {
        let scene = Scene::open(name).await;
        let controller = scene.controller().await;
        (scene, controller)
    }

    /// A wider port range for this scene; before its controller starts.
    pub fn widen_ports(&mut self, count: u16) {
        self.ports = own_ports(count);
        self.options.ports = self.ports.clone();
    }

    /// Starts this scene's controller and waits until it is ready.
    pub async fn controller(&self) -> Controller {
        self.controller_with(&self.options).await
    }

    pub async fn controller_with(&self, options: &ControllerOptions) -> Controller {
        let mut controller = self.launch(options);
        controller.until_ready().await;
        controller
    }

    /// Starts a controller and returns at once.
    pub fn launch(&self, options: &ControllerOptions) -> Controller {
        let controller = Controller::launch(&self.world, options);
        self.controllers
            .lock()
            .expect("no panic while held")
            .insert(controller.pid(), controller.log.clone());
        controller
    }

    pub fn audit(&self) -> Audit {
        Audit::from_now(self.world.audit_log.clone(), self.options.user.clone())
    }

    /// Objects of any kind in this scene's namespace.
    pub fn of<K>(&self) -> Api<K>
    where
        K: kube::Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn games(&self) -> Api<Game> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    pub fn sessions(&self) -> Api<GameSession> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// Creates the Game, or replaces its spec.
    pub async fn game(&self, maker: &GameMaker) {
        let name = maker.game.name_any();
        let manifest = serde_json::to_value(&maker.game).expect("a Game is JSON");
        self.games()
            .patch(
                &name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(manifest),
            )
            .await
            .unwrap_or_else(|error| panic!("Game {name}: {error}"));
    }

    pub async fn delete_game(&self, name: &str) {
        self.games()
            .delete(name, &DeleteParams::default())
            .await
            .unwrap_or_else(|error| panic!("DELETE of Game {name}: {error}"));
    }

    pub async fn session(&self, maker: &SessionMaker) -> Play<'_> {
        let created = self
            .sessions()
            .create(&PostParams::default(), &maker.session)
            .await
            .unwrap_or_else(|error| panic!("session {}: {error}", maker.session.name_any()));
        Play::new(self, &created)
    }

    /// Everything of this scene on the engine.
    pub async fn containers(&self) -> Vec<Value> {
        self.engine
            .containers(&[&format!("{}={}", keys::NAMESPACE, self.namespace)])
            .await
    }

    pub async fn volumes(&self) -> Vec<Value> {
        self.engine
            .volumes(&[&format!("{}={}", keys::NAMESPACE, self.namespace)])
            .await
    }

    /// Deletes what the test left, and proves that the engine and the API server are as they were before it.
    /// The scene's controller must be running.
    pub async fn close(mut self, mut controller: Controller) {
        let sessions = self.sessions();
        let all = sessions
            .list(&ListParams::default())
            .await
            .expect("sessions are listed");
        for session in all {
            let _ = sessions
                .delete(&session.name_any(), &DeleteParams::default())
                .await;
        }
        let gone = poll(LIMIT, || async {
            let left = sessions.list(&ListParams::default()).await.ok()?.items;
            left.is_empty().then_some(())
        })
        .await;
        if gone.is_none() {
            let left = sessions.list(&ListParams::default()).await.expect("listed");
            let first = Play::new(&self, &left.items[0]);
            panic!(
                "{} sessions do not go\n{}",
                left.items.len(),
                first.picture().await
            );
        }
        let status = controller.terminate().await;
        assert!(
            status.success(),
            "the controller ended with {status} after SIGTERM\n{}",
            controller.tail(60)
        );
        drop(controller);
        self.assert_nothing_left().await;
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        match namespaces
            .delete(&self.namespace, &DeleteParams::background())
            .await
        {
            Ok(_) => {}
            // The test deleted it itself.
            Err(error) if error.to_string().contains("not found") => {}
            Err(error) => panic!("DELETE of namespace {}: {error}", self.namespace),
        }
        self.closed = true;
        let mut open = OPEN.lock().await;
        *open -= 1;
        if *open == 0 {
            self.assert_engine_clean(open).await;
        }
    }

    async fn assert_nothing_left(&self) {
        let containers = self.containers().await;
        assert!(containers.is_empty(), "containers are left: {containers:?}");
        let volumes = self.volumes().await;
        assert!(volumes.is_empty(), "volumes are left: {volumes:?}");
        // The engine's proxies end a moment after their container.
        let mut left = Vec::new();
        let free = poll(LIMIT, || {
            left = self.ports.clone().filter(|p| taken(*p)).collect();
            std::future::ready(left.is_empty().then_some(()))
        })
        .await;
        assert!(
            free.is_some(),
            "host ports are still taken: {left:?}\n{}",
            listeners(&left)
        );
    }

    /// No test is under way: beside the marker nothing of ours may be left, whatever its labels.
    async fn assert_engine_clean(&self, _nobody_opens: MutexGuard<'_, usize>) {
        let containers = self.engine.containers(&[]).await;
        assert!(containers.is_empty(), "containers are left: {containers:?}");
        let networks = self.engine.own_networks().await;
        assert!(networks.is_empty(), "networks are left: {networks:?}");
        let volumes: Vec<String> = self
            .engine
            .all_volumes()
            .await
            .into_iter()
            .filter(|name| name != "dillinger-engine")
            .collect();
        assert!(volumes.is_empty(), "volumes are left: {volumes:?}");
    }

    pub async fn engine_picture(&self, uid: &str) -> String {
        let mut picture = String::from("--- engine\n");
        for container in self
            .engine
            .containers(&[&format!("{}={uid}", keys::UID)])
            .await
        {
            let id = text(&container["Id"]);
            let Some(inspected) = self.engine.find(&id).await else {
                continue;
            };
            picture.push_str(&format!(
                "{} {} attempt {}\n{:#}\n{}\n",
                text(&inspected["Name"]),
                id,
                text(&inspected["Config"]["Labels"][keys::ATTEMPT]),
                inspected["State"],
                self.engine.logs(&id).await
            ));
        }
        picture
    }

    pub fn controller_picture(&self) -> String {
        let logs = self
            .controllers
            .lock()
            .expect("no panic while held")
            .clone();
        let mut picture = String::new();
        for log in logs.values() {
            let text =
                String::from_utf8_lossy(&std::fs::read(log).unwrap_or_default()).into_owned();
            let lines: Vec<&str> = text.lines().collect();
            let from = lines.len().saturating_sub(40);
            picture.push_str(&format!(
                "--- {}\n{}\n",
                log.display(),
                lines[from..].join("\n")
            ));
        }
        picture
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.controller_picture());
        } else {
            assert!(self.closed, "a test closes its scene");
        }
    }
}

/// Who has these ports, in the words of `ss`.
fn listeners(ports: &[u16]) -> String {
    let told = std::process::Command::new("ss")
        .args(["--listening", "--numeric", "--tcp", "--udp", "--processes"])
        .output()
        .expect("ss runs");
    let told = String::from_utf8_lossy(&told.stdout);
    let of_ports = |line: &&str| ports.iter().any(|port| line.contains(&format!(":{port} ")));
    told.lines().filter(of_ports).collect::<Vec<_>>().join("\n")
}

/// Something listens at this port of loopback.
pub fn taken(port: u16) -> bool {
    std::net::TcpListener::bind(("127.0.0.1", port)).is_err()
        || std::net::UdpSocket::bind(("127.0.0.1", port)).is_err()
}
