//! Sessions and Games as an API server hands them over, resolved.

use serde_json::{Value, json};

use super::*;
use crate::session::container;
use crate::session::facts::{Engine, EngineId, Facts};
use crate::session::observation::{Image, Limits, Memo, Observation, Owner, Session, StorageSeen};
use crate::session::ports::ChosenPorts;
use crate::session::seen::Seen;

mod refusals;

const DOCKER: &[RuntimeKind] = &[RuntimeKind::Docker];

fn session(change: Value) -> GameSession {
    let mut raw = json!({
        "apiVersion": "dillinger.dev/v1alpha1",
        "kind": "GameSession",
        "metadata": {"name": "friday", "namespace": "arcade", "uid": "u-1", "generation": 1},
        "spec": {"gameRef": {"name": "wesnoth"}, "user": "alice"},
    });
    merge(&mut raw["spec"], change);
    serde_json::from_value(raw).unwrap()
}

fn game(change: Value) -> Game {
    let mut raw = json!({
        "apiVersion": "dillinger.dev/v1alpha1",
        "kind": "Game",
        "metadata": {"name": "wesnoth", "namespace": "arcade", "uid": "g-1", "generation": 7},
        "spec": {
            "image": "example/wesnothd:1",
            "ports": [{"name": "game", "containerPort": 15000, "protocol": "TCP"}],
        },
    });
    merge(&mut raw["spec"], change);
    serde_json::from_value(raw).unwrap()
}

/// Sets the top-level fields of `change`; null removes one.
fn merge(into: &mut Value, change: Value) {
    let Value::Object(change) = change else {
        panic!("a change is an object")
    };
    let fields = into.as_object_mut().unwrap();
    for (name, value) in change {
        if value.is_null() {
            fields.remove(&name);
        } else {
            fields.insert(name, value);
        }
    }
}

/// A session `friday` of the user, with this contract, and the engine that it is for.
pub(crate) fn surroundings(contract: &Contract) -> (Observation, Engine) {
    let engine = Engine {
        id: EngineId("e-1".into()),
        name: None,
    };
    let o = Observation {
        now: "2026-01-02T03:04:05Z".parse().unwrap(),
        session: Session {
            namespace: "arcade".into(),
            name: "friday".into(),
            resource_version: "1".to_owned(),
            uid: "u-1".into(),
            generation: 1,
            user: contract.user_id.clone(),
            game: contract.game.clone(),
            runtime: None,
            deleted: false,
            finalizer: true,
            desired: crate::api::DesiredState::Running,
            restart_policy: crate::api::RestartPolicy::Never,
            backoff_limit: 3,
            start_deadline_seconds: None,
            active_deadline_seconds: None,
            grace_seconds: None,
            ttl_seconds: None,
            abandon_engine: None,
            container_name: container::name("friday", "u-1"),
        },
        facts: Facts::default(),
        status: crate::api::GameSessionStatus::default(),
        seen: Seen::Absent,
        contract: Ok(contract.clone()),
        image: Image::Unchecked,
        ports: Ok(ChosenPorts::default()),
        storage: StorageSeen::default(),
        memo: Memo::default(),
        engine: None,
        owner: Owner {
            cluster: "c-1".into(),
            controller: "dillinger-runner".into(),
        },
        limits: Limits {
            provision_deadline_seconds: 3600,
            clock_trusted: true,
            process_started: "2026-01-02T03:04:05Z".parse().unwrap(),
        },
    };
    (o, engine)
}

pub(crate) fn resolved(session_change: Value, game_change: Value) -> Result<Contract, Refusal> {
    resolve(
        &session(session_change),
        Some(&game(game_change)),
        None,
        DOCKER,
    )
}

