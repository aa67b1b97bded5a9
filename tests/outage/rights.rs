//! What the controller may do is taken from it while games run, and given back: it says so, touches no game, and
//! goes on by itself.

use std::path::PathBuf;

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::alone;
use crate::harness::controller::Controller;
use crate::harness::{Scene, session, testgame, until};

/// Who the controller is on this cluster.
const WHO: &str = "runner";

fn made<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("it is written as the type wants it")
}

fn rule(group: &str, resources: &[&str], verbs: &[&str]) -> Value {
    json!({"apiGroups": [group], "resources": resources, "verbs": verbs})
}

/// All that a controller of one namespace needs there.
fn rules() -> Value {
    json!([
        rule(
            "dillinger.dev",
            &["gamesessions"],
            &["get", "list", "watch", "patch", "delete"]
        ),
        rule("dillinger.dev", &["gamesessions/status"], &["patch"]),
        rule("dillinger.dev", &["games"], &["list", "watch"]),
        rule(
            "coordination.k8s.io",
            &["leases"],
            &["get", "create", "update"]
        ),
        rule("", &["events"], &["create"]),
    ])
}

fn bound(kind: &str, role: &str, namespace: &str) -> Value {
    json!({
        "metadata": {"name": role},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": WHO, "namespace": namespace}],
    })
}

/// A scene whose controller is a ServiceAccount with these rights and a token in a file.
struct Account {
    scene: Scene,
    token: PathBuf,
}

impl Account {
    async fn open(name: &str) -> Account {
        let mut scene = Scene::open(name).await;
        let (namespace, folder) = (scene.namespace.clone(), scene.world.folder.clone());
        let params = PostParams::default();
        let accounts: Api<ServiceAccount> = scene.of();
        let account = made(json!({"metadata": {"name": WHO}}));
        accounts.create(&params, &account).await.expect("created");
        let roles: Api<Role> = scene.of();
        let role = made(json!({"metadata": {"name": WHO}, "rules": rules()}));
        roles.create(&params, &role).await.expect("created");
        // The cluster's id is the uid of kube-system.
        let cluster = format!("{WHO}-of-{namespace}");
        let all: Api<ClusterRole> = Api::all(scene.client.clone());
        let mut rule = rule("", &["namespaces"], &["get"]);
        rule["resourceNames"] = json!(["kube-system"]);
        let role = made(json!({"metadata": {"name": cluster}, "rules": [rule]}));
        all.create(&params, &role).await.expect("created");
        let all: Api<ClusterRoleBinding> = Api::all(scene.client.clone());
        let binding = made(bound("ClusterRole", &cluster, &namespace));
        all.create(&params, &binding).await.expect("created");

        let token = folder.join(format!("{namespace}.token"));
        let text = std::fs::read_to_string(&scene.world.kubeconfig).expect("there is one");
        let mut file: Value = serde_yaml::from_str(&text).expect("the kubeconfig is YAML");
        for entry in file["users"].as_array_mut().expect("it has users") {
            entry["user"] = json!({"tokenFile": token});
        }
        let kubeconfig = folder.join(format!("{namespace}.kubeconfig"));
        std::fs::write(&kubeconfig, file.to_string()).expect("the folder takes a file");
        let kubeconfig = kubeconfig.to_str().expect("a plain path");
        scene.options = scene.options.clone().env("KUBECONFIG", kubeconfig);
        let account = Account { scene, token };
        account.grant().await;
        account
    }

    async fn grant(&self) {
        let binding = made(bound("Role", WHO, &self.scene.namespace));
        let bindings: Api<RoleBinding> = self.scene.of();
        let granted = bindings.create(&PostParams::default(), &binding).await;
        granted.expect("the rights are granted");
    }

    async fn revoke(&self) {
        let bindings: Api<RoleBinding> = self.scene.of();
        let revoked = bindings.delete(WHO, &DeleteParams::default()).await;
        revoked.expect("the rights are revoked");
    }

