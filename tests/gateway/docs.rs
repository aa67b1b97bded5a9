//! The examples of `docs/rest.md` do what the page says.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};

use crate::harness::{LIMIT, testgame};
use crate::old_calls::until_catalog;
use crate::process;

/// The commands of the page's first example, each without what is said about it.
fn examples() -> Vec<&'static str> {
    let page = include_str!("../../docs/rest.md");
    let block = page.split("```console\n").nth(1).expect("an example");
    let block = block.split("```").next().expect("its end");
    let lines = block.lines().filter_map(|line| line.strip_prefix("$ "));
    let lines = lines.map(|line| line.split("  #").next().unwrap_or(line).trim());
    lines.filter(|line| line.starts_with("curl ")).collect()
}

#[tokio::test]
async fn every_command_of_the_page_is_answered() {
    let (scene, controller, gateway) = process::scene("docs").await;
    scene.game(&testgame("wesnoth")).await;
    until_catalog(&gateway, 1).await;
    let commands = examples();
    assert!(commands.len() >= 7, "{commands:?}");
    let mut id = String::new();
    for command in commands {
        let script = command
            .replace("localhost:3002", &format!("127.0.0.1:{}", gateway.port))
            .replace("curl ", "exec curl --silent --show-error --fail-with-body ");
        let mut shell = tokio::process::Command::new("bash");
        shell
            .args(["-c", &script])
            .env("ID", &id)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let mut running = shell.spawn().expect("bash runs");
        // One that goes on for ever is heard until its first line.
        if command.contains("follow=true") || command.contains("/events") {
            let mut lines = BufReader::new(running.stdout.take().expect("a pipe")).lines();
            let first = tokio::time::timeout(LIMIT, lines.next_line()).await;
            let first = first.unwrap_or_else(|_| panic!("{script} says nothing"));
            let first = first.expect("a pipe").expect("a line");
            assert!(!first.is_empty(), "{script}");
            continue;
        }
        let output = running.wait_with_output().await.expect("curl runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let wrong = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{said}{wrong}");
        assert!(!said.is_empty(), "{script} says nothing\n{wrong}");
        if command.contains("-d '") {
            let session: serde_json::Value = serde_json::from_str(&said).expect("JSON");
            assert_eq!(session["status"], "running", "{session:#}");
            id = session["id"].as_str().expect("an id").to_owned();
        }
    }
    scene.close(controller).await;
}
