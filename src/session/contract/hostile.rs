//! Whatever stands in the resources, valid or not: no panic, a bounded message, and nothing of ours overridden.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::parameters::Declared;
use super::tests::surroundings;
use super::*;
use crate::api::{
    GamePort, GameSessionSpec, Parameter, ParameterDeclaration, Quantity, ResourceList, Scratch,
    SessionResources, Storage, keys,
};
use crate::hostile::cases;
use crate::session::container;
use crate::session::ports::ChosenPorts;

/// Texts that try to be something else.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        ".{0,24}",
        Just("$(A)".to_owned()),
        Just("$$(".to_owned()),
        Just("$(PORT_A)".to_owned()),
        Just("$(".to_owned()),
        Just("dillinger.dev/uid".to_owned()),
        Just("../../etc".to_owned()),
        Just("/var/run/docker.sock:/x".to_owned()),
        Just("\0".to_owned()),
        Just("\u{202e}".repeat(400)),
        "[A-C]",
        "[a-c]",
        "/[a-z]{1,3}",
    ]
}

/// Mostly what makes a contract, sometimes what should not.
fn mostly(sound: impl Strategy<Value = String> + 'static) -> impl Strategy<Value = String> {
    prop_oneof![20 => sound.boxed(), 1 => text().boxed()]
}

fn template() -> impl Strategy<Value = String> {
    mostly(prop_oneof![
        "[a-z ]{0,8}",
        Just("-x=$(A)$(A)".to_owned()),
        Just("$$(B) $(GAME_ID)/$(USER_ID)".to_owned()),
    ])
}

fn quantity(sound: &'static str) -> impl Strategy<Value = Quantity> {
    mostly(prop_oneof![
        30 => sound,
        1 => Just("9223372036854775807".to_owned()),
    ])
    .prop_map(Quantity)
}

fn list() -> impl Strategy<Value = ResourceList> {
    (
        option::of(quantity("[1-9]00m")),
        option::of(quantity("[1-9]00Mi")),
    )
        .prop_map(|(cpu, memory)| ResourceList { cpu, memory })
}

fn declaration() -> impl Strategy<Value = ParameterDeclaration> {
    let rarely = || option::weighted(0.1, text());
    (
        mostly("[B-Z]{2,4}"),
        rarely(),
        proptest::bool::weighted(0.05),
        rarely(),
        option::weighted(0.1, vec(text(), 0..3)),
    )
        .prop_map(
            |(name, default, required, pattern, allowed)| ParameterDeclaration {
                name,
                description: None,
                default,
                required,
                pattern,
                allowed,
            },
        )
}

fn port() -> impl Strategy<Value = GamePort> {
    let number = || prop_oneof![20 => 1..65536, 1 => any::<i32>()];
    (
        mostly("[a-z]{1,3}(-[0-9])?"),
        number(),
        prop_oneof![
            Just(PortProtocol::UDP),
            Just(PortProtocol::TCP),
            Just(PortProtocol::TCPUDP)
        ],
        prop_oneof![
            Just(PortPolicy::Dynamic),
            Just(PortPolicy::Static),
            Just(PortPolicy::Passthrough)
        ],
        number(),
        proptest::bool::weighted(0.05),
    )
        .prop_map(|(name, container, protocol, port_policy, host, wrong)| {
            let passthrough = port_policy == PortPolicy::Passthrough;
            let is_static = port_policy == PortPolicy::Static;
            GamePort {
                name,
                container_port: (passthrough == wrong).then_some(container),
                protocol,
                port_policy,
                host_port: (is_static != wrong).then_some(host),
            }
        })
}

fn mounts() -> impl Strategy<Value = (Vec<Scratch>, Vec<Storage>)> {
    let scratch =
        (mostly("/[a-z]{1,3}/?"), quantity("[1-9]Mi")).prop_map(|(mount_path, size_limit)| {
            Scratch {
                mount_path,
                size_limit,
            }
        });
    let storage = (
        mostly("[a-z]{1,3}"),
        mostly("/[a-z]{1,3}/?"),
        quantity("[1-9]Gi"),
    )
        .prop_map(|(name, mount_path, size)| Storage {
            name,
            mount_path,
            size,
        });
    (vec(scratch, 0..2), vec(storage, 0..2))
}

