//! The runtime over an API server that answers what a test wants, and notes what it was asked.

use http::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

use super::*;
use crate::session::container::ContainerSpec;
use crate::session::contract::tests::{resolved, surroundings};
use crate::session::ports::ChosenPorts;
use crate::session::seen::{Answer, ContainerId, Doubt, Made};

const CLUSTER: &str = "c-1";
/// Pods, Services, nodes.
const LISTS: usize = 3;

/// Method, path and body of each request.
type Asked = Arc<Mutex<Vec<(String, String, Value)>>>;

/// Answers every request with what `answer` makes of its method and path.
fn runtime(
    answer: impl Fn(&str, &str) -> (u16, Value) + Send + Sync + 'static,
) -> (Arc<PodRuntime>, Asked) {
    let asked: Asked = Arc::default();
    let (answer, noted) = (Arc::new(answer), asked.clone());
    let service = tower::service_fn(move |request: Request<Body>| {
        let (answer, noted) = (answer.clone(), noted.clone());
        async move {
            let (method, path) = (
                request.method().to_string(),
                request.uri().path().to_owned(),
            );
            let body = request.into_body().collect_bytes().await.expect("a body");
            let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let (code, reply) = answer(&method, &path);
            noted.lock().unwrap().push((method, path, body));
            let reply = Response::builder()
                .status(code)
                .body(Body::from(reply.to_string().into_bytes()));
            Ok::<_, std::convert::Infallible>(reply.expect("a response"))
        }
    });
    let runtime = PodRuntime::new(PodConfig {
        client: Client::new(service, "default"),
        owner: Owner {
            cluster: CLUSTER.to_owned(),
            controller: "dillinger-runner".to_owned(),
        },
        namespaces: Vec::new(),
        port_range: 7000..=7009,
        node_port_range: 30_000..=30_009,
        exposure: Exposure::HostPort,
        age: Arc::new(|_, _| Some(Duration::from_secs(1))),
    });
    (runtime, asked)
}

/// As it is once everything was listed.
fn listed(
    answer: impl Fn(&str, &str) -> (u16, Value) + Send + Sync + 'static,
) -> (Arc<PodRuntime>, Asked) {
    let (runtime, asked) = runtime(answer);
    for _ in 0..LISTS {
        runtime.one_more_list();
    }
    (runtime, asked)
}

fn key() -> SessionKey {
    SessionKey {
        namespace: "arcade".to_owned(),
        name: "friday".to_owned(),
        uid: "u-1".to_owned(),
        container_name: "friday-a24a7f55f2".to_owned(),
    }
}

fn engine() -> EngineId {
    EngineId(CLUSTER.to_owned())
}

fn spec() -> Box<ContainerSpec> {
    let contract = resolved(json!({}), json!({})).expect("a contract");
    let (o, engine) = surroundings(&contract);
    let ports = ChosenPorts::default();
    let spec = crate::session::container::spec(&o, &contract, &ports, &engine, 0);
    Box::new(spec)
}

fn pod(uid: &str, session: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": "friday-a24a7f55f2", "namespace": "arcade", "uid": uid, "resourceVersion": "7",
            "labels": {"dillinger.dev/uid": session, "dillinger.dev/attempt": "0"},
        },
        "spec": {"containers": [{"name": "game", "image": "i"}]},
        "status": {"phase": "Pending"},
    })
}

fn failure(code: u16, reason: &str) -> (u16, Value) {
    let status = json!({
        "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason,
        "message": reason,
    });
    (code, status)
}

async fn seen(runtime: &PodRuntime) -> Seen {
    let engine = engine();
    let key = key();
    let look = Look {
        key: &key,
        attempt: Some(0),
        engine: Some(&engine),
        id: None,
        probe: true,
    };
    runtime.look_now(&look).await
}

async fn done(runtime: &PodRuntime, effect: Effect) -> Outcome {
    let done = runtime.carry_out(&key(), &engine(), &effect).await;
    done.expect("it goes through")
}

