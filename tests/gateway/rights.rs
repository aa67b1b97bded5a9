//! Who may do what, on the real API server: callers × calls × both ways of authentication, by a gateway with a least
//! ServiceAccount of its own.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::client::{Answer, begin, call};
use crate::example;
use crate::harness::{Scene, until};
use crate::listener::Listener;
use crate::old_calls::until_catalog;
use crate::process::{self, Gateway};

/// The audience of --auth=kubernetes.
const AUDIENCE: &str = "dillinger-gateway";

/// The one whose answer goes on for ever.
const EVENTS: &str = "GET /events";

/// Every call, and whether it writes.
const CALLS: [(&str, bool); 14] = [
    ("GET /sessions", false),
    ("GET /sessions/none", false),
    ("GET /containers", false),
    ("GET /games", false),
    (EVENTS, false),
    ("GET /sessions/none/logs", false),
    ("POST /sessions", true),
    ("DELETE /sessions/none", true),
    ("POST /sessions/none/stop", true),
    ("POST /sessions/none/start", true),
    ("GET /api/runner/sessions", false),
    ("GET /api/runner/sessions/none", false),
    ("POST /api/runner/launch", true),
    ("DELETE /api/runner/sessions/none", true),
];

/// What a gateway needs, in its namespace and beyond.
fn least(mode: &str) -> (Value, Value) {
    let read = json!(["get", "list", "watch"]);
    let mut own = vec![
        json!({"apiGroups": ["dillinger.dev"], "resources": ["gamesessions", "games"], "verbs": read}),
    ];
    let mut beyond = Vec::new();
    if mode == "kubernetes" {
        own.push(json!({"apiGroups": ["dillinger.dev"], "resources": ["gamesessions"], "verbs": ["create", "patch", "delete"]}));
        own.push(json!({"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]}));
        beyond.push(json!({"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}));
        beyond.push(json!({"apiGroups": ["authorization.k8s.io"], "resources": ["subjectaccessreviews"], "verbs": ["create"]}));
    }
    (own.into(), beyond.into())
}

/// A scene's ServiceAccounts.
struct Accounts<'a>(&'a Scene);

impl Accounts<'_> {
    async fn apply(&self, objects: &[Value]) {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        let file = self
            .0
            .world
            .folder
            .join(format!("{}.accounts.json", self.0.namespace));
        std::fs::write(&file, list.to_string()).expect("the world's folder takes a file");
        self.0
            .world
            .kubectl(&["apply", "-f", file.to_str().expect("a plain path")])
            .await;
    }

    /// An account with these rights in the scene's namespace.
    async fn with(&self, name: &str, rules: Value) {
        let namespace = &self.0.namespace;
        let kind = "rbac.authorization.k8s.io/v1";
        self.apply(&[
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}}),
            json!({"apiVersion": kind, "kind": "Role", "metadata": {"name": name, "namespace": namespace}, "rules": rules}),
            json!({"apiVersion": kind, "kind": "RoleBinding", "metadata": {"name": name, "namespace": namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}]}),
        ])
        .await;
    }

    async fn token(&self, name: &str, audience: Option<&str>) -> String {
        let mut args = vec!["create", "token", name, "--namespace", &self.0.namespace];
        if let Some(audience) = audience {
            args.extend(["--audience", audience]);
        }
        self.0.world.kubectl(&args).await.trim().to_owned()
    }

    /// A gateway with the least rights of its own.
    async fn gateway(&self, mode: &str, flags: &[&str]) -> Gateway {
        let scene = self.0;
        let (own, beyond) = least(mode);
        let name = format!("gateway-{mode}");
        self.with(&name, own).await;
        let (kind, cluster) = (
            "rbac.authorization.k8s.io/v1",
            format!("{}-{mode}", scene.namespace),
        );
        self.apply(&[
            json!({"apiVersion": kind, "kind": "ClusterRole", "metadata": {"name": cluster}, "rules": beyond}),
            json!({"apiVersion": kind, "kind": "ClusterRoleBinding", "metadata": {"name": cluster},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": scene.namespace}]}),
        ])
        .await;
        let kubeconfig = self.kubeconfig(&name).await;
        let flags: Vec<&str> = ["--auth", mode]
            .into_iter()
            .chain(flags.iter().copied())
            .collect();
        let gateway = Gateway::launch(scene, &kubeconfig, &flags);
        gateway.until_health(200).await;
        gateway
    }

    /// The world's kubeconfig with this account's token in the place of the administrator's certificate.
    async fn kubeconfig(&self, name: &str) -> PathBuf {
        let text = std::fs::read_to_string(&self.0.world.kubeconfig).expect("a kubeconfig");
        let mut file: Value = serde_yaml::from_str(&text).expect("YAML");
        let token = self.token(name, None).await;
        for user in file["users"].as_array_mut().expect("it has users") {
            user["user"] = json!({"token": token});
        }
        let path = self
            .0
            .world
            .folder
            .join(format!("{}-{name}.kubeconfig", self.0.namespace));
        std::fs::write(&path, file.to_string()).expect("the world's folder takes a file");
        path
    }
}

fn viewing() -> Value {
    json!([
        {"apiGroups": ["dillinger.dev"], "resources": ["gamesessions", "games"], "verbs": ["get", "list", "watch"]},
        {"apiGroups": ["dillinger.dev"], "resources": ["gamesessions/log"], "verbs": ["get"]},
    ])
}

fn editing() -> Value {
    let mut rules = viewing();
    let writes = json!({"apiGroups": ["dillinger.dev"], "resources": ["gamesessions"], "verbs": ["create", "patch", "delete"]});
    rules.as_array_mut().expect("rules").push(writes);
    rules
}

async fn asked(gateway: &Gateway, line: &str, token: Option<&str>) -> Answer {
    let mut wanted = call(line).json(&json!({}));
    if let Some(token) = token {
        wanted = wanted.token(token);
    }
    gateway.ask(&wanted).await
}

/// The same, of a stream its beginning.
async fn answered(gateway: &Gateway, line: &str, token: Option<&str>) -> Answer {
    if line != EVENTS {
        return asked(gateway, line, token).await;
    }
    let wanted = token.map_or(call(line), |token| call(line).token(token));
    let (head, _) = begin(gateway.port, &wanted).await.expect("an answer");
    head
}

#[tokio::test]
async fn every_caller_may_do_what_rbac_says_and_nothing_else() {
    let (scene, controller, _) = process::scene("rights").await;
    scene.game(&example()).await;
    let accounts = Accounts(&scene);
    accounts.with("viewer", viewing()).await;
    accounts.with("editor", editing()).await;
    accounts.with("nobody", json!([])).await;
    // Everything, in another namespace.
    let elsewhere = Scene::open_in(scene.world.clone(), "rights-elsewhere").await;
    let others = Accounts(&elsewhere);
    others.with("neighbour", editing()).await;
    let mut cells = 0;
    for mode in ["kubernetes", "passthrough"] {
        let gateway = accounts.gateway(mode, &[]).await;
        let audience = (mode == "kubernetes").then_some(AUDIENCE);
        let wrong = if audience.is_some() {
            None
        } else {
            Some(AUDIENCE)
        };
        let callers = [
            ("no token", None),
            ("no such token", Some("eyJhbGciOiJub25lIn0.e30.".to_owned())),
            (
                "a token for another audience",
                Some(accounts.token("editor", wrong).await),
            ),
            ("nobody", Some(accounts.token("nobody", audience).await)),
            ("neighbour", Some(others.token("neighbour", audience).await)),
            ("viewer", Some(accounts.token("viewer", audience).await)),
            ("editor", Some(accounts.token("editor", audience).await)),
        ];
        for (who, token) in &callers {
            for (line, writes) in CALLS {
                let answer = answered(&gateway, line, token.as_deref()).await;
                let wanted = match *who {
                    "no token" | "no such token" | "a token for another audience" => Some(401),
                    "nobody" | "neighbour" => Some(403),
                    "viewer" if writes => Some(403),
                    _ => None,
                };
                let refused = [401, 403].contains(&answer.status).then_some(answer.status);
                assert_eq!(refused, wanted, "{mode}: {who}: {line}: {answer:?}");
                assert!(answer.status < 500, "{mode}: {who}: {line}: {answer:?}");
                cells += 1;
            }
            for line in ["GET /health", "GET /openapi.json", "GET /api/runner/health"] {
                assert_eq!(asked(&gateway, line, token.as_deref()).await.status, 200);
                cells += 1;
            }
        }
        let unknown = asked(&gateway, "GET /sessions", None).await;
        assert_eq!(unknown.headers["www-authenticate"], "Bearer");
    }
    println!("authorisation: {cells} of {cells} cells");
    let idle = elsewhere.controller().await;
    elsewhere.close(idle).await;
    scene.close(controller).await;
}

#[tokio::test]
async fn callers_with_their_own_sessions_see_nobody_elses() {
    let (scene, controller, _) = process::scene("own-sessions").await;
    scene.game(&example()).await;
    let accounts = Accounts(&scene);
    accounts.with("ann", editing()).await;
    accounts.with("bob", editing()).await;
    for mode in ["kubernetes", "passthrough"] {
        let gateway = accounts.gateway(mode, &["--own-sessions-only"]).await;
        let audience = (mode == "kubernetes").then_some(AUDIENCE);
        let (ann, bob) = (
            accounts.token("ann", audience).await,
            accounts.token("bob", audience).await,
        );
        let wish = |token: &str, body: Value| call("POST /sessions").json(&body).token(token);
        let made = gateway.ask(&wish(&ann, json!({"gameId": "g"}))).await;
        assert_eq!(made.status, 200, "{made:?}\n{}", gateway.log_text());
        let session = made.json();
        let user = format!("system:serviceaccount:{}:ann", scene.namespace);
        assert_eq!(
            (session["userId"].as_str(), session["status"].as_str()),
            (Some(&*user), Some("running"))
        );
        let foreign = gateway
            .ask(&wish(&bob, json!({"gameId": "g", "userId": user})))
            .await;
        assert_eq!(foreign.status, 403, "{foreign:?}");
        let id = session["id"].as_str().expect("an id");
        for line in [
            "GET /sessions/ID",
            "DELETE /sessions/ID",
            "POST /sessions/ID/stop",
            "GET /sessions/ID/logs",
        ] {
            let line = line.replace("ID", id);
            assert_eq!(
                asked(&gateway, &line, Some(&bob)).await.status,
                404,
                "{line}"
            );
        }
        for line in ["GET /sessions", "GET /containers"] {
            assert_eq!(
                asked(&gateway, line, Some(&bob)).await.json(),
                json!([]),
                "{line}"
            );
            let own = asked(&gateway, line, Some(&ann)).await.json();
            assert_eq!(own.as_array().map(Vec::len), Some(1), "{line}");
        }
        let mut hers = Listener::at(gateway.port, Some(&ann)).await;
        let mut his = Listener::at(gateway.port, Some(&bob)).await;
        assert_eq!(hers.next().await.expect("a snapshot").data[0]["id"], id);
        assert_eq!(his.next().await.expect("a snapshot").data, json!([]));
        assert_eq!(
            asked(&gateway, &format!("DELETE /sessions/{id}"), Some(&ann))
                .await
                .status,
            200
        );
        hers.until("it is gone", |event| event.name == "gone").await;
        let made = gateway
            .ask(&wish(&bob, json!({"gameId": "g"})))
            .await
            .json();
        let next = his.next().await.expect("an event");
        assert_eq!(
            next.data["id"], made["id"],
            "nothing of hers came before his own"
        );
        let own = format!("DELETE /sessions/{}", made["id"].as_str().expect("an id"));
        assert_eq!(asked(&gateway, &own, Some(&bob)).await.status, 200);
        until("both are gone", || async {
            let left = asked(&gateway, "GET /sessions", Some(&bob)).await.json();
            (left == json!([])).then_some(())
        })
        .await;
    }
    scene.close(controller).await;
}

#[tokio::test]
async fn a_right_that_is_taken_away_is_gone_soon() {
    let (scene, controller, open) = process::scene("taken-away").await;
    until_catalog(&open, 0).await;
    let accounts = Accounts(&scene);
    accounts.with("viewer", viewing()).await;
    let gateway = accounts.gateway("kubernetes", &[]).await;
    let token = accounts.token("viewer", Some(AUDIENCE)).await;
    assert_eq!(
        asked(&gateway, "GET /sessions", Some(&token)).await.status,
        200
    );
    let namespace = scene.namespace.as_str();
    scene
        .world
        .kubectl(&["delete", "rolebinding", "viewer", "--namespace", namespace])
        .await;
    until("the right is gone", || async {
        let answer = asked(&gateway, "GET /sessions", Some(&token)).await;
        (answer.status == 403).then_some(())
    })
    .await;
    scene.close(controller).await;
}