#[test]
fn a_bare_session_of_a_bare_game_gets_the_defaults() {
    let contract = resolved(json!({}), json!({})).unwrap();
    assert_eq!(contract.runtime, RuntimeKind::Docker);
    assert_eq!(contract.cpu_millis, 1000);
    assert_eq!(contract.memory_bytes, 512 << 20);
    assert_eq!(contract.terms.start_deadline_seconds, 300);
    assert_eq!(contract.terms.termination_grace_period_seconds, 30);
    assert_eq!(contract.terms.game_uid, "g-1");
    assert_eq!(contract.terms.game_generation, 7);
    assert_eq!(contract.terms.ports[0].container_port, Some(15000));
    assert_eq!(
        (
            contract.game_id.as_str(),
            contract.session_id.as_str(),
            contract.user_id.as_str()
        ),
        ("wesnoth", "friday", "alice")
    );
}

/// The whole text, ports as `<name>`.
fn shown(text: &Text) -> String {
    text.0
        .iter()
        .map(|piece| match piece {
            Piece::Literal(literal) => literal.clone(),
            Piece::Port(name) => format!("<{name}>"),
        })
        .collect()
}

fn args(contract: &Contract) -> Vec<String> {
    contract.args.iter().map(shown).collect()
}

#[test]
fn the_session_goes_before_the_game_and_the_game_before_its_defaults() {
    let game = json!({
        "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "max": {"cpu": 8, "memory": "2Gi"}},
        "startDeadlineSeconds": 60,
        "maxActiveDeadlineSeconds": 3600,
        "terminationGracePeriodSeconds": 5,
    });
    let of_game = resolved(json!({}), game.clone()).unwrap();
    assert_eq!((of_game.cpu_millis, of_game.memory_bytes), (2000, 1 << 30));
    let wish = json!({
        "resources": {"limits": {"cpu": "2500m"}},
        "startDeadlineSeconds": 90,
        "activeDeadlineSeconds": 3600,
        "terminationGracePeriodSeconds": 7,
    });
    let of_session = resolved(wish, game).unwrap();
    assert_eq!(
        (of_session.cpu_millis, of_session.memory_bytes),
        (2500, 1 << 30)
    );
    assert_eq!(
        of_session.terms.start_deadline_seconds, 60,
        "the terms hold the Game's values: what the session sets is read live from it"
    );
    assert_eq!(of_session.terms.max_active_deadline_seconds, Some(3600));
    assert_eq!(of_session.terms.termination_grace_period_seconds, 5);
}

#[test]
fn a_list_that_names_one_resource_leaves_the_other_to_its_default() {
    let contract = resolved(
        json!({}),
        json!({"resources": {"limits": {"memory": "64Mi"}, "max": {"cpu": "2"}}}),
    )
    .unwrap();
    assert_eq!(
        (contract.cpu_millis, contract.memory_bytes),
        (1000, 64 << 20)
    );
}

#[test]
fn a_missing_game_is_named() {
    let refusal = resolve(&session(json!({})), None, None, DOCKER).unwrap_err();
    assert_eq!(refusal.reason, Reason::GameNotFound);
    assert_eq!(
        refusal.message,
        "game \"wesnoth\" is not in namespace \"arcade\"; an administrator must create it, or make a new session with another gameRef"
    );
}

