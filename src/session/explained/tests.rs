//! Games that are right, wrong, and worth a thought.

use serde_json::{Value, json};

use super::*;

fn explained(spec: Value) -> Explanation {
    let game: Game = serde_json::from_value(json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {"name": "chess"}, "spec": spec,
    }))
    .unwrap();
    explain(&game)
}

fn says(explanation: &Explanation, word: &str) -> Vec<String> {
    let of_word = explanation.does.iter().filter(|(one, _)| *one == word);
    of_word.map(|(_, words)| words.clone()).collect()
}

fn full() -> Value {
    json!({
        "image": "example/chess:1.2",
        "args": ["--port", "$(PORT_GAME)", "--map", "$(MAP)"],
        "env": [{"name": "MOTD", "value": "on $(MAP), $$(not this)"}],
        "parameters": [{"name": "MAP", "enum": ["dm1", "ctf2"], "default": "dm1"}],
        "ports": [{"name": "game", "portPolicy": "Passthrough", "protocol": "UDP"}],
        "readiness": {"exchange": {"port": "game", "sendHex": "00ff", "expect": "."}},
        "resources": {"limits": {"cpu": "0.25", "memory": "96Mi"}, "max": {"cpu": "2"}},
        "maxActiveDeadlineSeconds": 600,
        "scratch": [{"mountPath": "/tmp", "sizeLimit": "16Mi"}],
        "storage": [{"name": "data", "mountPath": "/data"}],
    })
}

#[test]
fn a_game_is_told_as_a_controller_would_run_it() {
    let chess = explained(full());
    assert_eq!(chess.wrong, None);
    assert_eq!(
        says(&chess, "image"),
        ["example/chess:1.2, pulled where the engine does not have it"]
    );
    assert_eq!(
        says(&chess, "runs"),
        [
            "the image's program with \"--port\" \"$(PORT_GAME)\" \"--map\" \"$(MAP)\", below a small init"
        ]
    );
    assert_eq!(
        says(&chess, "may use"),
        ["0.25 CPU and 96 MiB; a session may ask for up to 2 CPU and 4Gi"]
    );
    assert_eq!(
        says(&chess, "port"),
        [
            "game UDP, a free number of the controller's range, inside and outside the same; this is status.address"
        ]
    );
    assert_eq!(
        says(&chess, "ready"),
        ["once it answers the bytes 00ff on its port game with \".\", asked every 1 s"]
    );
    assert_eq!(
        says(&chess, "keeps"),
        ["data at /data (1 GiB), until its session is deleted"]
    );
    assert_eq!(
        says(&chess, "may be set"),
        ["MAP: one of \"dm1\", \"ctf2\"; \"dm1\" where it is not set; used in args[3], env MOTD"]
    );
    let about_the_volume = |words: &&String| words.contains("must belong to user 1000");
    assert_eq!(
        chess
            .think
            .iter()
            .filter(|words| !about_the_volume(words))
            .count(),
        0,
        "{:?}",
        chess.think
    );
}

#[test]
fn the_barest_game_runs_and_is_worth_every_thought_about_what_it_leaves_out() {
    let bare = explained(json!({"image": "registry:5000/chess"}));
    assert_eq!(bare.wrong, None);
    for words in [
        "readiness is not set",
        "storage is not set",
        "can write nowhere",
        "can come to mean another",
        "ports is not set",
        "runs for ever",
    ] {
        assert!(
            bare.think.iter().any(|one| one.contains(words)),
            "{words}: {:?}",
            bare.think
        );
    }
}

#[test]
fn what_a_controller_would_refuse_is_wrong_in_the_same_words() {
    let mut spec = full();
    spec["args"] = json!(["$(MPA)"]);
    let wrong = explained(spec).wrong.unwrap();
    assert!(
        wrong.starts_with(
            "args[0]: $(MPA) names no parameter and no port of the game: did you mean \"MAP\"?"
        ),
        "{wrong}"
    );
    let mut spec = full();
    spec["readiness"] = json!({"tcpSocket": {"port": "game"}});
    let wrong = explained(spec).wrong.unwrap();
    assert!(
        wrong.contains("is a UDP port and must be a TCP one"),
        "{wrong}"
    );
}

#[test]
fn a_parameter_that_every_session_must_set_is_no_fault_of_the_game() {
    let mut spec = full();
    spec["parameters"] = json!([{"name": "MAP", "required": true, "pattern": "[a-z]{3}"}]);
    let game = explained(spec);
    assert_eq!(game.wrong, None);
    assert_eq!(
        says(&game, "may be set"),
        [
            "MAP: what matches \"[a-z]{3}\" as a whole; every session must set it; used in args[3], env MOTD"
        ]
    );
}

