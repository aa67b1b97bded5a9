//! From raw JSON of both kinds to the body of a create, and from raw JSON of an engine to what is seen: whatever
//! stands there, no panic, and nothing that the Game does not give.

mod answers;
mod large;
mod oracle;

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use bollard::models::ContainerCreateBody;
use kube::ResourceExt;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use super::create;
use crate::api::{Game, GameSession, RuntimeKind};
use crate::controller::guard::Guarded;
use crate::hostile::{any_json, cases, edited, edits, text};
use crate::session::container;
use crate::session::contract::tests::surroundings;
use crate::session::contract::{Refusal, resolve};
use crate::session::facts::Engine;
use crate::session::observation::Session;
use crate::session::ports;

const BIND: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7));
const RANGE: RangeInclusive<u16> = 20_000..=20_999;

/// What came of two manifests that could be read.
struct Read {
    session: GameSession,
    game: Game,
    /// The session in the words of an observation, the engine, and the body.
    made: Result<(Session, Engine, ContainerCreateBody), Refusal>,
}

/// What an API server lets through as a name, of any kind and at its very least.
fn is_possible(name: &str) -> bool {
    name.bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'.')
}

/// The whole way, as the watches and the Docker runtime go it. None: a manifest cannot be read.
fn way(session: &str, game: &str) -> Option<Read> {
    let session: Guarded<GameSession> = serde_json::from_str(session).ok()?;
    let game: Guarded<Game> = serde_json::from_str(game).ok()?;
    let (session, game) = (session.read()?, game.read()?);
    if ![
        session.name_any(),
        game.name_any(),
        session.namespace().unwrap_or_default(),
    ]
    .iter()
    .all(|name| is_possible(name))
    {
        return None;
    }
    let contract = resolve(session, Some(&**game), None, &[RuntimeKind::Docker]);
    let made = contract.and_then(|contract| {
        let (mut o, engine) = surroundings(&contract);
        o.session.name = session.name_any();
        o.session.namespace = session.namespace().unwrap_or_default();
        o.session.uid = session.uid().unwrap_or_default();
        o.session.container_name = container::name(&o.session.name, &o.session.uid);
        o.session.user = session.spec.user.clone();
        o.session.grace_seconds = session.spec.termination_grace_period_seconds;
        let wanted = &contract.terms.ports;
        let chosen = ports::choose(&o.session.uid, wanted, RANGE, &|_, _| false, &|_| false);
        // A Game with two static ports of one number, say: nothing is made.
        let chosen = chosen.map_err(|none| Refusal {
            reason: crate::session::reason::Reason::PortsExhausted,
            message: none.message,
        })?;
        let spec = container::spec(&o, &contract, &chosen, &engine, 3);
        let body = create::body(&spec, &engine.id, BIND);
        Ok((o.session, engine, body))
    });
    Some(Read {
        session: GameSession::clone(session),
        game: Game::clone(game),
        made,
    })
}

fn judge(session: &Value, game: &Value) -> Result<(), TestCaseError> {
    let (session, game) = (session.to_string(), game.to_string());
    let Some(read) = way(&session, &game) else {
        return Ok(());
    };
    match &read.made {
        Ok((wish, engine, body)) => {
            let found = oracle::wrong(&read.session, &read.game, wish, engine, body);
            prop_assert!(found.is_empty(), "{}", found.join("\n"));
            oracle::check_size(body, &read.game, session.len() + game.len())?;
        }
        Err(refusal) => {
            prop_assert!(refusal.message.chars().count() <= 1024);
            prop_assert!(!refusal.message.chars().any(char::is_control));
            prop_assert!(!refusal.message.is_empty());
        }
    }
    Ok(())
}

fn session() -> Value {
    json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession",
        "metadata": {
            "name": "friday", "namespace": "arcade", "uid": "u-1", "generation": 1,
            "labels": {"dillinger.dev/uid": "u-2"}, "annotations": {"dillinger.dev/contract": "{}"},
        },
        "spec": {
            "gameRef": {"name": "wesnoth"}, "user": "alice", "runtime": "Docker", "desiredState": "Running",
            "parameters": [{"name": "MAP", "value": "dm1"}],
            "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}},
            "startDeadlineSeconds": 60, "activeDeadlineSeconds": 600, "terminationGracePeriodSeconds": 10,
            "ttlSecondsAfterFinished": 60, "restartPolicy": "OnFailure", "backoffLimit": 3,
        },
    })
}

fn game_of(spec: &Value) -> Value {
    json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game",
        "metadata": {"name": "wesnoth", "namespace": "arcade", "uid": "g-1", "generation": 7},
        "spec": spec,
    })
}