    /// A token that stands as long as a Secret of this name, written where the controller looks for it.
    async fn token_of(&self, secret: &str) {
        let secrets: Api<Secret> = self.scene.of();
        let body = made(json!({"metadata": {"name": secret}}));
        let created = secrets.create(&PostParams::default(), &body).await;
        created.expect("the Secret is created");
        let bound = format!("--bound-object-name={secret}");
        let args = ["create", "token", WHO, "-n", &self.scene.namespace];
        let args = [&args[..], &["--bound-object-kind=Secret", &bound]].concat();
        let token = self.scene.world.kubectl(&args).await;
        std::fs::write(&self.token, token.trim()).expect("the folder takes a file");
    }

    async fn void(&self, secret: &str) {
        let secrets: Api<Secret> = self.scene.of();
        let gone = secrets.delete(secret, &DeleteParams::default()).await;
        gone.expect("the Secret is deleted");
    }

    async fn close(self, controller: Controller) {
        let cluster = format!("{WHO}-of-{}", self.scene.namespace);
        let params = DeleteParams::default();
        let all: Api<ClusterRoleBinding> = Api::all(self.scene.client.clone());
        all.delete(&cluster, &params).await.expect("deleted");
        let all: Api<ClusterRole> = Api::all(self.scene.client.clone());
        all.delete(&cluster, &params).await.expect("deleted");
        self.scene.close(controller).await;
    }
}

/// The controller is not ready, and says why in words that hold this one.
async fn until_unready(controller: &Controller, word: &str) {
    let what = format!("it is not ready, and says {word:?}");
    until(&what, || async {
        let (code, text) = controller.admin("GET", "/readyz", "").await?;
        (code != 200 && text.contains(word)).then_some(())
    })
    .await;
}

#[tokio::test]
async fn rights_that_are_revoked_stop_no_game_and_once_granted_again_work_goes_on() {
    let _alone = alone().await;
    let account = Account::open("revoked").await;
    account.token_of("first").await;
    let mut controller = account.scene.controller().await;
    account.scene.game(&testgame("arena")).await;
    let running = account.scene.session(&session("running", "arena")).await;
    running.until_ready().await;
    let id = running.container_id().await;

    account.revoke().await;
    until_unready(&controller, "forbidden").await;
    let later = account.scene.session(&session("later", "arena")).await;
    assert!(controller.ended().is_none(), "{}", controller.tail(40));
    assert!(later.containers().await.is_empty());
    account.grant().await;
    controller.until_ready().await;
    later.until_ready().await;
    assert_eq!(
        running.container_id().await,
        id,
        "a running game was touched"
    );
    drop((running, later));
    account.close(controller).await;
}

#[tokio::test]
async fn a_token_that_is_void_and_replaced_in_its_file_is_read_anew() {
    let _alone = alone().await;
    let account = Account::open("token").await;
    account.token_of("first").await;
    let mut controller = account.scene.controller().await;
    account.scene.game(&testgame("arena")).await;
    let running = account.scene.session(&session("running", "arena")).await;
    running.until_ready().await;
    let id = running.container_id().await;

    account.void("first").await;
    until_unready(&controller, "nauthorized").await;
    assert!(controller.ended().is_none(), "{}", controller.tail(40));
    account.token_of("second").await;
    controller.until_ready().await;
    let later = account.scene.session(&session("later", "arena")).await;
    later.until_ready().await;
    assert_eq!(
        running.container_id().await,
        id,
        "a running game was touched"
    );
    drop((running, later));
    account.close(controller).await;
}

#[tokio::test]
async fn without_one_of_its_rights_it_says_which_one_is_missing() {
    let _alone = alone().await;
    let account = Account::open("one-right").await;
    account.token_of("first").await;
    account.revoke().await;
    let controller = account.scene.launch(&account.scene.options);
    until_unready(&controller, "cannot list resource \"gamesessions\"").await;
    account.grant().await;
    let mut controller = controller;
    controller.until_ready().await;
    account.close(controller).await;
}
