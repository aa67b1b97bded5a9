//! What may stand in the body of a create, told from the two manifests alone and by a list of what is allowed:
//! anything that it does not name is wrong, fields that engines learn later included.

use std::collections::BTreeSet;

use bollard::models::ContainerCreateBody;
use kube::ResourceExt;
use proptest::prelude::*;
use regex::Regex;
use serde_json::{Map, Value, json};

use super::{BIND, RANGE};
use crate::api::{
    Game, GameSession, GameSpec, PortPolicy, PortProtocol, Quantity, ResourceList, keys,
};
use crate::session::facts::Engine;
use crate::session::observation::Session;

/// What of a host configuration is the same for every game.
fn fixed() -> Value {
    json!({
        "Privileged": false,
        "CapDrop": ["ALL"],
        "SecurityOpt": ["no-new-privileges:true"],
        "PidsLimit": 2048,
        "LogConfig": {"Type": "json-file", "Config": {"max-size": "10m", "max-file": "3"}},
        "RestartPolicy": {"Name": "no"},
    })
}

/// Words for everything that is wrong.
struct Found(Vec<String>);

impl Found {
    fn unless(&mut self, holds: bool, what: impl FnOnce() -> String) {
        if !holds {
            self.0.push(what().chars().take(600).collect());
        }
    }

    fn equal(&mut self, what: &str, is: &Value, allowed: &Value) {
        self.unless(is == allowed, || {
            format!("{what} is {is}, allowed is {allowed}")
        });
    }
}

