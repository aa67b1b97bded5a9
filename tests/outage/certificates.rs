//! The CA of the API server is rotated while games run: by a new kubeconfig, or by what is mounted into a Pod, the
//! controller finds its way again, and no game notices.

use std::path::{Path, PathBuf};
use std::process::Command;

use dillinger_runner::api::ConditionStatus;
use serde_json::Value;

use crate::alone;
use crate::clusters::second_cluster;
use crate::harness::play::is;
use crate::harness::{Controller, Scene, World, session, testgame, until};

/// A control plane of its own, whose CA may be rotated.
struct Cluster {
    world: World,
    folder: PathBuf,
}

impl Cluster {
    async fn up(name: &str) -> Cluster {
        let world = World::here();
        let folder = world.folder.join(name);
        let world = second_cluster(&world, name).await;
        Cluster { world, folder }
    }

    fn ca(&self) -> String {
        std::fs::read_to_string(self.folder.join("pki/ca-of-server.crt"))
            .or_else(|_| std::fs::read_to_string(self.folder.join("pki/ca.crt")))
            .expect("the cluster has a CA")
    }

    /// The server shows a certificate of a CA that nobody has met; clients are known as before. The administrator's
    /// own kubeconfig is made anew.
    async fn rotate(&self) {
        let pki = self.folder.join("pki");
        shell(
            &pki,
            "openssl ecparam -name prime256v1 -genkey -noout -out new.key
             openssl req -x509 -new -key new.key -sha256 -days 30 -subj /CN=rotated -out ca-of-server.crt
             openssl req -new -key apiserver.key -subj /CN=kube-apiserver -out apiserver.csr
             printf 'extendedKeyUsage=serverAuth\nsubjectAltName=DNS:localhost,IP:127.0.0.1\n' >apiserver.ext
             openssl x509 -req -in apiserver.csr -CA ca-of-server.crt -CAkey new.key -CAcreateserial -days 30 -sha256 \
               -extfile apiserver.ext -out apiserver.crt",
        );
        trust(&self.world.kubeconfig, &self.ca());
        let folder = self.folder.to_str().expect("a plain path");
        for verb in ["stop-apiserver", "start-apiserver"] {
            self.world.run(CONTROL_PLANE, &[verb, folder]).await;
        }
    }

    async fn down(self) {
        let folder = self.folder.to_str().expect("a plain path");
        self.world.run(CONTROL_PLANE, &["down", folder]).await;
    }
}

const CONTROL_PLANE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/local/control-plane");

fn shell(folder: &Path, script: &str) {
    let script = format!("set -e\n{script}");
    let done = Command::new("sh")
        .args(["-c", &script])
        .current_dir(folder)
        .output();
    let done = done.expect("sh runs");
    let words = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(done.status.success(), "{script}: {words}");
}

/// From now on this kubeconfig trusts this CA and no other.
fn trust(kubeconfig: &Path, ca: &str) {
    use base64::Engine as _;
    let text = std::fs::read_to_string(kubeconfig).expect("there is one");
    let mut file: Value = serde_yaml::from_str(&text).expect("the kubeconfig is YAML");
    let ca = base64::engine::general_purpose::STANDARD.encode(ca);
    for entry in file["clusters"].as_array_mut().expect("it has clusters") {
        entry["cluster"]["certificate-authority-data"] = ca.clone().into();
    }
    // As a person or an operator replaces it: whole.
    let new = kubeconfig.with_extension("new");
    std::fs::write(&new, file.to_string()).expect("the folder takes a file");
    std::fs::rename(new, kubeconfig).expect("it is replaced");
}

/// It says that it does not trust the server, waits, and is not ended by it.
async fn until_it_does_not_trust(controller: &mut Controller) {
    let asked: &Controller = controller;
    until("it says that it does not trust the API server", || async {
        let (code, text) = asked.admin("GET", "/readyz", "").await?;
        (code != 200 && text.contains("certificate")).then_some(())
    })
    .await;
    let (health, _) = controller
        .admin("GET", "/healthz", "")
        .await
        .expect("it answers");
    assert_eq!(health, 200, "waiting is no illness");
    assert!(controller.ended().is_none(), "{}", controller.tail(40));
}

