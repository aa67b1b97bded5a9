//! Logs to standard error: text or JSON, with a level that can be changed while running.

use std::io::IsTerminal;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry, fmt, reload};

use crate::config::LogFormat;

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

/// Sets up logging for the whole process, once.
pub fn start(format: LogFormat, level: &str) -> Result<LogLevel, LogError> {
    let (filter, handle) = reload::Layer::new(filter(level)?);
    let (text, json) = match format {
        LogFormat::Text => {
            let ansi = std::io::stderr().is_terminal();
            let layer = fmt::layer().with_writer(std::io::stderr).with_ansi(ansi);
            (Some(layer), None)
        }
        LogFormat::Json => {
            let layer = fmt::layer().with_writer(std::io::stderr).json();
            (None, Some(layer.flatten_event(true)))
        }
    };
    let registry = tracing_subscriber::registry().with(filter);
    let done = registry.with(text).with(json).try_init();
    done.map_err(|_| LogError::Twice)?;
    Ok(LogLevel(handle))
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
mod tests {
    use super::*;

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