/// Everything in this body that session and Game may not reach.
pub(super) fn wrong(
    session: &GameSession,
    game: &Game,
    wish: &Session,
    engine: &Engine,
    body: &ContainerCreateBody,
) -> Vec<String> {
    let mut found = Found(Vec::new());
    let body = serde_json::to_value(body).expect("a body is plain data");
    found.unless(!has_null(&body), || "a null in the body".to_owned());
    let Value::Object(mut top) = body else {
        return vec!["no object".to_owned()];
    };
    let mut host = match top.remove("HostConfig") {
        Some(Value::Object(host)) => host,
        other => return vec![format!("no host configuration: {other:?}")],
    };
    let spec = &game.spec;
    let of = |from: &mut Map<String, Value>, key: &str| from.remove(key).unwrap_or(Value::Null);

    found.equal("image", &of(&mut top, "Image"), &json!(spec.image));
    let (user, group) = (
        spec.security_context.run_as_user,
        spec.security_context.run_as_group,
    );
    found.equal(
        "user",
        &of(&mut top, "User"),
        &json!(format!("{user}:{group}")),
    );
    found.unless(user > 0 && group > 0, || format!("root: {user}:{group}"));
    words(
        &mut found,
        "entrypoint",
        &of(&mut top, "Entrypoint"),
        spec.command.len(),
    );
    words(&mut found, "command", &of(&mut top, "Cmd"), spec.args.len());
    env(&mut found, &of(&mut top, "Env"), session, spec);
    labels(&mut found, &of(&mut top, "Labels"), wish, engine, spec);
    let grace = of(&mut top, "StopTimeout");
    let asked = session
        .spec
        .termination_grace_period_seconds
        .unwrap_or(spec.termination_grace_period_seconds);
    // Less than nothing is for ever, on an engine.
    found.equal("grace", &grace, &json!(asked.max(0)));
    let (bindings, exposed) = (of(&mut host, "PortBindings"), of(&mut top, "ExposedPorts"));
    published(&mut found, &bindings, &exposed, spec);
    found.equal("anything else", &Value::Object(top), &json!({}));

    found.equal("init", &of(&mut host, "Init"), &json!(spec.init_process));
    found.equal(
        "read-only root",
        &of(&mut host, "ReadonlyRootfs"),
        &json!(spec.security_context.read_only_root_filesystem),
    );
    let memory = of(&mut host, "Memory");
    found.equal("memory and swap", &of(&mut host, "MemorySwap"), &memory);
    limited(
        &mut found,
        "memory",
        &memory,
        most(&spec.resources.max, |list| &list.memory, "4Gi", 0),
    );
    let cpus = of(&mut host, "NanoCpus");
    limited(
        &mut found,
        "cpus",
        &cpus,
        most(&spec.resources.max, |list| &list.cpu, "4", 9),
    );
    tmpfs(&mut found, &of(&mut host, "Tmpfs"), spec);
    mounts(&mut found, &of(&mut host, "Mounts"), wish, engine, spec);
    found.equal(
        "the rest of the host configuration",
        &Value::Object(host),
        &fixed(),
    );
    found.0
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(fields) => fields.values().any(has_null),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// As many words as the Game has, so that no value of a user is a word of its own.
fn words(found: &mut Found, what: &str, is: &Value, count: usize) {
    let words = is.as_array().map_or(&[][..], Vec::as_slice);
    found.unless(words.len() == count, || {
        format!("{what} has {} words of {count}", words.len())
    });
    found.unless(count > 0 || is.is_null(), || format!("{what} is {is}"));
    for word in words {
        let sound = word.as_str().is_some_and(|word| !word.contains('\0'));
        found.unless(sound, || format!("{what} holds {word}"));
    }
}

fn env(found: &mut Found, is: &Value, session: &GameSession, game: &GameSpec) {
    let pairs: Vec<&str> = is
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let names: Vec<&str> = pairs
        .iter()
        .map(|pair| pair.split_once('=').map_or(*pair, |(name, _)| name))
        .collect();
    let ours = ["GAME_ID", "SESSION_ID", "USER_ID"];
    let allowed: Vec<&str> = game
        .env
        .iter()
        .map(|one| one.name.as_str())
        .chain(ours)
        .collect();
    found.unless(names == allowed, || {
        format!("env {names:?}, allowed {allowed:?}")
    });
    found.unless(!pairs.iter().any(|pair| pair.contains('\0')), || {
        "NUL in env".to_owned()
    });
    for (name, value) in [
        ("SESSION_ID", session.name_any()),
        ("USER_ID", session.spec.user.clone()),
    ] {
        let told: Vec<&&str> = pairs
            .iter()
            .filter(|p| p.starts_with(&format!("{name}=")))
            .collect();
        let is_told =
            told.len() == 1 && told[0].strip_prefix(&format!("{name}=")) == Some(value.as_str());
        found.unless(is_told, || {
            format!("{name} is {told:?}, and {value:?} is who it is")
        });
    }
}

fn owner_labels(wish: &Session, engine: &Engine) -> Vec<(&'static str, String)> {
    vec![
        (keys::CLUSTER, "c-1".to_owned()),
        (keys::CONTROLLER, "dillinger-runner".to_owned()),
        (keys::ENGINE, engine.id.0.clone()),
        (keys::NAMESPACE, wish.namespace.clone()),
        (keys::SESSION, wish.name.clone()),
        (keys::UID, wish.uid.clone()),
    ]
}

fn labels(found: &mut Found, is: &Value, wish: &Session, engine: &Engine, game: &GameSpec) {
    let Value::Object(labels) = is else {
        return found.unless(false, || format!("labels are {is}"));
    };
    let mut told = owner_labels(wish, engine);
    told.extend([
        (keys::ATTEMPT, "3".to_owned()),
        (keys::GAME, wish.game.clone()),
        (keys::OLD_TYPE, "game-session".to_owned()),
        (keys::OLD_SESSION_ID, wish.name.clone()),
        (keys::OLD_USER_ID, wish.user.clone()),
        (keys::OLD_CREATED, "2026-01-02T03:04:05Z".to_owned()),
    ]);
    for (key, value) in &told {
        found.unless(labels.get(*key) == Some(&json!(value)), || {
            format!(
                "label {key} is {:?}, allowed is {value:?}",
                labels.get(*key)
            )
        });
    }
    let mut allowed: BTreeSet<&str> = told.iter().map(|(key, _)| *key).collect();
    // Free text of the user, and what is read again: the terms are the Game's own.
    allowed.extend([keys::OLD_GAME_ID, keys::CONTRACT]);
    if !game.ports.is_empty() {
        allowed.insert(super::create::PORTS);
    }
    let is: BTreeSet<&str> = labels.keys().map(String::as_str).collect();
    found.unless(is == allowed, || {
        format!("labels {is:?}, allowed {allowed:?}")
    });
    let terms = crate::runtime::parse_terms(labels.get(keys::CONTRACT).and_then(Value::as_str));
    let Some(terms) = terms else {
        return found.unless(false, || "the terms cannot be read again".to_owned());
    };
    let as_declared = terms
        .ports
        .iter()
        .map(|port| &port.name)
        .eq(game.ports.iter().map(|port| &port.name))
        && terms.readiness == game.readiness
        && terms.start_deadline_seconds == game.start_deadline_seconds
        && terms.max_active_deadline_seconds == game.max_active_deadline_seconds
        && terms.termination_grace_period_seconds == game.termination_grace_period_seconds;
    found.unless(as_declared, || {
        format!("terms are not the Game's: {terms:?}")
    });
}

fn transports(protocol: PortProtocol) -> &'static [&'static str] {
    match protocol {
        PortProtocol::TCP => &["tcp"],
        PortProtocol::UDP => &["udp"],
        PortProtocol::TCPUDP => &["tcp", "udp"],
    }
}

