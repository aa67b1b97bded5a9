//! Kills the process at a chosen write, for crash tests: with the feature `failpoints`, never in a release.
//!
//! `DILLINGER_FAILPOINT_COUNT=<file>` gets a line "<n> <write>" for each write that is about to be sent; the numbers go on
//! over the processes that are given the file one after the other. `DILLINGER_FAILPOINT="<n>:<before|between|after>"` ends the
//! process there by a signal that it cannot catch: once, if the writes are counted in a file. Blocks for the file alone.

use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::gate::{Point, Stops};

/// What the environment asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failpoints {
    at: Option<(u64, Point)>,
    count: Option<PathBuf>,
    /// Writes of the processes before this one.
    before: u64,
}

/// Why the environment asks for nothing that can be done.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    #[error("DILLINGER_FAILPOINT: \"{0}\" is not <n>:<before|between|after>")]
    NotAFailpoint(String),
    #[error("DILLINGER_FAILPOINT_COUNT: {path}")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl Failpoints {
    /// Reads both variables, and how far the count has come.
    pub fn from_environment() -> Result<Option<Arc<dyn Stops>>, Failed> {
        let at = match std::env::var("DILLINGER_FAILPOINT") {
            Ok(text) if !text.is_empty() => Some(parse(&text).ok_or(Failed::NotAFailpoint(text))?),
            Ok(_) | Err(_) => None,
        };
        let count = std::env::var_os("DILLINGER_FAILPOINT_COUNT").map(PathBuf::from);
        if at.is_none() && count.is_none() {
            return Ok(None);
        }
        Ok(Some(Arc::new(Failpoints::new(at, count)?)))
    }

    fn new(at: Option<(u64, Point)>, count: Option<PathBuf>) -> Result<Failpoints, Failed> {
        let before = match &count {
            Some(path) if path.exists() => lines(path).map_err(|source| Failed::Unreadable {
                path: path.clone(),
                source,
            })?,
            Some(_) | None => 0,
        };
        Ok(Failpoints { at, count, before })
    }

    /// What happens at this point of the n-th write of this process: true, it dies.
    fn meet(&self, n: u64, write: &str, point: Point) -> bool {
        let n = self.before + n;
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
        self.at == Some((n, point))
    }
}

fn lines(path: &PathBuf) -> std::io::Result<u64> {
    let file = BufReader::new(std::fs::File::open(path)?);
    file.lines()
        .try_fold(0, |count, line| line.map(|_| count + 1))
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
        if self.meet(n, write, point) {
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

    #[test]
    fn writes_are_counted_over_the_lives_of_processes_so_that_each_dies_once() {
        let path = std::env::temp_dir().join(format!("failpoints-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let at = Some((2, Point::Between));
        let born = || Failpoints::new(at, Some(path.clone())).unwrap();
        let first = born();
        assert!(!first.meet(1, "record", Point::Before));
        assert!(!first.meet(1, "record", Point::Between));
        assert!(!first.meet(2, "create", Point::Before));
        assert!(first.meet(2, "create", Point::Between));
        let second = born();
        for point in [Point::Before, Point::Between, Point::After] {
            assert!(!second.meet(1, "create", point));
            assert!(!second.meet(2, "start", point));
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, "1 record\n2 create\n3 create\n4 start\n");
        std::fs::remove_file(&path).unwrap();
    }
}
