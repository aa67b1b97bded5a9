//! What game check says of manifests.

use super::*;

const GOOD: &str = "
apiVersion: dillinger.dev/v1alpha1
kind: Game
metadata: {name: chess}
spec:
  image: example/chess:1
  ports:
  - {name: game, containerPort: 4000, protocol: TCP}
  readiness: {tcpSocket: {port: game}}
  storage:
  - {name: data, mountPath: /data}
";

#[test]
fn a_good_game_is_explained_and_has_no_mistake() {
    let report = report(GOOD);
    assert_eq!((report.mistakes, report.games), (0, 1), "{}", report.text);
    assert!(
        report
            .text
            .starts_with("Game chess\n\n  What it will do\n    image       example/chess:1, "),
        "{}",
        report.text
    );
    assert!(!report.text.contains("What is wrong"));
}

#[test]
fn what_a_cluster_makes_of_a_game_has_a_heading_of_its_own() {
    let report = report(&GOOD.replace("spec:", "spec:\n  exposure: NodePort"));
    assert_eq!(report.mistakes, 0, "{}", report.text);
    assert!(
        report.text.contains(
            "\n  What it will do on a cluster\n    reached     by a Service of its session: "
        ),
        "{}",
        report.text
    );
    let docker = GOOD.replace("spec:", "spec:\n  runtimes: [Docker]");
    assert!(!super::report(&docker).text.contains("on a cluster\n"));
}

#[test]
fn each_mistake_counts_once() {
    let text = GOOD.replace("containerPort: 4000", "containerPort: 400000, colour: red");
    let report = report(&text);
    assert_eq!(report.mistakes, 2, "{}", report.text);
    assert!(
        report
            .text
            .contains("    - spec.ports[0].containerPort: 400000 is more than 65535\n")
    );
    assert!(
        report.text.contains(
            "    - spec.ports[0].colour is no field: there are containerPort, hostPort, "
        )
    );
}

#[test]
fn what_only_the_contract_sees_is_found_too() {
    let report = report(&GOOD.replace("port: game}}", "port: gmae}}"));
    assert_eq!(report.mistakes, 1, "{}", report.text);
    assert!(
        report
            .text
            .contains("readiness.tcpSocket.port \"gmae\" names no port of the game")
    );
}

#[test]
fn what_kubectl_would_not_read_as_a_text_is_a_mistake_unless_it_is_quoted() {
    let asks = |hex: &str| {
        let exchange = format!("{{exchange: {{port: game, sendHex: {hex}, expect: .}}}}");
        report(&GOOD.replace("{tcpSocket: {port: game}}", &exchange))
    };
    let bare = asks("00000000");
    assert_eq!(bare.mistakes, 1, "{}", bare.text);
    assert!(
        bare.text.contains(
            "    - spec.readiness.exchange.sendHex: kubectl reads 00000000 as a number: put it into quotes\n"
        ),
        "{}",
        bare.text
    );
    for quoted in ["\"00000000\"", "'00000000'", "00ff"] {
        assert_eq!(asks(quoted).mistakes, 0, "{quoted}");
    }
    let truth = report(&GOOD.replace("spec:", "spec:\n  args: [fast, on]"));
    assert_eq!(truth.mistakes, 1, "{}", truth.text);
    assert!(
        truth
            .text
            .contains("spec.args[1]: kubectl reads on as a truth value"),
        "{}",
        truth.text
    );
}

#[test]
fn a_name_that_is_no_label_is_a_mistake() {
    let report = report(&GOOD.replace("chess}", "Chess}"));
    assert_eq!(report.mistakes, 1, "{}", report.text);
}

#[test]
fn several_documents_are_told_one_after_the_other() {
    let session = "---\napiVersion: dillinger.dev/v1alpha1\nkind: GameSession\nmetadata: {name: friday}\nspec: {gameRef: {name: chess}, user: ann}\n";
    let report = report(&format!(
        "{GOOD}{session}---\nkind: Pod\nmetadata: {{name: x}}\n---\n"
    ));
    assert_eq!((report.mistakes, report.games), (0, 1), "{}", report.text);
    assert!(
        report
            .text
            .contains("GameSession friday\n  its fields are right")
    );
    assert!(report.text.contains("Pod x is passed over"));
}

#[test]
fn what_is_no_yaml_is_one_mistake_with_its_place() {
    let report = report("kind: Game\n  spec: [");
    assert_eq!((report.mistakes, report.games), (1, 0));
    assert!(report.text.contains("line "), "{}", report.text);
}

#[test]
fn every_game_that_we_ship_is_without_a_mistake() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/games");
    let mut games = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "yaml")
        {
            let report = report(&std::fs::read_to_string(&path).unwrap());
            assert_eq!(report.mistakes, 0, "{}: {}", path.display(), report.text);
            games += report.games;
        }
    }
    assert!(games >= 8, "{games}");
}