#[test]
fn traps_are_told_where_they_stand_and_nowhere_else() {
    let trap = |change: fn(&mut Value), words: &str| {
        let mut spec = full();
        change(&mut spec);
        let found = explained(spec).think;
        assert!(
            found.iter().any(|one| one.contains(words)),
            "{words}: {found:?}"
        );
        assert!(
            !explained(full())
                .think
                .iter()
                .any(|one| one.contains(words)),
            "{words} without the trap"
        );
    };
    trap(
        |spec| spec["args"] = json!(["$(MAP)"]),
        "the game cannot know its number",
    );
    trap(
        |spec| spec["image"] = json!("chess:latest"),
        "can come to mean another one",
    );
    trap(
        |spec| {
            spec["args"] = json!(["$(PORT_GAME)"]);
            spec["env"] = json!([]);
        },
        "parameter \"MAP\" reaches the game nowhere",
    );
    trap(
        |spec| spec["parameters"] = json!([{"name": "MAP"}]),
        "begins with '-'",
    );
    trap(
        |spec| spec["env"] = json!([{"name": "RCON_PASSWORD", "value": "hunter2"}]),
        "looks like a secret",
    );
    trap(
        |spec| {
            spec["ports"] =
                json!([{"name": "game", "containerPort": 1, "portPolicy": "Static", "hostPort": 1}])
        },
        "waits with PortsExhausted",
    );
    trap(
        |spec| spec["terminationGracePeriodSeconds"] = json!(2),
        "killed while it writes",
    );
    trap(|spec| spec["initProcess"] = json!(false), "as process 1");
    trap(|spec| spec["runtimes"] = json!(["Pod"]), "Pod only");
}

#[test]
fn what_only_resembles_a_trap_is_none() {
    let fine = |change: fn(&mut Value), words: &str| {
        let mut spec = full();
        change(&mut spec);
        let found = explained(spec).think;
        assert!(
            !found.iter().any(|one| one.contains(words)),
            "{words}: {found:?}"
        );
    };
    fine(|spec| spec["scratch"] = json!([]), "can write nowhere");
    fine(|spec| spec["storage"] = json!([]), "a new volume begins");
    for (name, value) in [("PASSWORD", ""), ("PASSWORD", "$(MAP)"), ("MOTD", "hi")] {
        let mut spec = full();
        spec["env"] = json!([{"name": name, "value": value}]);
        let found = explained(spec).think;
        assert!(
            !found.iter().any(|one| one.contains("like a secret")),
            "{name}={value}: {found:?}"
        );
    }
    // Any text, but behind a word of the Game's own.
    fine(
        |spec| {
            spec["parameters"] = json!([{"name": "MAP"}]);
            spec["args"] = json!(["$(PORT_GAME)", "--map=$(MAP)"]);
        },
        "begins with '-'",
    );
    fine(
        |spec| spec["terminationGracePeriodSeconds"] = json!(5),
        "killed while it writes",
    );
}

#[test]
fn the_program_is_the_images_or_the_games_own() {
    for (command, args, told) in [
        (
            json!([]),
            json!([]),
            "the image's program with the image's arguments",
        ),
        (json!([]), json!(["-x"]), "the image's program with \"-x\""),
        (json!(["/srv"]), json!([]), "\"/srv\" without arguments"),
        (json!(["/srv"]), json!(["-x"]), "\"/srv\" with \"-x\""),
    ] {
        let game = explained(json!({"image": "a:1", "command": command, "args": args}));
        assert_eq!(says(&game, "runs"), [format!("{told}, below a small init")]);
    }
}

#[test]
fn an_image_moves_unless_a_version_or_a_digest_holds_it() {
    for image in [
        "chess",
        "chess:latest",
        "host:5000/chess",
        "a/b/chess:latest",
    ] {
        assert!(moves(image), "{image}");
    }
    for image in [
        "chess:1",
        "host:5000/a/chess:1",
        "chess@sha256:00",
        "chess:latest@sha256:00",
    ] {
        assert!(!moves(image), "{image}");
    }
}

#[test]
fn names_are_found_as_the_template_reads_them() {
    assert_eq!(names("a $(B) $$(C) $D $(E)$(F"), ["B", "E"]);
    assert!(names("").is_empty());
}

#[test]
fn sizes_are_told_in_the_unit_that_fits() {
    assert_eq!(
        [bytes(1 << 30), bytes(96 << 20), bytes(1536), bytes(1000)],
        ["1 GiB", "96 MiB", "1536 bytes", "1000 bytes"].map(str::to_owned)
    );
    assert_eq!(
        [millis(500), millis(1000), millis(1250), millis(1)],
        ["0.5", "1", "1.25", "0.001"].map(str::to_owned)
    );
}
