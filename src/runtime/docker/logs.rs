//! The log of a container, as the engine gives it.

use bollard::container::LogOutput;
use bollard::query_parameters::{LogsOptions, LogsOptionsBuilder};
use futures::StreamExt;
use regex::bytes::Regex;

use super::client::{CallError, Client, LOOK, Lane, WRITE};
pub(super) use crate::runtime::log_text::safe;
use crate::runtime::log_text::{Text, WINDOW};

/// Lines of a dead game's log that a user sees.
const LAST_LINES: &str = "10";

/// The last 10 lines, made safe, at most 1 KiB.
pub(super) async fn last_lines(client: &Client, id: &str) -> Result<String, CallError> {
    let options = reading(false, LAST_LINES);
    let bytes = client
        .call(Lane::Look, LOOK, |docker| async move {
            let mut log = std::pin::pin!(docker.logs(id, Some(options)));
            let mut bytes = Vec::new();
            while let Some(chunk) = log.next().await {
                bytes.extend_from_slice(chunk?.as_ref());
                // Ten lines may be megabytes long; their end is what is shown.
                if bytes.len() > 4 * WINDOW {
                    bytes.drain(..bytes.len() - 2 * WINDOW);
                }
            }
            Ok(bytes)
        })
        .await?;
    Ok(safe(&bytes))
}

/// Whether the pattern is in the log of a container that has ended: up to three files of 10 MB.
pub(super) async fn contains(
    client: &Client,
    id: &str,
    pattern: &Regex,
) -> Result<bool, CallError> {
    let options = reading(false, "all");
    client
        .call(Lane::Look, WRITE, |docker| async move {
            let mut log = std::pin::pin!(docker.logs(id, Some(options)));
            let mut search = Search::new(pattern.clone());
            while let Some(chunk) = log.next().await {
                if search.feed(&chunk?) {
                    return Ok(true);
                }
            }
            Ok(false)
        })
        .await
}

/// Both streams, from the first line or the last `tail`.
pub(super) fn reading(follow: bool, tail: &str) -> LogsOptions {
    LogsOptionsBuilder::new()
        .follow(follow)
        .stdout(true)
        .stderr(true)
        .tail(tail)
        .build()
}

/// Searches a log that arrives in chunks; standard output and error are two texts.
pub(super) struct Search {
    pattern: Regex,
    out: Text,
    err: Text,
}

impl Search {
    pub(super) fn new(pattern: Regex) -> Search {
        Search {
            pattern,
            out: Text::default(),
            err: Text::default(),
        }
    }

    /// Takes the next chunk; true once the pattern is in the text so far.
    pub(super) fn feed(&mut self, chunk: &LogOutput) -> bool {
        let (text, bytes) = match chunk {
            LogOutput::StdErr { message } => (&mut self.err, message),
            LogOutput::StdOut { message }
            | LogOutput::StdIn { message }
            | LogOutput::Console { message } => (&mut self.out, message),
        };
        text.feed(&self.pattern, bytes)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::cases;

    fn out(text: &str) -> LogOutput {
        LogOutput::StdOut {
            message: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    fn err(text: &str) -> LogOutput {
        LogOutput::StdErr {
            message: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    fn search(pattern: &str) -> Search {
        Search::new(Regex::new(&format!("(?s-u){pattern}")).expect("a pattern"))
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn whatever_chunks_a_log_comes_in_a_pattern_is_found_where_it_is_in_the_whole(
            pieces in proptest::collection::vec(("[abc\n]{0,40}", any::<bool>()), 0..40),
            pattern in "(\\^|\\(\\?m:\\^\\))?[abc.]{1,4}",
        ) {
            let compiled = crate::session::pattern::searched(&pattern).expect("a pattern");
            let mut search = Search::new(compiled.clone());
            let mut texts = [Vec::new(), Vec::new()];
            for (piece, is_error) in &pieces {
                texts[usize::from(*is_error)].extend_from_slice(piece.as_bytes());
                let found = search.feed(&if *is_error { err(piece) } else { out(piece) });
                // All of it is shorter than the window.
                prop_assert_eq!(found, compiled.is_match(&texts[usize::from(*is_error)]), "{}", pattern);
                if found {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_pattern_is_found_across_the_border_of_two_chunks() {
        let mut search = search("server ready");
        assert!(!search.feed(&out("12:00 server re")));
        assert!(search.feed(&out("ady, port 7000")));
    }

    #[test]
    fn output_and_errors_are_two_texts() {
        let mut search = search("server ready");
        assert!(!search.feed(&out("server ")));
        assert!(!search.feed(&err("ready")));
        assert!(search.feed(&out("ready")));
    }

    #[test]
    fn a_pattern_is_found_in_a_log_of_any_length() {
        let mut search = search("READY");
        for _ in 0..2000 {
            assert!(!search.feed(&out(&"noise ".repeat(50))));
        }
        assert!(!search.feed(&out("REA")));
        assert!(search.feed(&out("DY")));
    }

    #[test]
    fn the_begin_of_the_text_is_the_begin_of_the_log_and_not_of_the_window() {
        let mut anchored = search("^noise");
        assert!(anchored.feed(&out("noise")));
        let mut anchored = search("^x");
        assert!(!anchored.feed(&out("y")));
        for _ in 0..20 {
            assert!(!anchored.feed(&out(&"x".repeat(3000))));
        }
        let mut lines = search("(?m:^x)");
        assert!(!lines.feed(&out(&"y".repeat(100_000))));
        assert!(!lines.feed(&out("x")));
        assert!(lines.feed(&out("\nx")));
    }
}
