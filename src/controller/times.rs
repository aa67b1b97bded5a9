//! Times that an engine tells, in the words of our clock. An engine writes them by its host's clock, which somebody may
//! set; ours never jumps. Pure.

use jiff::{SignedDuration, Timestamp};

use crate::session::seen::Seen;

/// Puts the times of what was seen on our clock. `wall`: what the engine's host shows now; `running_for`: so long this
/// process has known the container to run, where it knows.
pub fn on_our_clock(
    seen: &mut Seen,
    now: Timestamp,
    wall: Timestamp,
    running_for: Option<SignedDuration>,
) {
    if let Seen::Exited(_, exit) = seen
        && exit.engine_started.is_some_and(|started| started > wall)
    {
        // The clock was set back since the engine started: what it wrote later only looks earlier.
        exit.engine_started = None;
    }
    let (Seen::Created(c, _) | Seen::Running(c, _) | Seen::Paused(c) | Seen::Exited(c, _)) = seen
    else {
        return;
    };
    c.created = began(c.created, now, wall, running_for);
    c.started = c.started.map(|told| began(told, now, wall, running_for));
}

/// When it was made, or started. The clock may have been set before the engine wrote this, or after it: neither reading is
/// believed alone, and the later one ends no game early. What we saw ourselves is the latest that it can be.
fn began(
    told: Timestamp,
    now: Timestamp,
    wall: Timestamp,
    running_for: Option<SignedDuration>,
) -> Timestamp {
    let set = wall.duration_since(now);
    let shifted = told.checked_sub(set).unwrap_or(told);
    let later = told.max(shifted);
    let latest = running_for.and_then(|time| now.checked_sub(time).ok());
    latest.map_or(later, |latest| later.min(latest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::fixtures::{ago, now};

    const HOUR: SignedDuration = SignedDuration::from_hours(1);

    fn seconds(count: i64) -> Option<SignedDuration> {
        Some(SignedDuration::from_secs(count))
    }

    #[test]
    fn while_nobody_sets_a_clock_it_is_as_the_engine_says() {
        assert_eq!(began(ago(20), now(), now(), None), ago(20));
        assert_eq!(began(ago(20), now(), now(), seconds(19)), ago(20));
    }

    #[test]
    fn a_clock_that_was_set_back_before_the_start_makes_it_no_older() {
        let told = ago(20) - HOUR;
        assert_eq!(began(told, now(), now() - HOUR, None), ago(20));
    }

    #[test]
    fn a_clock_that_was_set_ahead_after_the_start_makes_it_no_older() {
        assert_eq!(began(ago(20), now(), now() + HOUR, None), ago(20));
    }

    #[test]
    fn a_start_that_lies_ahead_of_us_is_no_later_than_we_saw_it_run() {
        let told = ago(20) + HOUR;
        let wall = now() + HOUR;
        assert_eq!(began(told, now(), wall, seconds(19)), ago(19));
        assert_eq!(began(ago(20), now(), now() - HOUR, seconds(19)), ago(19));
    }

    #[test]
    fn an_engine_that_started_later_than_its_clock_shows_was_not_down() {
        use crate::session::fixtures::exited;
        use crate::session::seen::End;
        let mut seen = exited(0, 0);
        if let Seen::Exited(_, exit) = &mut seen {
            exit.finished = Some(now() - HOUR);
            exit.engine_started = Some(ago(100));
        }
        let end = |seen: &Seen| match seen {
            Seen::Exited(_, exit) => Some(exit.end()),
            _ => None,
        };
        assert_eq!(end(&seen), Some(End::Interrupted));
        on_our_clock(&mut seen, now(), now() - HOUR, None);
        assert_eq!(end(&seen), Some(End::Clean));
    }
}