fn game() -> impl Strategy<Value = Game> {
    (
        (text(), vec(template(), 0..3), vec(template(), 0..3)),
        vec((mostly("[A-Z]{1,3}"), template()), 0..3),
        vec(declaration(), 0..3),
        vec(port(), 0..3),
        list(),
        mounts(),
        option::weighted(0.2, mostly("[a-z]{1,3}")),
    )
        .prop_map(
            |((image, command, args), env, parameters, ports, limits, mounts, pattern)| {
                let mut spec: GameSpec = serde_json::from_value(serde_json::json!({
                    "image": image,
                    "parameters": [{"name": "A"}],
                }))
                .unwrap();
                spec.command = command;
                spec.args = args;
                spec.env = env
                    .into_iter()
                    .map(|(name, value)| EnvVar { name, value })
                    .collect();
                spec.parameters.extend(parameters);
                spec.ports = ports;
                spec.resources.limits = limits;
                (spec.scratch, spec.storage) = mounts;
                spec.readiness = pattern.map(|pattern| {
                    serde_json::from_value(serde_json::json!({"log": {"pattern": pattern}}))
                        .unwrap()
                });
                Game::new("wesnoth", spec)
            },
        )
}

fn session() -> impl Strategy<Value = GameSession> {
    (
        text(),
        vec((mostly("A"), text()), 0..2),
        option::weighted(0.3, list()),
        option::of(any::<i32>()),
    )
        .prop_map(|(user, parameters, limits, deadline)| {
            let mut spec: GameSessionSpec = serde_json::from_value(
                serde_json::json!({"gameRef": {"name": "wesnoth"}, "user": user}),
            )
            .unwrap();
            spec.parameters = Some(
                parameters
                    .into_iter()
                    .map(|(name, value)| Parameter { name, value })
                    .collect(),
            );
            spec.resources = limits.map(|limits| SessionResources { limits });
            spec.active_deadline_seconds = deadline;
            GameSession::new("friday", spec)
        })
}

