//! Logs of the whole process, and its traces where they are asked for: set up once, ended at the very end.
//!
//! Ending may block for [`FLUSH`](super::traces) at most, and only where traces are sent.

use super::logs::{self, LogError, LogLevel};
use crate::config::{Config, LogFormat};

/// What was set up.
pub struct Process {
    pub log_level: LogLevel,
    #[cfg(feature = "otlp")]
    traces: Option<super::traces::Traces>,
}

/// Why the process cannot say anything about itself.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Logs(#[from] LogError),
    #[cfg(feature = "otlp")]
    #[error(transparent)]
    Traces(#[from] super::traces::TracesError),
}

impl Process {
    /// Sets up what the flags say.
    #[cfg(not(feature = "otlp"))]
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let log_level = logs::start(config.log_format, &config.log_level, None)?;
        Ok(Process { log_level })
    }

    /// Sets up what the flags say.
    #[cfg(feature = "otlp")]
    pub fn start(config: &Config) -> Result<Self, StartError> {
        let traces = config.otlp_endpoint.as_deref();
        let traces = traces.map(super::traces::Traces::to).transpose()?;
        let spans = traces.as_ref().map(super::traces::Traces::layer);
        let log_level = logs::start(config.log_format, &config.log_level, spans)?;
        Ok(Process { log_level, traces })
    }

    /// Logs alone.
    pub fn of_logs(format: LogFormat, level: &str) -> Result<Self, StartError> {
        Ok(Process {
            log_level: logs::start(format, level, None)?,
            #[cfg(feature = "otlp")]
            traces: None,
        })
    }

    /// Sends what is left to be sent.
    pub fn end(self) {
        #[cfg(feature = "otlp")]
        if let Some(traces) = self.traces {
            traces.end();
        }
    }
}
