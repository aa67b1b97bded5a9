//! Rules that compare with the old object: what cannot be changed, and what happens once.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::objects;
use crate::rules::transition_rules;
use crate::server::{Kind, Server, assert_accepted, assert_refused};

const FINISHED: &str = "2026-01-02T03:04:05Z";

/// Merge patches on a stored session.
struct Transition {
    path: &'static str,
    message: &'static str,
    /// What is taken away or set before, in spec; the session is otherwise as [`objects::session`] has it.
    before: Value,
    finished: bool,
    /// "" or "/status".
    part: &'static str,
    accepted: Vec<Value>,
    refused: Vec<Value>,
}

fn spec(change: Value) -> Value {
    json!({ "spec": change })
}

fn immutable(
    path: &'static str,
    message: &'static str,
    before: Value,
    same: Value,
    others: Vec<Value>,
) -> Transition {
    Transition {
        path,
        message,
        before,
        finished: false,
        part: "",
        accepted: vec![spec(same)],
        refused: others.into_iter().map(spec).collect(),
    }
}

fn transitions() -> Vec<Transition> {
    let resources = |cpu: Value| json!({"resources": {"limits": {"cpu": cpu, "memory": "256Mi"}}});
    let parameters = |value: &str| json!({"parameters": [{"name": "MAP", "value": value}]});
    vec![
        immutable(
            "spec",
            "runtime is immutable",
            json!({}),
            json!({"runtime": "Docker"}),
            vec![json!({"runtime": "Pod"}), json!({"runtime": null})],
        ),
        immutable(
            "spec",
            "runtime is immutable",
            json!({"runtime": null}),
            json!({"backoffLimit": 4}),
            vec![json!({"runtime": "Docker"})],
        ),
        immutable(
            "spec",
            "parameters are immutable",
            json!({}),
            parameters("ctf1"),
            vec![
                parameters("ctf2"),
                json!({"parameters": null}),
                json!({"parameters": []}),
                json!({"parameters": [{"name": "MAP", "value": "ctf1"}, {"name": "MODE", "value": "hard"}]}),
            ],
        ),
        immutable(
            "spec",
            "parameters are immutable",
            json!({"parameters": null}),
            json!({"backoffLimit": 4}),
            vec![parameters("ctf1"), json!({"parameters": []})],
        ),
        immutable(
            "spec",
            "resources are immutable",
            json!({}),
            resources("500m".into()),
            vec![
                resources("501m".into()),
                resources(Value::Null),
                json!({"resources": null}),
            ],
        ),
        immutable(
            "spec",
            "resources are immutable",
            json!({"resources": null}),
            json!({"backoffLimit": 4}),
            vec![resources(1.into())],
        ),
        immutable(
            "spec.gameRef",
            "gameRef is immutable",
            json!({}),
            json!({"gameRef": {"name": "a-game"}}),
            vec![json!({"gameRef": {"name": "another"}})],
        ),
        immutable(
            "spec.user",
            "user is immutable",
            json!({}),
            json!({"user": "alice"}),
            vec![json!({"user": "bob"})],
        ),
        immutable(
            "spec.restartPolicy",
            "restartPolicy is immutable",
            json!({}),
            json!({"restartPolicy": "OnFailure"}),
            vec![json!({"restartPolicy": "Never"})],
        ),
        Transition {
            path: "",
            message: "the session has finished; create a new one to play again",
            before: json!({"desiredState": "Stopped"}),
            finished: true,
            part: "",
            accepted: vec![
                spec(json!({"desiredState": "Stopped"})),
                spec(json!({"ttlSecondsAfterFinished": 5})),
            ],
            refused: vec![
                spec(json!({"desiredState": "Running"})),
                // Its default is Running.
                spec(json!({"desiredState": null})),
            ],
        },
        Transition {
            path: "",
            message: "status.finishTime is set once",
            before: json!({}),
            finished: true,
            part: "/status",
            accepted: vec![
                json!({"status": {"finishTime": FINISHED}}),
                json!({"status": {"phase": "Succeeded"}}),
            ],
            refused: vec![
                json!({"status": {"finishTime": "2026-01-02T03:04:06Z"}}),
                json!({"status": {"finishTime": null}}),
                json!({"status": null}),
            ],
        },
    ]
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_with_its_words() {
    let server = Server::with_namespace("rules-transitions").await;
    let mut tried = BTreeSet::new();
    for (index, transition) in transitions().into_iter().enumerate() {
        let Transition {
            path,
            message,
            before,
            finished,
            part,
            accepted,
            refused,
        } = transition;
        let name = format!("session-{index}");
        let mut session = objects::session(&name);
        for (field, value) in before.as_object().unwrap() {
            let fields = session["spec"].as_object_mut().unwrap();
            match value {
                Value::Null => drop(fields.remove(field)),
                value => drop(fields.insert(field.clone(), value.clone())),
            }
        }
        server.create(Kind::Session, &session).await;
        if finished {
            let patch = json!({"status": {"finishTime": FINISHED, "phase": "Failed"}});
            server.patch(Kind::Session, &name, "/status", &patch).await;
        }
        assert!(!accepted.is_empty() && !refused.is_empty());
        for patch in accepted {
            let answer = server.try_patch(Kind::Session, &name, part, &patch).await;
            assert_accepted(&format!("{message}: {patch}"), &answer);
        }
        for patch in refused {
            let answer = server.try_patch(Kind::Session, &name, part, &patch).await;
            let field = (!path.is_empty()).then_some(path);
            assert_refused(&format!("{message}: {patch}"), &answer, field, message);
        }
        tried.insert((
            Kind::Session.plural().to_owned(),
            path.to_owned(),
            message.to_owned(),
        ));
    }
    assert_eq!(
        tried,
        transition_rules(),
        "rules without a trial, or trials without a rule"
    );
    server.end().await;
}

#[tokio::test]
async fn what_is_not_immutable_can_be_changed_while_the_session_lives() {
    let server = Server::with_namespace("rules-changes").await;
    server
        .create(Kind::Session, &objects::session("friday"))
        .await;
    for change in [
        json!({"desiredState": "Stopped"}),
        json!({"startDeadlineSeconds": 1}),
        json!({"activeDeadlineSeconds": null}),
        json!({"terminationGracePeriodSeconds": 0}),
        json!({"ttlSecondsAfterFinished": 0}),
        json!({"backoffLimit": 0}),
    ] {
        let answer = server
            .try_patch(Kind::Session, "friday", "", &spec(change.clone()))
            .await;
        assert_accepted(&change.to_string(), &answer);
    }
    server.end().await;
}

#[tokio::test]
async fn status_cannot_be_written_with_the_spec_nor_the_spec_with_the_status() {
    let server = Server::with_namespace("rules-status").await;
    server
        .create(Kind::Session, &objects::session("friday"))
        .await;
    let both = json!({"spec": {"backoffLimit": 7}, "status": {"phase": "Running"}});
    let by_spec = server.patch(Kind::Session, "friday", "", &both).await;
    assert_eq!(by_spec["spec"]["backoffLimit"], 7);
    assert_eq!(by_spec["status"]["phase"], Value::Null);
    let both = json!({"spec": {"backoffLimit": 9}, "status": {"phase": "Running"}});
    let by_status = server
        .patch(Kind::Session, "friday", "/status", &both)
        .await;
    assert_eq!(by_status["spec"]["backoffLimit"], 7);
    assert_eq!(by_status["status"]["phase"], "Running");
    server.end().await;
}

#[tokio::test]
async fn the_definitions_are_applied_again_without_a_warning() {
    let server = Server::with_namespace("rules-definitions").await;
    for crd in dillinger_runner::api::crds() {
        let name = crd.metadata.name.clone().unwrap();
        let warnings = server.apply_definition(&name, &crd).await;
        assert_eq!(warnings, Vec::<String>::new(), "{name}");
    }
    server.end().await;
}