#[tokio::test]
async fn a_ca_that_is_rotated_is_trusted_once_the_kubeconfig_names_it_and_no_game_notices() {
    let _alone = alone().await;
    let cluster = Cluster::up("rotated").await;
    let mut scene = Scene::open_in(cluster.world.clone(), "rotated").await;
    let kubeconfig = cluster.folder.join("of-the-controller.kubeconfig");
    std::fs::copy(&cluster.world.kubeconfig, &kubeconfig).expect("it is copied");
    let path = kubeconfig.to_str().expect("a plain path");
    scene.options = scene.options.clone().env("KUBECONFIG", path);
    let mut controller = scene.controller().await;
    scene.game(&testgame("arena")).await;
    let before = {
        let play = scene.session(&session("friday", "arena")).await;
        play.until_ready().await;
        (play.container_id().await, play.address().await)
    };

    cluster.rotate().await;
    // The test's own client does not trust the server either.
    scene.client = cluster.world.client().await;
    until_it_does_not_trust(&mut controller).await;
    trust(&kubeconfig, &cluster.ca());
    controller.until_ready().await;
    went_on(&scene, &before).await;
    scene.close(controller).await;
    cluster.down().await;
}

#[tokio::test]
async fn a_ca_and_a_token_that_are_rotated_in_a_pod_are_read_anew_and_no_game_notices() {
    let _alone = alone().await;
    let cluster = Cluster::up("mounted").await;
    let mut scene = Scene::open_in(cluster.world.clone(), "mounted").await;
    // What the kubelet mounts; /run is the world's own.
    let mounted = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount");
    std::fs::create_dir_all(&mounted).expect("the world's /run takes folders");
    let mount = |name: &str, text: &str| {
        let new = mounted.join(format!("{name}.new"));
        std::fs::write(&new, text).expect("the folder takes a file");
        std::fs::rename(new, mounted.join(name)).expect("it is replaced");
    };
    let namespace = scene.namespace.clone();
    let account = format!("--serviceaccount={namespace}:default");
    let bind = [
        "create",
        "clusterrolebinding",
        "mounted",
        "--clusterrole=cluster-admin",
    ];
    let bind = [&bind[..], &[&account]].concat();
    cluster.world.kubectl(&bind).await;
    let token = ["create", "token", "default", "--namespace", &namespace];
    mount("token", cluster.world.kubectl(&token).await.trim());
    mount("namespace", &namespace);
    mount("ca.crt", &cluster.ca());
    let text = std::fs::read_to_string(&cluster.world.kubeconfig).expect("there is one");
    let port = text
        .split_once("https://127.0.0.1:")
        .expect("it is at loopback")
        .1;
    let port: String = port.chars().take_while(char::is_ascii_digit).collect();
    scene.options = scene
        .options
        .clone()
        .env("KUBECONFIG", "")
        .env("HOME", "/nonexistent")
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", &port);
    let mut controller = scene.controller().await;
    scene.game(&testgame("arena")).await;
    let before = {
        let play = scene.session(&session("friday", "arena")).await;
        play.until_ready().await;
        (play.container_id().await, play.address().await)
    };

    cluster.rotate().await;
    scene.client = cluster.world.client().await;
    until_it_does_not_trust(&mut controller).await;
    mount("ca.crt", &cluster.ca());
    mount("token", cluster.world.kubectl(&token).await.trim());
    controller.until_ready().await;
    went_on(&scene, &before).await;
    scene.close(controller).await;
    std::fs::remove_dir_all("/var/run/secrets").expect("it is removed");
    cluster.down().await;
}

/// The game with this container and this address was not touched, and new ones are served.
async fn went_on(scene: &Scene, (id, address): &(String, String)) {
    let later = scene.session(&session("later", "arena")).await;
    later.until_ready().await;
    let found = scene.sessions().get("friday").await.expect("it is there");
    assert!(is(&found, "Ready", ConditionStatus::True));
    let status = found.status.expect("a status");
    let container = status.container.and_then(|c| c.id);
    assert_eq!(container.as_ref(), Some(id), "a running game was touched");
    let answer = crate::harness::ask::line(address, "ping").await;
    assert_eq!(answer.as_deref(), Some("pong:ping"));
}
