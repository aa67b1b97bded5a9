//! Sessions and Games as an API server hands them over, resolved.

use serde_json::{Value, json};

use super::*;

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

fn resolved(session_change: Value, game_change: Value) -> Result<Contract, Refusal> {
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

#[track_caller]
fn refused(session_change: Value, game_change: Value, reason: Reason, message: &str) {
    let refusal = resolved(session_change, game_change).unwrap_err();
    assert_eq!(
        (refusal.reason, refusal.message.as_str()),
        (reason, message)
    );
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
fn what_a_user_must_mend_is_said_to_the_user() {
    use Reason::{DeadlineTooLong, ParametersInvalid, ResourcesTooLarge};
    let declared = json!({
        "parameters": [
            {"name": "MAP", "enum": ["dm1", "ctf1"]},
            {"name": "SLOTS", "pattern": "[0-9]{1,2}"},
            {"name": "NAME"},
        ],
        "maxActiveDeadlineSeconds": 3600,
        "scratch": [{"mountPath": "/tmp", "sizeLimit": "64Mi"}],
    });
    let set = |name: &str, value: &str| json!({"parameters": [{"name": name, "value": value}]});
    for (wish, reason, message) in [
        (
            set("MPA", "dm1"),
            ParametersInvalid,
            "parameter \"MPA\" is not one of this game: did you mean \"MAP\"?",
        ),
        (
            set("WEATHER", "x"),
            ParametersInvalid,
            "parameter \"WEATHER\" is not one of this game: it has \"MAP\", \"SLOTS\", \"NAME\"",
        ),
        (
            set("MAP", "dm2"),
            ParametersInvalid,
            "parameter \"MAP\": \"dm2\" is not one of \"dm1\", \"ctf1\"",
        ),
        (
            set("SLOTS", "128"),
            ParametersInvalid,
            "parameter \"SLOTS\": \"128\" does not match the pattern \"[0-9]{1,2}\"",
        ),
        (
            set("SLOTS", "8\n"),
            ParametersInvalid,
            "parameter \"SLOTS\": \"8\\n\" does not match the pattern \"[0-9]{1,2}\"",
        ),
        (
            set("NAME", "a\0b"),
            ParametersInvalid,
            "parameter \"NAME\": \"a\\u{0}b\" holds a NUL character",
        ),
        (
            json!({"user": "a\0"}),
            ParametersInvalid,
            "user holds a NUL character",
        ),
        (
            json!({"resources": {"limits": {"memory": "8Gi"}}}),
            ResourcesTooLarge,
            "resources.limits.memory \"8Gi\" is more than the game allows: at most \"4Gi\"",
        ),
        (
            json!({"resources": {"limits": {"cpu": 64}}}),
            ResourcesTooLarge,
            "resources.limits.cpu \"64\" is more than the game allows: at most \"4\"",
        ),
        (
            json!({"resources": {"limits": {"cpu": "1e30"}}}),
            ResourcesTooLarge,
            "resources.limits.cpu \"1e30\" is larger than any machine",
        ),
        (
            json!({"resources": {"limits": {"memory": "0"}}}),
            ParametersInvalid,
            "resources.limits.memory \"0\" is not above zero",
        ),
        (
            json!({"resources": {"limits": {"memory": "much"}}}),
            ParametersInvalid,
            "resources.limits.memory \"much\" is not a quantity: a number with an optional suffix such as m, k, Mi, Gi",
        ),
        (
            json!({"resources": {"limits": {"memory": "32Mi"}}}),
            ParametersInvalid,
            "resources.limits.memory \"32Mi\" is too little: the game's scratch folders alone may take 67108864 bytes of it",
        ),
        (
            json!({"activeDeadlineSeconds": 3601}),
            DeadlineTooLong,
            "activeDeadlineSeconds 3601 is more than the game allows: at most 3600 seconds",
        ),
    ] {
        refused(wish, declared.clone(), reason, message);
    }
    refused(
        json!({}),
        json!({"parameters": [{"name": "TOKEN", "required": true}]}),
        ParametersInvalid,
        "parameter \"TOKEN\" is required by this game and not set",
    );
    refused(
        set("MAP", "x"),
        json!({}),
        ParametersInvalid,
        "parameter \"MAP\" is not one of this game: it has none",
    );
}

#[test]
fn what_an_administrator_must_mend_makes_the_game_invalid() {
    let port = |change: Value| {
        let mut port = json!({"name": "game", "containerPort": 1});
        merge(&mut port, change);
        json!({"ports": [port]})
    };
    for (change, message) in [
        (
            json!({"args": ["$(PORT_GAMES)"]}),
            "args[0]: $(PORT_GAMES) names no parameter and no port of the game: did you mean \"PORT_GAME\"?; write \"$$(\" for a plain \"$(\"",
        ),
        (
            json!({"args": ["x", "$(date)"]}),
            "args[1]: $(date) names no parameter and no port of the game: it has \"PORT_GAME\", \"GAME_ID\", \"SESSION_ID\", \"USER_ID\"; write \"$$(\" for a plain \"$(\"",
        ),
        (
            json!({"command": ["$(GAME_ID"]}),
            "command[0]: \"$(\" is not closed in \"$(GAME_ID\"; write \"$$(\" for a plain \"$(\"",
        ),
        (
            json!({"env": [{"name": "A", "value": "$(B)"}, {"name": "B", "value": "1"}]}),
            "env \"A\": $(B) names no parameter and no port of the game: it has \"PORT_GAME\", \"GAME_ID\", \"SESSION_ID\", \"USER_ID\"; write \"$$(\" for a plain \"$(\"",
        ),
        (json!({"args": ["a\0"]}), "args[0] holds a NUL character"),
        (
            json!({"env": [{"name": "A", "value": "\0"}]}),
            "env \"A\" holds a NUL character",
        ),
        (
            json!({"env": [{"name": "A=B", "value": ""}]}),
            "env \"A=B\" is no name of an environment variable",
        ),
        (
            json!({"env": [{"name": "USER_ID", "value": ""}]}),
            "env \"USER_ID\": the name is reserved",
        ),
        (
            json!({"env": [{"name": "PORT_X", "value": ""}]}),
            "env \"PORT_X\": the name is reserved",
        ),
        (
            json!({"parameters": [{"name": "SESSION_ID"}]}),
            "parameter \"SESSION_ID\": the name is reserved",
        ),
        (
            json!({"parameters": [{"name": "A"}, {"name": "A"}]}),
            "parameter \"A\" is declared twice",
        ),
        (
            json!({"parameters": [{"name": "A", "pattern": "a("}]}),
            "pattern of parameter \"A\", \"a(\", does not compile: unclosed group",
        ),
        (
            json!({"parameters": [{"name": "A", "pattern": "a", "default": "b"}]}),
            "default of parameter \"A\", \"b\", does not match the pattern \"a\"",
        ),
        (
            json!({"parameters": [{"name": "A", "enum": ["a"], "default": "b"}]}),
            "default of parameter \"A\", \"b\", is not one of \"a\"",
        ),
        (
            json!({"readiness": {"log": {"pattern": "["}}}),
            "readiness.log.pattern, \"[\", does not compile: unclosed character class",
        ),
        (
            json!({"readiness": {"exchange": {"port": "game", "send": "a", "expect": "(?P<"}}}),
            "readiness.exchange.expect, \"(?P<\", does not compile: unclosed capture group name",
        ),
        (
            json!({"readiness": {"exchange": {"port": "game", "sendHex": "0g", "expect": "."}}}),
            "readiness.exchange.sendHex \"0g\" is not pairs of hexadecimal digits",
        ),
        (
            json!({"readiness": {"exchange": {"port": "game", "expect": "."}}}),
            "readiness.exchange: set exactly one of send, sendHex",
        ),
        (
            json!({"readiness": {"exchange": {"port": "gmae", "send": "a", "expect": "."}}}),
            "readiness.exchange.port \"gmae\" names no port of the game",
        ),
        (
            json!({"readiness": {}}),
            "readiness: set exactly one of log, tcpSocket, httpGet, exec, exchange",
        ),
        (
            json!({"readiness": {"exec": {"command": []}}}),
            "readiness.exec.command is empty or holds a NUL character",
        ),
        (
            json!({"readiness": {"tcpSocket": {"port": "game"}}, "ports": [{"name": "game", "containerPort": 1, "protocol": "UDP"}]}),
            "readiness.tcpSocket.port \"game\" is a UDP port and must be a TCP one; use exchange to ask over UDP",
        ),
        (
            json!({"readiness": {"httpGet": {"port": "web"}}}),
            "readiness.httpGet.port \"web\" names no port of the game",
        ),
        (
            port(json!({"containerPort": 65536})),
            "port \"game\": containerPort 65536 is not between 1 and 65535",
        ),
        (
            port(json!({"containerPort": null})),
            "port \"game\": containerPort is required, except with portPolicy Passthrough, which chooses it",
        ),
        (
            port(json!({"portPolicy": "Passthrough"})),
            "port \"game\": containerPort is required, except with portPolicy Passthrough, which chooses it",
        ),
        (
            port(json!({"hostPort": 1})),
            "port \"game\": hostPort goes with portPolicy Static, and only with it",
        ),
        (
            port(json!({"portPolicy": "Static"})),
            "port \"game\": hostPort goes with portPolicy Static, and only with it",
        ),
        (
            json!({"ports": [{"name": "a", "containerPort": 1}, {"name": "b", "containerPort": 1}]}),
            "port \"b\": containerPort 1 is used twice; use TCPUDP for one number on both protocols",
        ),
        (
            json!({"resources": {"limits": {"memory": "5Gi"}}}),
            "resources.limits.memory \"5Gi\" of the game is more than its own resources.max.memory \"4Gi\"",
        ),
        (
            json!({"resources": {"max": {"cpu": "x"}}}),
            "resources.max.cpu \"x\" is not a quantity: a number with an optional suffix such as m, k, Mi, Gi",
        ),
        (
            json!({"scratch": [{"mountPath": "/tmp", "sizeLimit": "1Gi"}]}),
            "scratch: the sizes add up to 1073741824 bytes, more than the memory limit of 536870912 bytes that they count in",
        ),
        (
            json!({"scratch": [{"mountPath": "/data/", "sizeLimit": "1Mi"}], "storage": [{"name": "world", "mountPath": "/data"}]}),
            "storage \"world\": mountPath \"/data\" is mounted twice",
        ),
        (
            json!({"storage": [{"name": "world", "mountPath": "//"}]}),
            "storage \"world\": mountPath \"//\" must be an absolute path below \"/\" without '..', ':' or ','",
        ),
        (
            json!({"storage": [{"name": "world", "mountPath": "/a/../b"}]}),
            "storage \"world\": mountPath \"/a/../b\" must be an absolute path below \"/\" without '..', ':' or ','",
        ),
        (
            json!({"storage": [{"name": "world", "mountPath": "/data", "size": "-1"}]}),
            "storage \"world\": size \"-1\" is not above zero",
        ),
        (
            json!({"securityContext": {"runAsUser": 0}}),
            "securityContext.runAsUser 0 is not between 1 and 2147483647",
        ),
        (
            json!({"args": ["$(A)".repeat(200)], "parameters": [{"name": "A", "default": "x".repeat(1024)}]}),
            "args[0] is longer than 126976 bytes once its names are filled in",
        ),
    ] {
        refused(json!({}), change, Reason::GameInvalid, message);
    }
}

#[test]
fn terms_of_more_than_8_kib_are_the_games_fault() {
    let words: Vec<String> = (0..16).map(|_| "w".repeat(600)).collect();
    let refusal = resolved(
        json!({}),
        json!({"readiness": {"exec": {"command": words}}}),
    )
    .unwrap_err();
    assert_eq!(refusal.reason, Reason::GameInvalid);
    assert!(
        refusal
            .message
            .contains("at most 8192 can travel with a container"),
        "{}",
        refusal.message
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
