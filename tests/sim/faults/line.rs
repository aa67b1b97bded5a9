//! Fault scripts as lines, and back.

use std::fmt;
use std::str::FromStr;

use super::{Away, Failure, Fate, Fault, FaultScript, Outage, Position, Whose};

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
            Fault::Unelected => f.write_str("unelected"),
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
            Fault::Pause { write, at, ms } => write!(f, "pause write={write} at={at} for={ms}"),
            Fault::Rival { write, at, runs } => {
                write!(f, "rival write={write} at={at} runs={runs}")
            }
            Fault::Engine { write, does } => write!(f, "engine write={write} does={does}"),
            Fault::Clock {
                write,
                seconds,
                whose,
            } => {
                let whose = match whose {
                    Whose::Host => "host",
                    Whose::All => "all",
                };
                write!(f, "clock write={write} by={seconds} of={whose}")
            }
            Fault::Pace { percent } => write!(f, "pace percent={percent}"),
            Fault::Panic { write, at } => write!(f, "panic write={write} at={at}"),
            Fault::Terminate { write } => write!(f, "terminate write={write}"),
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
            Failure::Overtaken => f.write_str("overtaken"),
        }
    }
}

impl fmt::Display for Outage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outage::Away { ms } => write!(f, "away:{ms}"),
            Outage::Frozen { ms } => write!(f, "frozen:{ms}"),
            Outage::RestartsLive => f.write_str("restarts-live"),
            Outage::RestartsEmpty => f.write_str("restarts-empty"),
            Outage::DiesEmpty => f.write_str("dies-empty"),
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
        "unelected" => Fault::Unelected,
        "crash" => Fault::Crash {
            write: number("write")?,
            at: position(get("at")?)?,
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
        "pause" => Fault::Pause {
            write: number("write")?,
            at: position(get("at")?)?,
            ms: get("for")?.parse().ok()?,
        },
        "rival" => Fault::Rival {
            write: number("write")?,
            at: position(get("at")?)?,
            runs: number("runs")?,
        },
        "engine" => Fault::Engine {
            write: number("write")?,
            does: outage(get("does")?)?,
        },
        "clock" => Fault::Clock {
            write: number("write")?,
            seconds: get("by")?.parse().ok()?,
            whose: match get("of")? {
                "host" => Whose::Host,
                "all" => Whose::All,
                _ => return None,
            },
        },
        "pace" => Fault::Pace {
            percent: number("percent")?,
        },
        "panic" => Fault::Panic {
            write: number("write")?,
            at: position(get("at")?)?,
        },
        "terminate" => Fault::Terminate {
            write: number("write")?,
        },
        _ => return None,
    };
    Some(fault)
}

fn position(text: &str) -> Option<Position> {
    Some(match text {
        "before" => Position::Before,
        "between" => Position::Between,
        "after" => Position::After,
        _ => return None,
    })
}

fn outage(text: &str) -> Option<Outage> {
    Some(match text {
        "restarts-live" => Outage::RestartsLive,
        "restarts-empty" => Outage::RestartsEmpty,
        "dies-empty" => Outage::DiesEmpty,
        _ => match text.split_once(':')? {
            ("away", ms) => Outage::Away {
                ms: ms.parse().ok()?,
            },
            ("frozen", ms) => Outage::Frozen {
                ms: ms.parse().ok()?,
            },
            _ => return None,
        },
    })
}

fn failure(text: &str) -> Option<Failure> {
    Some(match text {
        "refused" => Failure::Refused,
        "lost" => Failure::Lost,
        "hangs" => Failure::Hangs,
        "committed-hangs" => Failure::CommittedHangs,
        "overtaken" => Failure::Overtaken,
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
