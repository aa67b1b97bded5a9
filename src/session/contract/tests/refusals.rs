//! Every refusal with its words: who must mend what.

use super::*;

#[track_caller]
fn refused(session_change: Value, game_change: Value, reason: Reason, message: &str) {
    let refusal = resolved(session_change, game_change).unwrap_err();
    assert_eq!(
        (refusal.reason, refusal.message.as_str()),
        (reason, message)
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
fn terms_of_8_kib_to_the_byte_travel_with_a_container() {
    let of = |length: usize| {
        let mut words: Vec<String> = (0..8).map(|_| "w".repeat(900)).collect();
        words.push("w".repeat(length));
        resolved(
            json!({}),
            json!({"readiness": {"exec": {"command": words}}}),
        )
    };
    let size = serde_json::to_vec(&of(1).unwrap().terms).unwrap().len();
    let fits = 1 + 8192 - size;
    assert_eq!(
        serde_json::to_vec(&of(fits).unwrap().terms).unwrap().len(),
        8192
    );
    assert!(of(fits + 1).is_err());
}

#[test]
fn each_way_in_which_a_path_is_none_is_told_by_itself() {
    for path in [
        "/a/../b", "a/b", "/a b", "/a:b", "/a,b", "/", "//.", "", "/ä",
    ] {
        let refusal = resolved(
            json!({}),
            json!({"storage": [{"name": "world", "mountPath": path}]}),
        );
        let refusal = refusal.expect_err(path);
        assert!(
            refusal.message.contains("must be an absolute path"),
            "{path}: {}",
            refusal.message
        );
    }
}

#[test]
fn each_way_in_which_hex_is_none_is_told_by_itself() {
    for hex in ["", "abc", "zz"] {
        let exchange = json!({"port": "game", "sendHex": hex, "expect": "."});
        let refusal = resolved(json!({}), json!({"readiness": {"exchange": exchange}}));
        let refusal = refusal.expect_err(hex);
        assert!(
            refusal
                .message
                .contains("is not pairs of hexadecimal digits"),
            "{hex}: {}",
            refusal.message
        );
    }
}

#[test]
fn ports_that_are_none_or_used_twice_are_refused() {
    let with = |ports: Value| {
        resolved(json!({}), json!({"ports": ports}))
            .unwrap_err()
            .message
    };
    let fixed = |name: &str, inside: i32, outside: i32| json!({"name": name, "containerPort": inside, "protocol": "TCP", "portPolicy": "Static", "hostPort": outside});
    assert!(
        with(json!([fixed("a", 0, 7000)])).contains("containerPort 0 is not between 1 and 65535")
    );
    assert!(
        with(json!([fixed("a", 1, 7000), fixed("b", 2, 7000)]))
            .contains("hostPort 7000 is used twice")
    );
}