fn check_spec(contract: &Contract) -> Result<(), TestCaseError> {
    let (o, engine) = surroundings(contract);
    let ports = ChosenPorts(
        contract
            .terms
            .ports
            .iter()
            .zip(7000..)
            .map(|(port, number)| (port.name.clone(), number))
            .collect(),
    );
    let spec = container::spec(&o, contract, &ports, &engine, 4);
    for (key, value) in [
        (keys::CLUSTER, "c-1"),
        (keys::CONTROLLER, "dillinger-runner"),
        (keys::ENGINE, "e-1"),
        (keys::NAMESPACE, "arcade"),
        (keys::SESSION, "friday"),
        (keys::UID, "u-1"),
        (keys::ATTEMPT, "4"),
        (keys::GAME, "wesnoth"),
        (keys::OLD_TYPE, "game-session"),
        (keys::OLD_GAME_ID, contract.game_id.as_str()),
        (keys::OLD_SESSION_ID, "friday"),
        (keys::OLD_USER_ID, contract.user_id.as_str()),
        (keys::OLD_CREATED, "2026-01-02T03:04:05Z"),
    ] {
        prop_assert_eq!(spec.labels.get(key).map(String::as_str), Some(value));
    }
    prop_assert_eq!(spec.labels.len(), 14, "thirteen and the contract, no other");
    prop_assert_eq!(
        crate::runtime::parse_terms(spec.labels.get(keys::CONTRACT).map(String::as_str)),
        Some(contract.terms.clone())
    );
    for (name, value) in [
        ("GAME_ID", &contract.game_id),
        ("SESSION_ID", &contract.session_id),
        ("USER_ID", &contract.user_id),
    ] {
        let values: Vec<&String> = spec
            .env
            .iter()
            .filter(|(n, _)| n == name)
            .map(|(_, v)| v)
            .collect();
        prop_assert_eq!(values, [value]);
    }
    for volume in &spec.volumes {
        let prefix = format!("{}-", spec.name);
        prop_assert!(volume.name.starts_with(&prefix));
        prop_assert!(!volume.name.contains('/'));
        prop_assert_eq!(&volume.labels[keys::UID], "u-1");
    }
    for path in spec
        .volumes
        .iter()
        .map(|v| &v.path)
        .chain(spec.scratch.iter().map(|s| &s.path))
    {
        prop_assert!(path.starts_with('/') && path.len() > 1);
        prop_assert!(!path.contains("..") && !path.contains([':', ',']));
    }
    for word in spec.command.iter().chain(&spec.args) {
        prop_assert!(!word.contains('\0'));
    }
    for (name, value) in &spec.env {
        prop_assert!(!name.is_empty() && !name.contains('=') && !value.contains('\0'));
    }
    prop_assert!(spec.cpu_millis > 0 && spec.memory_bytes > 0);
    prop_assert!(spec.user > 0 && spec.group > 0);
    Ok(())
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn whatever_stands_in_the_resources_the_answer_is_sound(session in session(), game in game()) {
        match resolve(&session, Some(&game), None, &[RuntimeKind::Docker]) {
            Ok(contract) => check_spec(&contract)?,
            Err(refusal) => {
                prop_assert!(refusal.message.chars().count() <= 1024);
                prop_assert!(!refusal.message.chars().any(char::is_control));
                prop_assert!(!refusal.message.is_empty());
            }
        }
    }

    #[test]
    fn values_of_users_stand_as_they_are_wherever_the_game_puts_them(
        parts in vec(option::of("[a-z ]{0,4}"), 0..8),
        value in text().prop_filter("NUL is refused", |value| !value.contains('\0')),
        user in ".{1,20}".prop_filter("NUL is refused", |value| !value.contains('\0')),
    ) {
        let template: String = parts
            .iter()
            .map(|part| part.clone().unwrap_or_else(|| "$(VALUE)$(USER_ID)".to_owned()))
            .collect();
        let want: String = parts
            .iter()
            .map(|part| part.clone().unwrap_or_else(|| format!("{value}{user}")))
            .collect();
        let game: Game = Game::new("wesnoth", serde_json::from_value(serde_json::json!({
            "image": "a",
            "args": [template],
            "env": [{"name": "X", "value": template}],
            "parameters": [{"name": "VALUE"}, {"name": "A"}],
        })).unwrap());
        let session = GameSession::new("friday", serde_json::from_value(serde_json::json!({
            "gameRef": {"name": "wesnoth"},
            "user": user,
            "parameters": [{"name": "VALUE", "value": value}],
        })).unwrap());
        let contract = resolve(&session, Some(&game), None, &[RuntimeKind::Docker]).unwrap();
        for text in [&contract.args[0], &contract.env[0].1] {
            let pieces = &text.0;
            prop_assert!(pieces.len() <= 1);
            let shown = pieces.first().map_or(String::new(), |piece| match piece {
                Piece::Literal(literal) => literal.clone(),
                Piece::Port(name) => format!("a port: {name}"),
            });
            prop_assert_eq!(&shown, &want);
        }
    }

    #[test]
    fn an_unset_parameter_that_is_required_is_always_missed(name in "[A-Z]{1,8}") {
        prop_assume!(name != "USER_ID");
        let game: GameSpec = serde_json::from_value(serde_json::json!({
            "image": "a", "parameters": [{"name": name, "required": true}],
        })).unwrap();
        let declared = Declared::of(&game).unwrap();
        prop_assert_eq!(declared.values(&[]).unwrap_err().reason, Reason::ParametersInvalid);
    }
}

#[test]
fn the_hostile_resources_are_neither_all_refused_nor_all_accepted() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let pair = (session(), game());
    let accepted = (0..1000)
        .filter(|_| {
            let (session, game) = pair.new_tree(&mut runner).unwrap().current();
            resolve(&session, Some(&game), None, &[RuntimeKind::Docker]).is_ok()
        })
        .count();
    assert!((150..850).contains(&accepted), "{accepted} of 1000");
}