#[test]
fn the_runtime_is_the_recorded_one_else_the_sessions_else_the_first_that_is_served() {
    use RuntimeKind::{Docker, Pod};
    let both: &[RuntimeKind] = &[Docker, Pod];
    for (recorded, wished, listed, served, want) in [
        (None, None, both, both, Ok(Docker)),
        (None, None, &[Pod, Docker][..], both, Ok(Pod)),
        (None, None, &[Pod, Docker][..], DOCKER, Ok(Docker)),
        (None, Some(Pod), both, both, Ok(Pod)),
        (Some(Pod), None, both, both, Ok(Pod)),
        (
            None,
            None,
            &[Pod][..],
            DOCKER,
            Err("the game runs on Pod, and this controller serves Docker"),
        ),
        (
            None,
            Some(Pod),
            both,
            DOCKER,
            Err("runtime Pod is not served by this controller, which serves Docker"),
        ),
        (
            None,
            Some(Pod),
            DOCKER,
            both,
            Err("runtime Pod is not one that the game allows: Docker"),
        ),
        (
            Some(Docker),
            None,
            &[Pod][..],
            both,
            Err("runtime Docker is not one that the game allows: Pod"),
        ),
    ] {
        let mut session = session(json!({}));
        session.spec.runtime = wished;
        let mut game = game(json!({}));
        game.spec.runtimes = listed.to_vec();
        let found = resolve(&session, Some(&game), recorded, served);
        match want {
            Ok(runtime) => assert_eq!(found.unwrap().runtime, runtime),
            Err(message) => {
                let refusal = found.unwrap_err();
                assert_eq!(
                    (refusal.reason, refusal.message.as_str()),
                    (Reason::RuntimeNotAllowed, message)
                );
            }
        }
    }
}

#[test]
fn names_in_arguments_and_environment_are_filled_in() {
    let contract = resolved(
        json!({"parameters": [{"name": "MAP", "value": "ctf 1"}]}),
        json!({
            "command": ["/bin/$(GAME_ID)"],
            "args": [
                "sv_map $(MAP)", "$(PORT_GAME)", "$(SIZE)", "$(EMPTY)", "$(SESSION_ID)/$(USER_ID)",
                "$$(MAP) $$$(MAP) $MAP $", "a$(PORT_GAME)b$(MAP)$(MAP)",
            ],
            "env": [{"name": "URL", "value": "udp://host:$(PORT_GAME)/$(MAP)"}],
            "parameters": [{"name": "MAP"}, {"name": "SIZE", "default": "8"}, {"name": "EMPTY"}],
        }),
    )
    .unwrap();
    assert_eq!(shown(&contract.command[0]), "/bin/wesnoth");
    assert_eq!(
        args(&contract),
        [
            "sv_map ctf 1",
            "<game>",
            "8",
            "",
            "friday/alice",
            "$(MAP) $$(MAP) $MAP $",
            "a<game>bctf 1ctf 1",
        ]
    );
    assert_eq!(contract.env[0].0, "URL");
    assert_eq!(shown(&contract.env[0].1), "udp://host:<game>/ctf 1");
}

#[test]
fn a_port_is_named_in_upper_case_with_underscores() {
    let contract = resolved(
        json!({}),
        json!({"args": ["$(PORT_QUERY_2)"], "ports": [{"name": "query-2", "portPolicy": "Passthrough"}]}),
    )
    .unwrap();
    assert_eq!(args(&contract), ["<query-2>"]);
    assert_eq!(contract.terms.ports[0].container_port, None);
}

#[test]
fn a_parameter_called_game_id_takes_the_place_of_the_games_name() {
    let declared = json!({"args": ["$(GAME_ID)"], "parameters": [{"name": "GAME_ID"}]});
    let unset = resolved(json!({}), declared.clone()).unwrap();
    assert_eq!(
        (unset.game_id.as_str(), args(&unset)),
        ("wesnoth", vec!["wesnoth".to_owned()])
    );
    let set = resolved(
        json!({"parameters": [{"name": "GAME_ID", "value": "test-game-001"}]}),
        declared,
    )
    .unwrap();
    assert_eq!(set.game_id, "test-game-001");
    assert_eq!(args(&set), ["test-game-001"]);
    assert_eq!(set.game, "wesnoth");
}

#[test]
fn a_users_value_is_never_read_again() {
    let contract = resolved(
        json!({"parameters": [{"name": "A", "value": "$(B) $$(B) $(PORT_GAME)"}]}),
        json!({"args": ["$(A)"], "parameters": [{"name": "A"}, {"name": "B", "default": "secret"}]}),
    )
    .unwrap();
    assert_eq!(
        contract.args[0].0,
        [Piece::Literal("$(B) $$(B) $(PORT_GAME)".to_owned())]
    );
}

