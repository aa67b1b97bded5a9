//! The fault script: what goes wrong in one run, as a value that prints and parses as one line.
//!
//! ```text
//! crash write=3 at=between; fail call=patch:gamesessions/status nth=2 with=503; watch of=gamesessions event=4 does=drop
//! ```
//! Each fault strikes once. Calls are named `<verb>:<plural>` with `/status`, or `effect:<name>`, `look:<name>`
//! for the engine. Writes are counted from 1 over the controllers' writes to sessions and to the engine
//! together, restarts of the controller included; Leases and Events do not count.

use std::fmt;
use std::str::FromStr;

/// What goes wrong in one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FaultScript(pub Vec<Fault>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The controller dies at its n-th write.
    Crash { write: u32, at: Position },
    /// The n-th call of a class goes wrong.
    Fail {
        call: String,
        nth: u32,
        with: Failure,
    },
    /// The n-th event that a watch of this resource is to deliver.
    Event { of: String, event: u32, does: Fate },
    /// The n-th start of a watch of this resource is answered with 410.
    GoneAtStart { of: String, start: u32 },
    /// The n-th bookmark of a watch of this resource is a 410 instead.
    GoneAtBookmark { of: String, bookmark: u32 },
    /// The API server is away.
    Away {
        from_ms: u64,
        for_ms: u64,
        how: Away,
    },
    /// After the n-th write the API server is restored to a copy older by some changes.
    Restore { after: u32, back: u32 },
}

/// Where in a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Position {
    /// It was not sent.
    Before,
    /// It was committed and nobody heard the answer.
    Between,
    /// Its answer was heard, and nothing was done yet because of it.
    After,
}

/// How a call goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Answered with this status (engine: the answer that fits best), nothing committed.
    Code(u16),
    /// Committed, and answered with this status.
    CommittedCode(u16),
    /// The connection breaks before anything was committed.
    Refused,
    /// Committed; the connection breaks before the answer.
    Lost,
    /// Nothing committed, and never an answer.
    Hangs,
    /// Committed, and never an answer.
    CommittedHangs,
}

/// What happens to an event of a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Drop,
    Double,
    /// Comes after the one that follows it.
    Swap,
    /// It and all after it never come; the connection stays open.
    Freeze,
    /// A 410 comes in its place, and the watch ends.
    Gone,
    /// It and all after it come this much later.
    Delay {
        ms: u64,
    },
    /// It and all after it come when this many more are there, after 10 s at the latest.
    Hold {
        more: u32,
    },
}

/// How a server is away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Away {
    /// Connections are refused, open ones break.
    Down,
    /// Connections stay and nothing is answered.
    Frozen,
}

impl FaultScript {
    pub fn crash(write: u32, at: Position) -> Self {
        FaultScript(vec![Fault::Crash { write, at }])
    }
}

impl fmt::Display for FaultScript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        for (index, fault) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            fault.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Crash { write, at } => write!(f, "crash write={write} at={at}"),
            Fault::Fail { call, nth, with } => write!(f, "fail call={call} nth={nth} with={with}"),
            Fault::Event { of, event, does } => {
                write!(f, "watch of={of} event={event} does={does}")
            }
            Fault::GoneAtStart { of, start } => write!(f, "watch of={of} start={start} does=gone"),
            Fault::GoneAtBookmark { of, bookmark } => {
                write!(f, "watch of={of} bookmark={bookmark} does=gone")
            }
            Fault::Away {
                from_ms,
                for_ms,
                how,
            } => {
                let how = match how {
                    Away::Down => "down",
                    Away::Frozen => "frozen",
                };
                write!(f, "away from={from_ms} for={for_ms} how={how}")
            }
            Fault::Restore { after, back } => write!(f, "restore after={after} back={back}"),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Position::Before => "before",
            Position::Between => "between",
            Position::After => "after",
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Code(code) => write!(f, "{code}"),
            Failure::CommittedCode(code) => write!(f, "committed-{code}"),
            Failure::Refused => f.write_str("refused"),
            Failure::Lost => f.write_str("lost"),
            Failure::Hangs => f.write_str("hangs"),
            Failure::CommittedHangs => f.write_str("committed-hangs"),
        }
    }
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fate::Drop => f.write_str("drop"),
            Fate::Double => f.write_str("double"),
            Fate::Swap => f.write_str("swap"),
            Fate::Freeze => f.write_str("freeze"),
            Fate::Gone => f.write_str("gone"),
            Fate::Delay { ms } => write!(f, "delay:{ms}"),
            Fate::Hold { more } => write!(f, "hold:{more}"),
        }
    }
}

