//! Readiness by a pattern in the log: the stream is followed from the container's first line.

use futures::StreamExt;
use regex::bytes::Regex;

use crate::runtime::docker::client::{CallError, Client};
use crate::runtime::docker::logs;
use crate::session::seen::Answer;

/// Waits until the pattern is in the log, or the stream ends. `so_far` is told once the log was read up to
/// now without a match.
pub(super) async fn wait_for(
    client: &Client,
    container: &str,
    pattern: &Regex,
    so_far: impl Fn(Answer),
) -> Answer {
    let docker = match client.docker() {
        Ok(docker) => docker,
        Err(error) => return Answer::CannotTell(format!("its log cannot be read: {error}")),
    };
    let mut stream = std::pin::pin!(docker.logs(container, Some(logs::reading(true, "all"))));
    let mut search = logs::Search::new(pattern.clone());
    let waiting = || {
        so_far(Answer::NotReady(format!(
            "its log does not hold \"{pattern}\" yet"
        )));
    };
    let mut told = false;
    loop {
        // The lines that are there come at once; the first pause is where "so far" is reached.
        let next = if told {
            stream.next().await
        } else {
            match tokio::time::timeout(QUIET, stream.next()).await {
                Ok(next) => next,
                Err(_) => {
                    waiting();
                    told = true;
                    continue;
                }
            }
        };
        match next {
            Some(Ok(chunk)) => {
                if search.feed(&chunk) {
                    return Answer::Ready;
                }
            }
            Some(Err(error)) => {
                let error = CallError::from(error);
                return Answer::CannotTell(format!("its log cannot be read: {error}"));
            }
            // The container ended, or the engine went away; a look tells which.
            None => return Answer::NotReady(format!("its log ended without \"{pattern}\"")),
        }
    }
}

/// A pause in the log.
const QUIET: std::time::Duration = std::time::Duration::from_millis(250);