/// Each port of the Game on the bind address alone, on a number of the range, or the one that the Game fixes.
fn published(found: &mut Found, is: &Value, exposed: &Value, game: &GameSpec) {
    let bindings = is.as_object().cloned().unwrap_or_default();
    let inside: BTreeSet<&str> = bindings.keys().map(String::as_str).collect();
    let named: BTreeSet<&str> = exposed
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str)
        .collect();
    found.unless(inside == named, || {
        format!("exposed {named:?}, bound {inside:?}")
    });
    let wanted: usize = game
        .ports
        .iter()
        .map(|port| transports(port.protocol).len())
        .sum();
    found.unless(bindings.len() == wanted, || {
        format!("{} bindings of {wanted}", bindings.len())
    });
    for (key, bound) in &bindings {
        let (number, transport) = key.split_once('/').unwrap_or((key, ""));
        let host = bound[0]["HostPort"].as_str().unwrap_or_default();
        found.equal(
            "a binding",
            bound,
            &json!([{"HostIp": BIND.to_string(), "HostPort": host}]),
        );
        let (Ok(number), Ok(host)) = (number.parse::<u16>(), host.parse::<u16>()) else {
            found.unless(false, || format!("{key} bound to {bound}"));
            continue;
        };
        let of_the_game = game.ports.iter().any(|port| {
            transports(port.protocol).contains(&transport)
                && match port.port_policy {
                    PortPolicy::Dynamic => {
                        port.container_port == Some(i32::from(number)) && RANGE.contains(&host)
                    }
                    PortPolicy::Static => {
                        port.container_port == Some(i32::from(number))
                            && port.host_port == Some(i32::from(host))
                    }
                    PortPolicy::Passthrough => number == host && RANGE.contains(&host),
                }
        });
        found.unless(of_the_game && number > 0 && host > 0, || {
            format!("{key} on {host} is no port of the Game: {:?}", game.ports)
        });
    }
}

/// The Game's maximum as a whole number times 10^`scale`, told by its own arithmetic: None, it is no quantity.
fn most(
    list: &ResourceList,
    of: fn(&ResourceList) -> &Option<Quantity>,
    default: &str,
    scale: i64,
) -> Option<i128> {
    let text = of(list)
        .as_ref()
        .map_or(default, |quantity| quantity.0.as_str());
    // The API's own reading has tests of its own; here it is only asked for thousandths, which bytes do not need.
    let quantity = Quantity(text.to_owned());
    if scale == 0 {
        quantity.bytes().ok().map(i128::from)
    } else {
        quantity
            .cpu_millis()
            .ok()
            .map(|millis| i128::from(millis) * 1_000_000)
    }
}

fn limited(found: &mut Found, what: &str, is: &Value, most: Option<i128>) {
    let value = is.as_i64().map(i128::from);
    let sound = value
        .zip(most)
        .is_some_and(|(value, most)| value > 0 && value <= most);
    found.unless(sound, || {
        format!("{what} is {is}, at most {most:?} is allowed")
    });
}

/// Absolute, without a way up, and without what engines split options at.
fn is_clean(path: &str) -> bool {
    path.starts_with('/')
        && path.len() > 1
        && !path.ends_with('/')
        && path
            .split('/')
            .skip(1)
            .all(|part| !part.is_empty() && part != "." && part != "..")
        && path
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b':' && b != b',')
}

fn tmpfs(found: &mut Found, is: &Value, game: &GameSpec) {
    let none = Map::new();
    let folders = is.as_object().unwrap_or(&none);
    found.unless(folders.len() == game.scratch.len(), || {
        format!("tmpfs is {is}")
    });
    let (user, group) = (
        game.security_context.run_as_user,
        game.security_context.run_as_group,
    );
    let options =
        format!(r"^rw,exec,nosuid,nodev,size=[1-9][0-9]*,uid={user},gid={group},mode=0770$");
    let options = Regex::new(&options).expect("a pattern");
    for (path, with) in folders {
        let sound = is_clean(path) && with.as_str().is_some_and(|with| options.is_match(with));
        found.unless(sound, || format!("tmpfs {path:?} with {with}"));
    }
}

fn mounts(found: &mut Found, is: &Value, wish: &Session, engine: &Engine, game: &GameSpec) {
    let mounts = is.as_array().map_or(&[][..], Vec::as_slice);
    found.unless(mounts.len() == game.storage.len(), || {
        format!("mounts are {is}")
    });
    for (mount, storage) in mounts.iter().zip(&game.storage) {
        let target = mount["Target"].as_str().unwrap_or_default();
        found.unless(is_clean(target), || format!("a mount at {target:?}"));
        let mut labels: Map<String, Value> = owner_labels(wish, engine)
            .into_iter()
            .map(|(key, value)| (key.to_owned(), json!(value)))
            .collect();
        labels.insert(keys::STORAGE.to_owned(), json!(storage.name));
        let allowed = json!({
            "Type": "volume", "Source": format!("{}-{}", wish.container_name, storage.name), "Target": target,
            "ReadOnly": false, "VolumeOptions": {"NoCopy": false, "Labels": labels},
        });
        found.equal("a mount", mount, &allowed);
    }
}

/// Longest text that one word of a container may become.
const WORD: usize = 124 * 1024;

/// A body is no larger than its words may be, and what stands in the manifests some times over.
pub(super) fn check_size(
    body: &ContainerCreateBody,
    game: &Game,
    input: usize,
) -> Result<(), TestCaseError> {
    let body = serde_json::to_string(body)
        .expect("a body is plain data")
        .len();
    let words = game.spec.command.len() + game.spec.args.len() + game.spec.env.len();
    // Six bytes for a character that JSON escapes.
    let most = 6 * (words * WORD + 4 * input) + 16 * 1024;
    prop_assert!(body <= most, "{body} bytes of {input}");
    Ok(())
}
