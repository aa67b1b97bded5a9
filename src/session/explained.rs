//! What a Game will do, in words for the administrator who writes it, and what is likely to surprise. Pure.
//!
//! What is wrong is what a controller would refuse; what is worth a thought is allowed, and has been regretted before.

mod on_cluster;

use serde_json::json;

use super::contract::{Contract, Refusal, resolve};
use super::quoted::{plain, quoted};
use crate::api::{
    Exposure, Game, GamePort, GameSession, GameSpec, ImagePullPolicy, ParameterDeclaration,
    PortPolicy, PortProtocol, Readiness, ResourceList, RuntimeKind,
};

/// One Game, explained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// What it will do: a word, and the sentence behind it.
    pub does: Vec<(&'static str, String)>,
    /// What a cluster makes of it beside that; empty where it does not run as a Pod.
    pub on_cluster: Vec<(&'static str, String)>,
    /// What a controller refuses, if it does.
    pub wrong: Option<String>,
    /// What is worth a thought.
    pub think: Vec<String>,
}

/// Longest text of a manifest that is shown on one line.
const SHOWN: usize = 160;

/// Explains a Game by what a controller would make of its barest session.
pub fn explain(game: &Game) -> Explanation {
    let spec = &game.spec;
    let mut explanation = Explanation::default();
    match barest(game) {
        Err(refusal) => explanation.wrong = Some(refusal.message),
        Ok(contract) => {
            explanation.does = does(spec, &contract);
            explanation.wrong = on_cluster::rules::broken(spec);
            if spec.runtimes.contains(&RuntimeKind::Pod) {
                explanation.on_cluster = on_cluster::does(&contract);
            }
        }
    }
    explanation.think = think(spec);
    explanation.think.extend(on_cluster::think(spec));
    explanation
}

/// The contract of a session that sets nothing. What a session must set is left empty: no value that fits is known.
fn barest(game: &Game) -> Result<Contract, Refusal> {
    let mut open = game.clone();
    for parameter in &mut open.spec.parameters {
        parameter.required = false;
    }
    let session: GameSession = serde_json::from_value(json!({
        "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession",
        "metadata": {"name": "barest"},
        "spec": {"gameRef": {"name": "any"}, "user": "somebody"},
    }))
    .expect("a session of fixed values");
    resolve(&session, Some(&open), None, &game.spec.runtimes)
}

fn does(spec: &GameSpec, contract: &Contract) -> Vec<(&'static str, String)> {
    let mut does = vec![("image", image(spec)), ("runs", program(spec))];
    does.push((
        "as",
        format!(
            "user {}, group {}; no capability, no new privileges; root {}",
            contract.user,
            contract.group,
            if contract.read_only_root {
                "read-only"
            } else {
                "writable, gone with every stop"
            },
        ),
    ));
    does.push(("may use", resources(spec, contract)));
    if spec.ports.is_empty() {
        does.push((
            "ports",
            "none: nothing is reachable from outside".to_owned(),
        ));
    }
    for (index, one) in spec.ports.iter().enumerate() {
        does.push(("port", port(spec, one, index == 0)));
    }
    does.push(("ready", ready(spec.readiness.as_ref())));
    does.push((
        "in time",
        format!(
            "at most {} s from the container's start to ready, else StartDeadlineExceeded; {}",
            spec.start_deadline_seconds,
            match spec.max_active_deadline_seconds {
                Some(most) => format!("plays for at most {most} s, then TimedOut"),
                None => "plays without limit".to_owned(),
            },
        ),
    ));
    does.push((
        "stop",
        format!(
            "the image's stop signal (SIGTERM if it names none), {} s to save, then killed",
            spec.termination_grace_period_seconds
        ),
    ));
    for mount in &contract.storage {
        does.push((
            "keeps",
            format!(
                "{} at {} ({}), until its session is deleted",
                mount.name,
                mount.path,
                bytes(mount.size_bytes)
            ),
        ));
    }
    for mount in &contract.scratch {
        does.push((
            "scratch",
            format!(
                "{} (at most {} of the memory), empty after every stop",
                mount.path,
                bytes(mount.size_bytes)
            ),
        ));
    }
    let runtimes: Vec<&str> = spec.runtimes.iter().map(|one| one.as_str()).collect();
    does.push(("runs on", runtimes.join(", ")));
    for one in &spec.parameters {
        does.push(("may be set", parameter(spec, one)));
    }
    let always = "GAME_ID, SESSION_ID, USER_ID as always".to_owned();
    let names = contract.env.iter().map(|(name, _)| name.clone());
    let names: Vec<String> = names.chain([always]).collect();
    does.push(("environment", names.join(", ")));
    does
}

fn image(spec: &GameSpec) -> String {
    let when = match spec.image_pull_policy {
        ImagePullPolicy::IfNotPresent => "pulled where the engine does not have it",
        ImagePullPolicy::Always => "pulled before each new container",
        ImagePullPolicy::Never => "never pulled: somebody must put it on the engine",
    };
    format!("{}, {when}", plain(&spec.image, SHOWN))
}

fn program(spec: &GameSpec) -> String {
    let words = |texts: &[String]| {
        let quoted: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
        plain(&quoted.join(" "), SHOWN)
    };
    let command = match spec.command.is_empty() {
        true => "the image's program".to_owned(),
        false => words(&spec.command),
    };
    let args = match spec.args.is_empty() {
        true if spec.command.is_empty() => "with the image's arguments".to_owned(),
        true => "without arguments".to_owned(),
        false => format!("with {}", words(&spec.args)),
    };
    let init = if spec.init_process {
        ", below a small init"
    } else {
        ", as process 1"
    };
    format!("{command} {args}{init}")
}

fn resources(spec: &GameSpec, contract: &Contract) -> String {
    let most = |of: fn(&ResourceList) -> Option<&crate::api::Quantity>, default: &str| {
        of(&spec.resources.max).map_or_else(|| default.to_owned(), |quantity| quantity.0.clone())
    };
    format!(
        "{} CPU and {}; a session may ask for up to {} CPU and {}",
        millis(contract.cpu_millis),
        bytes(contract.memory_bytes),
        most(|list| list.cpu.as_ref(), "4"),
        most(|list| list.memory.as_ref(), "4Gi"),
    )
}

fn port(spec: &GameSpec, port: &GamePort, first: bool) -> String {
    let protocol = match port.protocol {
        PortProtocol::UDP => "UDP",
        PortProtocol::TCP => "TCP",
        PortProtocol::TCPUDP => "TCP and UDP",
    };
    let inside = port
        .container_port
        .map_or_else(String::new, |number| format!(" {number}"));
    // Such a number is of a Docker host, or of a node.
    let has_one = spec.runtimes != [RuntimeKind::Pod]
        || matches!(spec.exposure, None | Some(Exposure::HostPort));
    let number = match (port.port_policy, port.host_port) {
        (PortPolicy::Dynamic, _) if !has_one => String::new(),
        (PortPolicy::Dynamic, _) => {
            ", reached at a free number of the controller's range".to_owned()
        }
        (PortPolicy::Static, Some(number)) => {
            format!(", reached at {number}, by one session of a host at a time")
        }
        (PortPolicy::Static, None) => ", without its hostPort".to_owned(),
        (PortPolicy::Passthrough, _) => {
            ", a free number of the controller's range, inside and outside the same".to_owned()
        }
    };
    let address = if first {
        "; this is status.address"
    } else {
        ""
    };
    format!("{}{inside} {protocol}{number}{address}", port.name)
}

fn ready(readiness: Option<&Readiness>) -> String {
    let Some(readiness) = readiness else {
        return "as soon as its process runs".to_owned();
    };
    let Readiness {
        period_seconds,
        timeout_seconds: _,
        log,
        tcp_socket,
        http_get,
        exec,
        exchange,
    } = readiness;
    let how = if let Some(log) = log {
        return format!("once its output holds {}", quoted(&log.pattern));
    } else if let Some(probe) = tcp_socket {
        format!(
            "once a connection to its port {} brings bytes or stays open for half a second",
            probe.port
        )
    } else if let Some(probe) = http_get {
        format!(
            "once GET {} on its port {} is answered with 200 to 399",
            plain(&probe.path, SHOWN),
            probe.port
        )
    } else if let Some(probe) = exec {
        let words: Vec<String> = probe.command.iter().map(|word| quoted(word)).collect();
        format!(
            "once {} in its container exits with 0",
            plain(&words.join(" "), SHOWN)
        )
    } else if let Some(probe) = exchange {
        let sent = probe.send_hex.as_ref().map_or_else(
            || quoted(probe.send.as_deref().unwrap_or_default()),
            |hex| format!("the bytes {}", plain(hex, SHOWN)),
        );
        format!(
            "once it answers {sent} on its port {} with {}",
            probe.port,
            quoted(&probe.expect)
        )
    } else {
        "in no way that this version knows".to_owned()
    };
    format!("{how}, asked every {period_seconds} s")
}

fn parameter(spec: &GameSpec, one: &ParameterDeclaration) -> String {
    let values = match (&one.allowed, &one.pattern) {
        (Some(allowed), _) => {
            let words: Vec<String> = allowed.iter().map(|word| quoted(word)).collect();
            format!("one of {}", plain(&words.join(", "), SHOWN))
        }
        (None, Some(pattern)) => format!("what matches {} as a whole", quoted(pattern)),
        (None, None) => "any text".to_owned(),
    };
    let default = match (&one.default, one.required) {
        (Some(default), _) => format!("; {} where it is not set", quoted(default)),
        (None, true) => "; every session must set it".to_owned(),
        (None, false) => "; empty where it is not set".to_owned(),
    };
    let places = places(spec, &one.name);
    let used = match places.is_empty() {
        true => String::new(),
        false => format!("; used in {}", places.join(", ")),
    };
    format!("{}: {values}{default}{used}", one.name)
}

/// What is allowed, and worth a thought.
fn think(spec: &GameSpec) -> Vec<String> {
    let mut think = Vec::new();
    let mut say = |condition: bool, words: String| {
        if condition {
            think.push(words);
        }
    };
    say(
        spec.readiness.is_none(),
        "readiness is not set: a session is Ready as soon as the process runs, and players are sent to a game that may still load".to_owned(),
    );
    say(
        spec.storage.is_empty(),
        "storage is not set: a stop, a crash or a restart of the host ends what was played"
            .to_owned(),
    );
    let identity = &spec.security_context;
    say(
        identity.read_only_root_filesystem && spec.storage.is_empty() && spec.scratch.is_empty(),
        "the game can write nowhere: root is read-only, and neither scratch nor storage is set; many servers want at least /tmp".to_owned(),
    );
    say(
        !spec.storage.is_empty(),
        format!(
            "on Docker a new volume begins with what the image has at its mountPath: the image must have the folder, and it must belong to user {}",
            identity.run_as_user
        ),
    );
    say(
        moves(&spec.image),
        format!(
            "image {} can come to mean another one: write a version, or better a digest",
            quoted(&spec.image)
        ),
    );
    say(
        spec.ports.is_empty(),
        "ports is not set: nobody can connect, and status.address stays empty".to_owned(),
    );
    for port in &spec.ports {
        let variable = format!("PORT_{}", port.name.to_ascii_uppercase().replace('-', "_"));
        say(
            port.port_policy == PortPolicy::Passthrough && places(spec, &variable).is_empty(),
            format!(
                "port {} is Passthrough, and neither command, args nor env name $({variable}): the game cannot know its number",
                quoted(&port.name)
            ),
        );
        say(
            port.port_policy == PortPolicy::Static,
            format!(
                "port {} is Static: a second session on the same host waits with PortsExhausted",
                quoted(&port.name)
            ),
        );
    }
    for one in &spec.parameters {
        let used = places(spec, &one.name);
        say(
            used.is_empty() && one.name != "GAME_ID",
            format!(
                "parameter {} reaches the game nowhere: name $({}) in args or env",
                quoted(&one.name),
                one.name
            ),
        );
        say(
            one.pattern.is_none() && one.allowed.is_none() && whole_word(spec, &one.name),
            format!(
                "parameter {} is any text and a word of its own in the arguments: a value that begins with '-' is read as an option; give it a pattern",
                quoted(&one.name)
            ),
        );
    }
    for variable in &spec.env {
        let name = variable.name.to_uppercase();
        let secret = ["PASSWORD", "SECRET", "TOKEN"]
            .iter()
            .any(|word| name.contains(word));
        say(
            secret && !variable.value.is_empty() && names(&variable.value).is_empty(),
            format!(
                "env {} looks like a secret: whoever may read Games can read it",
                quoted(&variable.name)
            ),
        );
    }
    say(
        !spec.storage.is_empty() && spec.termination_grace_period_seconds < 5,
        format!(
            "terminationGracePeriodSeconds is {}: a game that saves its world at the end may be killed while it writes",
            spec.termination_grace_period_seconds
        ),
    );
    say(
        !spec.init_process,
        "initProcess is false: a program that does not ask for SIGTERM ignores it as process 1, and every stop waits for the kill".to_owned(),
    );
    say(
        spec.max_active_deadline_seconds.is_none(),
        "maxActiveDeadlineSeconds is not set: a session that nobody stops runs for ever".to_owned(),
    );
    say(
        spec.runtimes == [RuntimeKind::Pod],
        "runtimes is Pod only: a controller with --runtimes Docker refuses its sessions".to_owned(),
    );
    think
}

/// No tag, `latest`, and no digest.
fn moves(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or_default();
    match name.split_once(':') {
        Some((_, tag)) => tag == "latest",
        None => true,
    }
}

/// Names in `$(…)` of a text; `$$(` is none.
fn names(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let after = &rest[at..];
        if let Some(escaped) = after.strip_prefix("$$(") {
            rest = escaped;
        } else if let Some((name, behind)) = after
            .strip_prefix("$(")
            .and_then(|inner| inner.split_once(')'))
        {
            found.push(name);
            rest = behind;
        } else {
            rest = &after[1..];
        }
    }
    found
}

/// Where a name is used.
fn places(spec: &GameSpec, name: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (field, texts) in [("command", &spec.command), ("args", &spec.args)] {
        for (index, text) in texts.iter().enumerate() {
            if names(text).contains(&name) {
                found.push(format!("{field}[{index}]"));
            }
        }
    }
    for variable in &spec.env {
        if names(&variable.value).contains(&name) {
            found.push(format!("env {}", variable.name));
        }
    }
    found
}

/// The name alone is one word of the program's arguments.
fn whole_word(spec: &GameSpec, name: &str) -> bool {
    let alone = format!("$({name})");
    spec.command
        .iter()
        .chain(&spec.args)
        .any(|text| *text == alone)
}

/// Bytes in the largest unit that they are whole numbers of.
fn bytes(bytes: i64) -> String {
    for (unit, size) in [("GiB", 1_i64 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)] {
        if bytes >= size && bytes % size == 0 {
            return format!("{} {unit}", bytes / size);
        }
    }
    format!("{bytes} bytes")
}

/// Thousandths as a number with as many places as it needs.
fn millis(millis: i64) -> String {
    let text = format!("{}.{:03}", millis / 1000, millis % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests;
