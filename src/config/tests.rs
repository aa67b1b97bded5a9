//! The flags as a user writes them.

use clap::CommandFactory;
use proptest::prelude::*;

use super::*;
use crate::hostile::{cases, text};

fn flags(args: &[&str]) -> Flags {
    let args = ["dillinger-runner", "controller"]
        .into_iter()
        .chain(args.iter().copied());
    match Cli::parse_from(args).command {
        Command::Controller(flags) => *flags,
        other => panic!("not the controller: {other:?}"),
    }
}

fn resolve(args: &[&str]) -> Result<Config, ConfigError> {
    flags(args).resolve_in(None)
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn whatever_text_stands_for_a_range_a_host_or_a_name_it_is_one_or_refused(
        text in prop_oneof![text(), "[0-9]{0,6} ?- ?[0-9]{0,6}", "[a-zA-Z0-9.-]{0,70}"],
    ) {
        if let Ok(range) = parse_range("--port-range", &text) {
            prop_assert!(*range.start() > 0 && range.start() <= range.end(), "{}", text);
        }
        if let Ok(host) = advertised(Some(text.clone()), [127, 0, 0, 1].into()) {
            prop_assert!(!host.is_empty() && host.len() <= 253, "{}", host);
            prop_assert!(host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:%".contains(&b)), "{}", host);
        }
        if let Ok(names) = names("--watch-namespaces", vec![text.clone(), text.clone()]) {
            prop_assert!(names.len() <= 1 && names.iter().all(|name| is_label(name)), "{}", text);
        }
        let _ = parse_runtimes(&[text]);
    }
}

#[test]
fn without_flags_it_serves_docker_on_loopback_only() {
    let config = resolve(&[]).unwrap();
    assert_eq!(config.runtimes, [RuntimeKind::Docker]);
    assert_eq!(config.port_range, 7000..=8000);
    assert_eq!(config.advertise_address, "127.0.0.1");
    assert_eq!(config.admin_address, "127.0.0.1:3003".parse().unwrap());
    assert_eq!(config.lease_namespace, "default");
    assert_eq!(config.controller_name, "dillinger-runner");
    assert!(config.leader_elect);
}

#[test]
fn every_flag_has_its_environment_variable_and_stands_in_the_help() {
    let mut command = Cli::command();
    let controller = command.find_subcommand_mut("controller").unwrap();
    let help = controller.render_long_help().to_string();
    for flag in controller.get_arguments() {
        let Some(long) = flag.get_long().filter(|long| *long != "help") else {
            continue;
        };
        let variable = format!("DILLINGER_{}", long.to_uppercase().replace('-', "_"));
        let found = flag
            .get_env()
            .map(|name| name.to_string_lossy().into_owned());
        assert_eq!(found.as_deref(), Some(&*variable), "--{long}");
        assert!(help.contains(&variable), "{variable} in --help");
    }
}

#[test]
fn the_lease_is_in_the_pods_own_namespace_unless_a_flag_names_another() {
    let own = Some("games".to_owned());
    let config = flags(&[]).resolve_in(own.clone()).unwrap();
    assert_eq!(config.lease_namespace, "games");
    let config = flags(&["--lease-namespace", "other"])
        .resolve_in(own)
        .unwrap();
    assert_eq!(config.lease_namespace, "other");
}

#[test]
fn an_address_that_no_player_can_reach_is_refused_unless_one_is_advertised() {
    let refused = resolve(&["--bind-address", "0.0.0.0"]).unwrap_err();
    assert!(
        refused.to_string().contains("--advertise-address"),
        "{refused}"
    );
    let config = resolve(&[
        "--bind-address",
        "0.0.0.0",
        "--advertise-address",
        "play.example.org",
    ]);
    assert_eq!(config.unwrap().advertise_address, "play.example.org");
    assert!(resolve(&["--advertise-address", "no spaces here"]).is_err());
}

#[test]
fn a_port_range_needs_a_first_and_a_last_in_order() {
    assert_eq!(
        resolve(&["--port-range", "9000-9000"]).unwrap().port_range,
        9000..=9000
    );
    for text in ["", "7000", "8000-7000", "0-10", "7000-70000", "a-b"] {
        let refused = resolve(&["--port-range", text]).unwrap_err();
        let (flag, text) = ("--port-range", text.to_owned());
        assert_eq!(refused, ConfigError::PortRange { flag, text });
    }
}

#[test]
fn pods_are_exposed_on_their_nodes_unless_a_flag_says_otherwise() {
    let exposure = |args: &[&str]| resolve(args).map(|config| config.pod_exposure);
    assert_eq!(exposure(&[]), Ok(Exposure::HostPort));
    let by_service = ["--pod-exposure", "nodeport"];
    assert_eq!(exposure(&by_service), Ok(Exposure::NodePort));
    let inside = ["--pod-exposure", "None"];
    assert_eq!(exposure(&inside), Ok(Exposure::None));
    let wrong = ConfigError::PodExposure("Internet".to_owned());
    assert_eq!(exposure(&["--pod-exposure", "Internet"]), Err(wrong));
    let range = ["--node-port-range", "31000-31999"];
    assert_eq!(resolve(&range).unwrap().node_port_range, 31_000..=31_999);
}

#[test]
fn the_runtimes_stand_in_the_order_of_the_flag() {
    use RuntimeKind::{Docker, Pod};
    let runtimes = |text: &str| resolve(&["--runtimes", text]).unwrap().runtimes;
    assert_eq!(runtimes("Pod"), [Pod]);
    assert_eq!(runtimes("Docker,Pod"), [Docker, Pod]);
    assert_eq!(runtimes("pod,docker"), [Pod, Docker]);
}

#[test]
fn a_runtime_that_this_version_does_not_know_is_named_in_the_refusal() {
    let refused = resolve(&["--runtimes", "Docker,Jail"]).unwrap_err();
    assert_eq!(refused, ConfigError::UnknownRuntime("Jail".to_owned()));
    assert_eq!(
        resolve(&["--runtimes", "docker,Docker"])
            .unwrap()
            .runtimes
            .len(),
        1
    );
}

#[test]
fn names_are_checked_before_anything_starts() {
    assert!(resolve(&["--controller-name", "Upper"]).is_err());
    assert!(resolve(&["--watch-namespaces", "a,b_c"]).is_err());
    let config = resolve(&["--watch-namespaces", "a, b,a"]).unwrap();
    assert_eq!(config.watch_namespaces, ["a", "b"]);
    assert!(resolve(&["--docker-host", "/run/docker.sock"]).is_err());
}

#[cfg(feature = "otlp")]
#[test]
fn a_collector_is_reached_over_plain_http_or_not_at_all() {
    let endpoint = |url| resolve(&["--otlp-endpoint", url]).map(|config| config.otlp_endpoint);
    assert_eq!(resolve(&[]).unwrap().otlp_endpoint, None);
    assert_eq!(endpoint(""), Ok(None));
    let url = "http://127.0.0.1:4318";
    assert_eq!(endpoint(url), Ok(Some(url.to_owned())));
    let refused = endpoint("https://collector:4318").unwrap_err();
    assert!(refused.to_string().contains("no TLS"), "{refused}");
}

#[cfg(feature = "simulate")]
#[test]
fn a_journal_may_stand_in_for_the_engine() {
    assert_eq!(resolve(&[]).unwrap().simulation, None);
    let config = resolve(&[
        "--simulate",
        "/run/journal",
        "--simulate-ready-after",
        "250",
    ])
    .unwrap();
    let simulation = config.simulation.unwrap();
    assert_eq!(simulation.file, Path::new("/run/journal"));
    assert_eq!(simulation.ready_after, Duration::from_millis(250));
    let alone = [
        "dillinger-runner",
        "controller",
        "--simulate-ready-after",
        "250",
    ];
    assert!(Cli::try_parse_from(alone).is_err());
}

#[cfg(not(feature = "simulate"))]
#[test]
fn a_build_for_use_simulates_nothing() {
    let asked = [
        "dillinger-runner",
        "controller",
        "--simulate",
        "/run/journal",
    ];
    let refused = Cli::try_parse_from(asked).unwrap_err();
    assert_eq!(refused.kind(), clap::error::ErrorKind::UnknownArgument);
}