#[tokio::test(start_paused = true)]
async fn before_the_first_lists_nothing_is_known_and_nobody_leads() {
    let (runtime, _) = runtime(|_, _| failure(500, "no"));
    assert!(matches!(seen(&runtime).await, Seen::Unknown(_)));
    assert_eq!(runtime.engine_now().await, None);
    for _ in 1..LISTS {
        runtime.one_more_list();
        assert!(matches!(seen(&runtime).await, Seen::Unknown(_)));
    }
    runtime.one_more_list();
    assert_eq!(seen(&runtime).await, Seen::Absent);
    assert_eq!(runtime.engine_now().await.map(|e| e.id), Some(engine()));
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_shows_the_past_is_a_doubt() {
    let (runtime, _) = listed(|_, _| failure(500, "no"));
    let mut config = runtime.config.clone();
    config.age = Arc::new(|_, _| Some(Duration::from_secs(61)));
    let old = PodRuntime::new(config);
    for _ in 0..LISTS {
        old.one_more_list();
    }
    assert_eq!(seen(&old).await, Seen::Absent, "the lists are new");
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(matches!(seen(&old).await, Seen::Unknown(_)));
    assert_eq!(seen(&runtime).await, Seen::Absent);
}

#[tokio::test(start_paused = true)]
async fn a_session_of_another_engine_is_a_mismatch_and_gets_no_write() {
    let (runtime, asked) = listed(|_, _| failure(500, "no"));
    let (key, other) = (key(), EngineId("other".to_owned()));
    let look = Look {
        key: &key,
        attempt: Some(0),
        engine: Some(&other),
        id: None,
        probe: false,
    };
    let seen = runtime.look_now(&look).await;
    assert!(matches!(seen, Seen::Unknown(Doubt::EngineMismatch { .. })));
    let create = Effect::Create(spec());
    let refused = runtime.carry_out(&key, &other, &create).await;
    assert!(matches!(refused, Err(EffectError::OtherEngine { .. })));
    assert!(asked.lock().unwrap().is_empty());
}

async fn recorded(runtime: &PodRuntime) -> Seen {
    let (engine, key) = (engine(), key());
    let look = Look {
        key: &key,
        attempt: Some(0),
        engine: Some(&engine),
        id: Some("p-1"),
        probe: false,
    };
    runtime.look_now(&look).await
}

#[tokio::test(start_paused = true)]
async fn a_pod_on_record_that_a_new_leaders_watch_did_not_show_yet_is_not_lost() {
    let (runtime, asked) = listed(|_, _| (200, pod("p-1", "u-1")));
    assert!(matches!(recorded(&runtime).await, Seen::Created(..)));
    assert!(matches!(recorded(&runtime).await, Seen::Created(..)));
    assert_eq!(asked.lock().unwrap().len(), 1, "it is known from then on");
    let (runtime, _) = listed(|_, _| failure(500, "no"));
    assert!(matches!(recorded(&runtime).await, Seen::Unknown(_)));
    let (runtime, _) = listed(|_, _| failure(404, "NotFound"));
    assert_eq!(recorded(&runtime).await, Seen::Absent);
}

#[tokio::test(start_paused = true)]
async fn what_was_made_is_seen_before_the_watch_shows_it() {
    let (runtime, asked) = listed(|_, _| (201, pod("p-1", "u-1")));
    assert_eq!(done(&runtime, Effect::Create(spec())).await, Outcome::Done);
    assert!(matches!(
        seen(&runtime).await,
        Seen::Created(_, Made::Awaited(..))
    ));
    let asked = asked.lock().unwrap();
    let [(method, path, _)] = &asked[..] else {
        panic!("{asked:?}")
    };
    assert_eq!(
        (method.as_str(), path.as_str()),
        ("POST", "/api/v1/namespaces/arcade/pods")
    );
}

#[tokio::test(start_paused = true)]
async fn a_delete_names_the_uid_and_a_grace_and_is_sent_once() {
    let (runtime, asked) = listed(|method, _| {
        let mut pod = pod("p-1", "u-1");
        if method == "DELETE" {
            pod["metadata"]["deletionTimestamp"] = json!("2026-11-26T10:00:00Z");
            pod["metadata"]["resourceVersion"] = json!("8");
        }
        (200, pod)
    });
    done(&runtime, Effect::Create(spec())).await;
    let id = ContainerId("p-1".to_owned());
    done(&runtime, Effect::Stop(id.clone(), 0)).await;
    assert_eq!(seen(&runtime).await, Seen::Going);
    done(&runtime, Effect::Kill(id.clone())).await;
    done(&runtime, Effect::Remove(id)).await;
    let asked = asked.lock().unwrap();
    let deletes: Vec<_> = asked.iter().filter(|(m, ..)| m == "DELETE").collect();
    let [(_, path, body)] = &deletes[..] else {
        panic!("{deletes:?}")
    };
    assert!(path.ends_with("/pods/friday-a24a7f55f2"));
    assert_eq!(body["preconditions"], json!({"uid": "p-1"}));
    assert_eq!(body["gracePeriodSeconds"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_stranger_has_is_asked_for_at_every_look() {
    let there = Arc::new(std::sync::atomic::AtomicBool::new(true));
    let answer = there.clone();
    let (runtime, _) = listed(move |method, _| match method {
        "POST" => failure(409, "AlreadyExists"),
        _ if answer.load(std::sync::atomic::Ordering::Relaxed) => (200, pod("p-9", "another")),
        _ => failure(404, "NotFound"),
    });
    let create = Effect::Create(spec());
    assert_eq!(done(&runtime, create).await, Outcome::Already);
    assert!(matches!(seen(&runtime).await, Seen::Foreign(_)));
    there.store(false, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(seen(&runtime).await, Seen::Absent);
}

#[tokio::test(start_paused = true)]
async fn a_stranger_on_its_way_out_is_waited_for() {
    let (runtime, _) = listed(|method, _| {
        let mut pod = pod("p-9", "another");
        pod["metadata"]["deletionTimestamp"] = json!("2026-11-26T10:00:00Z");
        match method {
            "POST" => failure(409, "AlreadyExists"),
            _ => (200, pod),
        }
    });
    done(&runtime, Effect::Create(spec())).await;
    assert_eq!(seen(&runtime).await, Seen::Going);
}

#[tokio::test(start_paused = true)]
async fn what_the_kubelet_does_and_what_the_collector_takes_is_no_write_of_ours() {
    let (runtime, asked) = listed(|_, _| failure(500, "no"));
    for effect in [
        Effect::Start(ContainerId("p".to_owned())),
        Effect::RemoveStorage(vec!["a".to_owned()]),
    ] {
        assert_eq!(done(&runtime, effect).await, Outcome::Already);
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn storage_that_is_not_there_is_missing_and_a_refusal_to_tell_is_told() {
    let list = json!({
        "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": {},
        "items": [{"metadata": {"name": "friday-a24a7f55f2-world"}}],
    });
    let (runtime, _) = listed(move |_, _| (200, list.clone()));
    let wanted = ["friday-a24a7f55f2-world", "friday-a24a7f55f2-logs"].map(str::to_owned);
    let seen = runtime
        .storage_now(&key(), &wanted)
        .await
        .expect("an answer");
    assert_eq!(seen.present, wanted[..1]);
    assert_eq!(seen.missing, wanted[1..]);
    let (forbidden, _) = listed(|_, _| failure(403, "Forbidden"));
    let words = forbidden.storage_now(&key(), &wanted).await;
    assert!(words.is_err_and(|words| words.contains("Forbidden") && words.contains("403")));
    let without = forbidden.storage_now(&key(), &[]).await;
    assert_eq!(without, Ok(StorageSeen::default()));
}

#[tokio::test(start_paused = true)]
async fn a_strangers_claim_under_our_name_is_not_taken_for_ours() {
    let (runtime, _) = listed(|method, _| match method {
        "POST" => failure(409, "AlreadyExists"),
        _ => {
            let claim = json!({
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": "friday-a24a7f55f2-world", "labels": {"dillinger.dev/uid": "another"}},
            });
            (200, claim)
        }
    });
    let game = json!({"storage": [{"name": "world", "mountPath": "/data", "size": "1Gi"}]});
    let contract = resolved(json!({}), game).expect("a contract");
    let (o, recorded) = surroundings(&contract);
    let volumes = crate::session::container::volumes(&o, &contract, &recorded);
    let make = Effect::CreateStorage(volumes);
    let refused = runtime.carry_out(&key(), &engine(), &make).await;
    assert!(
        matches!(&refused, Err(EffectError::Failed(words)) if words.contains("is taken by")),
        "{refused:?}"
    );
}

/// A Pod that runs, is ready, and waits for players behind a load balancer.
fn balanced() -> PodSeen {
    let mut pod = pod("p-1", "u-1");
    let terms = json!({
        "ports": [{"name": "game", "containerPort": 7777, "protocol": "UDP", "policy": "Dynamic"}],
        "startDeadlineSeconds": 300, "terminationGracePeriodSeconds": 30,
        "gameUid": "g-1", "gameGeneration": 1, "digest": "d",
    });
    pod["metadata"]["annotations"] = json!({
        "dillinger.dev/contract": terms.to_string(),
        "dillinger.dev/ports": "game=7777",
        "dillinger.dev/exposure": "LoadBalancer",
    });
    pod["spec"]["nodeName"] = json!("node1");
    pod["status"] = json!({
        "phase": "Running",
        "podIP": "10.202.1.7",
        "containerStatuses": [{
            "name": "game", "image": "i", "imageID": "", "ready": true, "started": true, "restartCount": 0,
            "state": {"running": {}},
        }],
    });
    let pod: told::PodTold = serde_json::from_value(pod).expect("a Pod");
    PodSeen::of(&pod).expect("one of ours")
}

#[tokio::test(start_paused = true)]
async fn behind_a_load_balancer_no_game_is_ready_before_it_has_an_address() {
    let (runtime, _) = listed(|_, _| failure(500, "no"));
    let node = store::NodeSeen {
        ready: true,
        address: Some("192.0.2.1".to_owned()),
    };
    runtime.store.node("node1", Some(node));
    runtime.word(balanced(), Came::AsAnEvent);
    let Seen::Running(_, Answer::NotReady(words)) = seen(&runtime).await else {
        panic!("it has no address yet")
    };
    assert!(words.contains("load balancer"), "{words}");
    let service = store::ServiceSeen {
        namespace: "arcade".to_owned(),
        address: Some("lb.example.org".to_owned()),
    };
    runtime.store.service("u-1", Some(service));
    let Seen::Running(c, Answer::Ready) = seen(&runtime).await else {
        panic!("it has an address")
    };
    let end = &c.endpoints[0];
    assert_eq!((end.host.as_str(), end.port), ("lb.example.org", 7777));
}

#[tokio::test(start_paused = true)]
async fn a_service_that_no_port_needs_is_taken_away_before_the_pod_is_made() {
    let (runtime, asked) = listed(|method, path| {
        let service = json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": "g-a24a7f55f2", "uid": "s-1", "labels": {"dillinger.dev/uid": "u-1"}},
        });
        match (method, path.contains("/services")) {
            (_, true) => (200, service),
            (_, false) => (201, pod("p-1", "u-1")),
        }
    });
    let service = store::ServiceSeen {
        namespace: "arcade".to_owned(),
        address: None,
    };
    runtime.store.service("u-1", Some(service));
    assert_eq!(done(&runtime, Effect::Create(spec())).await, Outcome::Done);
    let asked = asked.lock().unwrap();
    let order: Vec<_> = asked
        .iter()
        .map(|(method, path, _)| (method.as_str(), path.rsplit('/').next().unwrap()))
        .collect();
    assert_eq!(
        order,
        [
            ("GET", "g-a24a7f55f2"),
            ("DELETE", "g-a24a7f55f2"),
            ("POST", "pods")
        ]
    );
    assert_eq!(asked[1].2["preconditions"]["uid"], "s-1");
}

#[tokio::test(start_paused = true)]
async fn the_number_that_its_own_service_holds_is_no_clash() {
    let contract = resolved(json!({}), json!({"exposure": "NodePort"})).expect("a contract");
    let (o, recorded) = surroundings(&contract);
    let names = contract.terms.ports.iter().map(|port| port.name.clone());
    let ports = ChosenPorts(names.zip(30_000..).collect());
    let spec = crate::session::container::spec(&o, &contract, &ports, &recorded, 1);
    let service: Arc<Mutex<Option<Value>>> = Arc::default();
    let made = service.clone();
    let (runtime, asked) = listed(move |method, path| match (method, path) {
        ("POST", path) if path.ends_with("/services") => failure(
            422,
            "spec.ports[0].nodePort: provided port is already allocated",
        ),
        ("GET", _) => (200, made.lock().unwrap().clone().expect("made before")),
        ("POST", _) => (201, pod("p-2", "u-1")),
        (method, path) => panic!("{method} {path}"),
    });
    let own = super::service::service(&spec, &key(), Exposure::NodePort);
    *service.lock().unwrap() = Some(serde_json::to_value(own).expect("a Service is JSON"));
    assert_eq!(
        done(&runtime, Effect::Create(Box::new(spec))).await,
        Outcome::Done
    );
    let methods: Vec<String> = asked
        .lock()
        .unwrap()
        .iter()
        .map(|one| one.0.clone())
        .collect();
    assert_eq!(methods, ["POST", "GET", "POST"]);
}
