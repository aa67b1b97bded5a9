//! Stops the process at the n-th write, for crash tests (cargo feature `failpoints`, never in a release).
//!
//! `DILLINGER_FAILPOINT="<n>:<before|between|after>"` aborts there. `DILLINGER_FAILPOINT_COUNT=<file>` gets
//! a line "<n> <write>" for each write that is about to be sent. Blocks for the file alone.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::gate::{Point, Stops};

/// What the environment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failpoints {
    at: Option<(u64, Point)>,
    count: Option<PathBuf>,
}

/// Why the environment asks for nothing that can be done.
#[derive(Debug, thiserror::Error)]
#[error("DILLINGER_FAILPOINT: \"{0}\" is not <n>:<before|between|after>")]
pub struct NotAFailpoint(String);

impl Failpoints {
    /// Reads both variables.
    pub fn from_environment() -> Result<Option<Arc<dyn Stops>>, NotAFailpoint> {
        let at = match std::env::var("DILLINGER_FAILPOINT") {
            Ok(text) if !text.is_empty() => Some(parse(&text).ok_or(NotAFailpoint(text))?),
            Ok(_) | Err(_) => None,
        };
        let count = std::env::var_os("DILLINGER_FAILPOINT_COUNT").map(PathBuf::from);
        if at.is_none() && count.is_none() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Failpoints { at, count })))
    }
}

fn parse(text: &str) -> Option<(u64, Point)> {
    let (n, point) = text.split_once(':')?;
    let point = match point {
        "before" => Point::Before,
        "between" => Point::Between,
        "after" => Point::After,
        _ => return None,
    };
    Some((n.parse().ok()?, point))
}

impl Stops for Failpoints {
    fn at(&self, n: u64, write: &'static str, point: Point) -> BoxFuture<'_, ()> {
        if point == Point::Before
            && let Some(path) = &self.count
        {
            let file = std::fs::File::options()
                .create(true)
                .append(true)
                .open(path);
            let line = format!("{n} {write}\n");
            if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
                tracing::error!(%error, path = %path.display(), "the count of writes cannot be kept");
            }
        }
        if self.at == Some((n, point)) {
            tracing::error!(n, write, ?point, "failpoint reached");
            std::process::abort();
        }
        Box::pin(std::future::ready(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failpoint_is_a_number_and_a_point() {
        assert_eq!(parse("3:between"), Some((3, Point::Between)));
        for bad in ["", "3", "3:never", "x:before"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