/// What of a line was not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no fault")]
pub struct NoFault(String);

impl FromStr for FaultScript {
    type Err = NoFault;

    fn from_str(line: &str) -> Result<Self, NoFault> {
        let line = line.trim();
        if line == "none" || line.is_empty() {
            return Ok(FaultScript::default());
        }
        line.split(';')
            .map(|fault| fault.trim().parse())
            .collect::<Result<_, _>>()
            .map(FaultScript)
    }
}

impl FromStr for Fault {
    type Err = NoFault;

    fn from_str(text: &str) -> Result<Self, NoFault> {
        parse(text).ok_or_else(|| NoFault(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Fault> {
    let mut words = text.split_whitespace();
    let verb = words.next()?;
    let pairs: Vec<(&str, &str)> = words
        .map(|word| word.split_once('='))
        .collect::<Option<_>>()?;
    let get = |key: &str| {
        pairs
            .iter()
            .find(|(k, _)| *k == key)
            .map(|(_, value)| *value)
    };
    let number = |key: &str| get(key)?.parse::<u32>().ok();
    let fault = match verb {
        "crash" => Fault::Crash {
            write: number("write")?,
            at: match get("at")? {
                "before" => Position::Before,
                "between" => Position::Between,
                "after" => Position::After,
                _ => return None,
            },
        },
        "fail" => Fault::Fail {
            call: get("call")?.to_owned(),
            nth: number("nth")?,
            with: failure(get("with")?)?,
        },
        "watch" => {
            let of = get("of")?.to_owned();
            let does = fate(get("does")?)?;
            match (number("event"), number("start"), number("bookmark"), does) {
                (Some(event), None, None, does) => Fault::Event { of, event, does },
                (None, Some(start), None, Fate::Gone) => Fault::GoneAtStart { of, start },
                (None, None, Some(bookmark), Fate::Gone) => Fault::GoneAtBookmark { of, bookmark },
                _ => return None,
            }
        }
        "away" => Fault::Away {
            from_ms: get("from")?.parse().ok()?,
            for_ms: get("for")?.parse().ok()?,
            how: match get("how")? {
                "down" => Away::Down,
                "frozen" => Away::Frozen,
                _ => return None,
            },
        },
        "restore" => Fault::Restore {
            after: number("after")?,
            back: number("back")?,
        },
        _ => return None,
    };
    Some(fault)
}

fn failure(text: &str) -> Option<Failure> {
    Some(match text {
        "refused" => Failure::Refused,
        "lost" => Failure::Lost,
        "hangs" => Failure::Hangs,
        "committed-hangs" => Failure::CommittedHangs,
        _ => match text.strip_prefix("committed-") {
            Some(code) => Failure::CommittedCode(code.parse().ok()?),
            None => Failure::Code(text.parse().ok()?),
        },
    })
}

fn fate(text: &str) -> Option<Fate> {
    Some(match text {
        "drop" => Fate::Drop,
        "double" => Fate::Double,
        "swap" => Fate::Swap,
        "freeze" => Fate::Freeze,
        "gone" => Fate::Gone,
        _ => match text.split_once(':')? {
            ("delay", ms) => Fate::Delay {
                ms: ms.parse().ok()?,
            },
            ("hold", more) => Fate::Hold {
                more: more.parse().ok()?,
            },
            _ => return None,
        },
    })
}