#[test]
fn the_terms_travel_as_json_and_come_back_the_same() {
    let contract = resolved(
        json!({}),
        json!({"readiness": {"exchange": {"port": "game", "sendHex": "00000000", "expect": "."}}}),
    )
    .unwrap();
    let text = serde_json::to_string(&contract.terms).unwrap();
    assert_eq!(
        serde_json::from_str::<Terms>(&text).unwrap(),
        contract.terms
    );
}

#[test]
fn the_digest_tells_contracts_apart_by_their_values_alone() {
    let first = resolved(json!({}), json!({})).unwrap();
    assert_eq!(first.terms.digest.len(), 64);
    let mut edited = game(json!({"title": "Another title"}));
    edited.metadata.generation = Some(8);
    let same = resolve(&session(json!({})), Some(&edited), None, DOCKER).unwrap();
    assert_eq!(same.terms.digest, first.terms.digest);
    for change in [
        json!({"image": "other"}),
        json!({"args": ["a"]}),
        json!({"startDeadlineSeconds": 299}),
        json!({"initProcess": false}),
    ] {
        let other = resolved(json!({}), change.clone()).unwrap();
        assert_ne!(other.terms.digest, first.terms.digest, "{change}");
    }
}

#[test]
fn an_argument_moved_into_the_next_is_another_contract() {
    let digest = |args: Value| {
        resolved(json!({}), json!({"args": args}))
            .unwrap()
            .terms
            .digest
    };
    assert_ne!(digest(json!(["ab", "c"])), digest(json!(["a", "bc"])));
    assert_ne!(digest(json!(["$(PORT_GAME)"])), digest(json!(["<game>"])));
}

#[test]
fn a_contract_without_placement_is_as_it_was_before_there_was_any() {
    let of = |change: Value| serde_json::to_value(resolved(json!({}), change).unwrap()).unwrap();
    let without = of(json!({}));
    assert!(!without.as_object().unwrap().contains_key("placement"));
    let with = of(json!({"nodeSelector": {"disk": "fast"}}));
    assert!(with.as_object().unwrap().contains_key("placement"));
    assert_ne!(with["terms"]["digest"], without["terms"]["digest"]);
}

#[test]
fn what_lies_on_the_border_is_allowed() {
    for (session, game) in [
        (
            json!({"resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}),
            json!({"resources": {"max": {"cpu": "2", "memory": "1Gi"}}}),
        ),
        (
            json!({}),
            json!({"resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "max": {"cpu": "2", "memory": "1Gi"}}}),
        ),
        (
            json!({}),
            json!({"storage": [{"name": "map-2", "mountPath": "/data"}, {"name": "a", "mountPath": "/more"}]}),
        ),
        (
            json!({}),
            json!({"ports": [
                {"name": "a", "containerPort": 1, "protocol": "TCP", "portPolicy": "Static", "hostPort": 7000},
                {"name": "b", "containerPort": 2, "protocol": "TCP", "portPolicy": "Static", "hostPort": 7001},
            ]}),
        ),
    ] {
        resolved(session, game.clone())
            .unwrap_or_else(|refusal| panic!("{game}: {}", refusal.message));
    }
}

#[test]
fn a_text_of_126976_bytes_once_filled_in_is_the_longest() {
    let of = |times: usize| {
        resolved(
            json!({}),
            json!({"args": ["$(A)".repeat(times)], "parameters": [{"name": "A", "default": "x".repeat(1024)}]}),
        )
    };
    assert!(of(124).is_ok());
    assert!(of(125).is_err());
}

#[test]
fn what_fills_in_to_nothing_is_no_piece_of_a_text() {
    let contract = resolved(
        json!({}),
        json!({"args": ["$(A)"], "parameters": [{"name": "A", "default": ""}]}),
    );
    let contract = serde_json::to_value(contract.unwrap()).unwrap();
    assert_eq!(contract["args"], json!([[]]));
}
