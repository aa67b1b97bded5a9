//! Readiness by a command inside the container. A command that cannot run says nothing about the game.

use std::time::Duration;

use bollard::exec::{CreateExecOptions, StartExecResults};
use futures::StreamExt;

use crate::runtime::docker::client::{CallError, Client, Lane};
use crate::runtime::docker::logs;
use crate::session::seen::Answer;

/// What a shell and the engine answer for a command that cannot be run, or is not there.
const CANNOT_RUN: [i64; 2] = [126, 127];

/// What is kept of the command's output.
const OUTPUT_LIMIT: usize = 4096;

/// The engine's own calls around the command's run.
const ENGINE: Duration = Duration::from_secs(5);

/// Remembers a command that did not end in time: an engine cannot end it, so the next waits for it.
#[derive(Default)]
pub(super) struct Exec {
    unfinished: Option<String>,
}

impl Exec {
    pub(super) async fn ask(
        &mut self,
        client: &Client,
        container: &str,
        command: &[String],
        limit: Duration,
    ) -> Answer {
        if let Some(id) = self.unfinished.take()
            && let Ok((true, _)) = state(client, &id).await
        {
            self.unfinished = Some(id);
            return Answer::NotReady("the command of an earlier question still runs".to_owned());
        }
        match self.run(client, container, command, limit).await {
            Ok(answer) => answer,
            Err(error) => Answer::CannotTell(format!("{} cannot be run: {error}", shown(command))),
        }
    }

    async fn run(
        &mut self,
        client: &Client,
        container: &str,
        command: &[String],
        limit: Duration,
    ) -> Result<Answer, CallError> {
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(command.to_vec()),
            ..CreateExecOptions::default()
        };
        let id = client
            .call(Lane::Free, ENGINE, |d| async move {
                d.create_exec(container, options).await
            })
            .await?
            .id;
        let started = client
            .call(Lane::Free, ENGINE, |d| {
                let id = id.clone();
                async move { d.start_exec(&id, None).await }
            })
            .await?;
        let mut output = Vec::new();
        if let StartExecResults::Attached {
            output: mut stream, ..
        } = started
        {
            let read = tokio::time::timeout(limit, async {
                while let Some(Ok(chunk)) = stream.next().await {
                    let room = OUTPUT_LIMIT.saturating_sub(output.len());
                    let bytes = chunk.into_bytes();
                    output.extend_from_slice(&bytes[..bytes.len().min(room)]);
                }
            })
            .await;
            if read.is_err() {
                self.unfinished = Some(id);
                return Ok(Answer::NotReady(format!(
                    "{} did not end within {} s",
                    shown(command),
                    limit.as_secs()
                )));
            }
        }
        let words = last_line(&output);
        match state(client, &id).await? {
            (true, _) => {
                self.unfinished = Some(id);
                Ok(Answer::NotReady(format!("{} still runs", shown(command))))
            }
            (false, Some(0)) => Ok(Answer::Ready),
            (false, Some(code)) if CANNOT_RUN.contains(&code) => Ok(Answer::CannotTell(format!(
                "{} cannot be run (exit code {code}){words}",
                shown(command)
            ))),
            (false, Some(code)) => Ok(Answer::NotReady(format!(
                "{} ended with exit code {code}{words}",
                shown(command)
            ))),
            (false, None) => Ok(Answer::CannotTell(format!(
                "{} ended without an exit code{words}",
                shown(command)
            ))),
        }
    }
}

/// Whether it runs, and its exit code.
async fn state(client: &Client, id: &str) -> Result<(bool, Option<i64>), CallError> {
    let state = client
        .call(
            Lane::Free,
            ENGINE,
            |d| async move { d.inspect_exec(id).await },
        )
        .await?;
    Ok((state.running.unwrap_or(false), state.exit_code))
}

fn shown(command: &[String]) -> String {
    let joined: String = command.join(" ").chars().take(80).collect();
    format!("\"{}\"", logs::safe(joined.as_bytes()).replace('\n', " "))
}

fn last_line(output: &[u8]) -> String {
    let safe = logs::safe(output);
    match safe.lines().last() {
        Some(line) => format!(": {}", line.chars().take(200).collect::<String>()),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{cases, text};

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn whatever_a_command_is_and_says_the_words_for_it_are_one_short_line(
            command in proptest::collection::vec(text(), 0..4),
            output in proptest::collection::vec(any::<u8>(), 0..600),
        ) {
            for (words, most) in [(shown(&command), 128), (last_line(&output), 202)] {
                prop_assert!(words.chars().count() <= most, "{}", words);
                prop_assert!(!words.chars().any(char::is_control), "{:?}", words);
            }
        }
    }
}