/// Games of which each puts what a user writes somewhere else.
fn games() -> Vec<Value> {
    [
        json!({"image": "example/wesnothd:1", "parameters": [{"name": "MAP"}]}),
        json!({
            "image": "example/wesnothd:1", "imagePullPolicy": "Always",
            "command": ["/bin/$(MAP)", "-x"], "args": ["$(MAP)$(USER_ID)", "-p=$(PORT_GAME)", "$$(MAP)"],
            "env": [{"name": "MAP", "value": "$(MAP) $(GAME_ID) $(SESSION_ID)"}],
            "parameters": [{"name": "MAP", "default": "dm0"}, {"name": "GAME_ID"}, {"name": "A", "required": false}],
            "ports": [
                {"name": "game", "containerPort": 15000, "protocol": "TCPUDP"},
                {"name": "own", "portPolicy": "Passthrough"},
                {"name": "fixed", "containerPort": 1, "portPolicy": "Static", "hostPort": 7, "protocol": "TCP"},
            ],
            "resources": {"limits": {"cpu": "1", "memory": "128Mi"}, "max": {"cpu": "2", "memory": "1Gi"}},
            "securityContext": {"runAsUser": 1001, "runAsGroup": 1002, "readOnlyRootFilesystem": false},
            "scratch": [{"mountPath": "/tmp", "sizeLimit": "1Mi"}],
            "storage": [{"name": "world", "mountPath": "/data", "size": "1Gi"}],
            "readiness": {"exchange": {"port": "game", "send": "hi", "expect": "."}},
        }),
        json!({
            "image": "example/wesnothd@sha256:00", "initProcess": false, "runtimes": ["Docker"],
            "args": ["$(MAP)"], "parameters": [{"name": "MAP", "pattern": "[^/]*"}],
            "ports": [{"name": "query", "containerPort": 65535}],
            "readiness": {"log": {"pattern": "ready"}},
            "maxActiveDeadlineSeconds": 3600, "terminationGracePeriodSeconds": 0,
            "storage": [{"name": "a", "mountPath": "/a"}, {"name": "b", "mountPath": "/b/c"}],
        }),
    ]
    .iter()
    .map(game_of)
    .collect()
}

/// A session whose every field of text is hostile, and which is read all the same.
fn wishes() -> impl Strategy<Value = Value> {
    (
        text(),
        text(),
        proptest::option::of(text()),
        proptest::option::of((text(), text())),
        proptest::option::of(any::<i32>()),
    )
        .prop_map(|(user, map, game_id, resources, grace)| {
            let mut wish = session();
            let spec = &mut wish["spec"];
            spec["user"] = Value::from(user);
            spec["parameters"][0]["value"] = Value::from(map);
            if let Some(game_id) = game_id {
                let parameters = spec["parameters"].as_array_mut().expect("a list");
                parameters.push(json!({"name": "GAME_ID", "value": game_id}));
            }
            match resources {
                Some((cpu, memory)) => {
                    spec["resources"] = json!({"limits": {"cpu": cpu, "memory": memory}});
                }
                None => spec["resources"] = Value::Null,
            }
            spec["terminationGracePeriodSeconds"] = json!(grace);
            wish
        })
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn whatever_a_session_wishes_it_gets_what_its_game_gives_and_no_more(
        wish in wishes(),
        edits in edits(2),
        game in select(games()),
    ) {
        judge(&edited(wish, "/spec", &edits), &game)?;
    }

    #[test]
    fn whatever_is_changed_in_a_session_it_gets_what_its_game_gives_and_no_more(
        edits in edits(4),
        game in select(games()),
    ) {
        judge(&edited(session(), "", &edits), &game)?;
    }

    #[test]
    fn whatever_a_game_says_it_gives_no_privilege(
        edits in edits(3),
        game in select(games()),
    ) {
        judge(&session(), &edited(game, "/spec", &edits))?;
    }

    #[test]
    fn whatever_both_say_together_no_privilege_comes_of_it(
        wish in wishes(),
        session_edits in edits(2),
        game_edits in edits(3),
        game in select(games()),
    ) {
        judge(&edited(wish, "", &session_edits), &edited(game, "", &game_edits))?;
    }

    #[test]
    fn whatever_json_stands_for_both_kinds_it_is_read_or_told_apart(session in any_json(), game in any_json()) {
        judge(&session, &game)?;
        judge(&json!({"metadata": {"name": "a"}, "spec": session}), &json!({"metadata": {"name": "b"}, "spec": game}))?;
    }

    #[test]
    fn whatever_bytes_come_for_an_object_they_are_read_or_told_apart(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        cut in 0..900_usize,
    ) {
        let _ = serde_json::from_slice::<Guarded<GameSession>>(&bytes);
        let text = session().to_string();
        let cut = &text[..cut.min(text.len())];
        prop_assert_eq!(serde_json::from_str::<Guarded<GameSession>>(cut).is_ok(), cut.len() == text.len());
    }
}

#[test]
fn the_hostile_manifests_are_neither_all_refused_nor_all_accepted() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let drawn = (wishes(), edits(2), edits(3), select(games()));
    let mut made = [0, 0];
    for _ in 0..100 {
        let (wish, of_session, of_game, game) = drawn.new_tree(&mut runner).unwrap().current();
        let changed = [
            (edited(wish, "/spec", &of_session), game.clone()),
            (session(), edited(game, "/spec", &of_game)),
        ];
        for (count, (session, game)) in made.iter_mut().zip(changed) {
            let read = way(&session.to_string(), &game.to_string());
            *count += u32::from(read.is_some_and(|read| read.made.is_ok()));
        }
    }
    assert!(made.iter().all(|n| (10..90).contains(n)), "{made:?} of 100");
}
