//! Logs to standard error: text or JSON, with a level that can be changed while running.
//!
//! Spans are for a collector alone: a line says itself which session it is about. Each output has its own
//! filter, so that the level of the logs hides nothing from the others.

use std::io::IsTerminal;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterExt, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, reload};

use super::stages::TARGET;
use crate::config::LogFormat;

/// Where log lines or spans go, with a filter of its own.
pub type Output = Box<dyn Layer<Registry> + Send + Sync>;

/// Changes the level of a running process.
#[derive(Clone, Debug)]
pub struct LogLevel(reload::Handle<EnvFilter, Registry>);

/// Why a level cannot be set.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(
        "\"{0}\" is no log level (error, warn, info, debug, trace, or directives such as info,dillinger_runner=debug)"
    )]
    Level(String),
    #[error("logging was already set up in this process")]
    Twice,
    #[error("logging has ended")]
    Ended,
}

impl LogLevel {
    /// Sets the level, as `--log-level` takes it.
    pub fn set(&self, level: &str) -> Result<(), LogError> {
        self.0.reload(filter(level)?).map_err(|_| LogError::Ended)
    }

    /// The level as it stands.
    pub fn get(&self) -> Result<String, LogError> {
        let text = self.0.with_current(|filter| filter.to_string());
        text.map_err(|_| LogError::Ended)
    }
}

/// Sets up logging for the whole process, once; `spans` is where spans go.
pub fn start(format: LogFormat, level: &str, spans: Option<Output>) -> Result<LogLevel, LogError> {
    let (lines, level) = lines(format, level, std::io::stderr)?;
    let outputs: Vec<Output> = std::iter::once(lines).chain(spans).collect();
    let done = tracing_subscriber::registry().with(outputs).try_init();
    done.map_err(|_| LogError::Twice)?;
    Ok(level)
}

/// Log lines to this writer.
pub(crate) fn lines<W>(
    format: LogFormat,
    level: &str,
    writer: W,
) -> Result<(Output, LogLevel), LogError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let no_stages = filter_fn(|what| !(what.is_span() && what.target() == TARGET));
    let filter = filter.and(no_stages.with_max_level_hint(LevelFilter::TRACE));
    let lines = match format {
        LogFormat::Text => {
            let ansi = std::io::stderr().is_terminal();
            let layer = fmt::layer().with_writer(writer).with_ansi(ansi);
            layer.with_filter(filter).boxed()
        }
        LogFormat::Json => {
            let layer = fmt::layer().with_writer(writer).json();
            layer.flatten_event(true).with_filter(filter).boxed()
        }
    };
    Ok((lines, LogLevel(handle)))
}

/// Parses a level strictly: a typing error must not turn logs off. A bare word must be a level, since the
/// filter would take any other for the name of a crate.
fn filter(level: &str) -> Result<EnvFilter, LogError> {
    let refuse = || LogError::Level(level.to_owned());
    let words = ["off", "error", "warn", "info", "debug", "trace"];
    let known = |part: &str| {
        let part = part.trim();
        part.contains('=') || words.iter().any(|word| part.eq_ignore_ascii_case(word))
    };
    if !level.split(',').all(known) {
        return Err(refuse());
    }
    // The libraries below tell every step of theirs at our levels; who wants that says "trace" or names them.
    let directives = match level.trim().to_ascii_lowercase().as_str() {
        word @ ("info" | "debug") => format!("warn,dillinger_runner={word}"),
        _ => level.to_owned(),
    };
    EnvFilter::builder().parse(directives).map_err(|_| refuse())
}

#[cfg(test)]
pub(crate) mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use super::*;

    /// Keeps what is written; a copy is the same.
    #[derive(Clone, Default)]
    pub(crate) struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Kept {
        /// The lines so far, which are not kept any longer.
        pub(crate) fn take(&self) -> Vec<String> {
            let bytes = std::mem::take(&mut *self.0.lock().unwrap());
            let text = String::from_utf8(bytes).unwrap();
            text.lines().map(str::to_owned).collect()
        }
    }

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl<'w> MakeWriter<'w> for Kept {
        type Writer = Kept;

        fn make_writer(&'w self) -> Kept {
            self.clone()
        }
    }

    #[test]
    fn a_level_is_a_word_or_directives_and_a_typing_error_is_refused() {
        for good in ["info", "WARN", "info,dillinger_runner=debug", "off"] {
            assert!(filter(good).is_ok(), "{good}");
        }
        for bad in ["", "inof", "info,,", "dillinger_runner=loud", "info;debug"] {
            assert!(filter(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bare_level_is_ours_and_leaves_the_libraries_at_warnings() {
        let text = |level: &str| filter(level).unwrap().to_string();
        assert_eq!(text("debug"), text("warn,dillinger_runner=debug"));
        assert_eq!(text("trace"), "trace");
        assert_eq!(text("error"), "error");
    }
}
