//! E: a game that ended without anybody having told it to.

use super::*;
use crate::session::fixtures::*;
use crate::session::plan::Phase;
use crate::session::reason::Reason;
use crate::session::seen::{Exit, Made, Seen};

fn exit(exit: Exit) -> Seen {
    Seen::Exited(container(0), exit)
}

fn code(code: i32) -> Exit {
    Exit {
        code: Some(code),
        finished: Some(ago(2)),
        ..Exit::default()
    }
}

fn ready() -> Observation {
    recorded().ready_since(60)
}

#[test]
fn e1_an_end_from_outside_brings_the_game_back_and_costs_no_budget() {
    let engine_down = Exit {
        engine_started: Some(ago(2)),
        ..code(0)
    };
    let evicted = Exit {
        interrupted: Some("Evicted".to_owned()),
        ..code(1)
    };
    for how in [code(255), code(137), code(143), engine_down, evicted] {
        let plan = met(&ready().seeing(exit(how)), Row::E1);
        let says = said_by(&plan);
        assert_eq!(
            (says.phase, says.ready),
            (Phase::Starting, Reason::Interrupted)
        );
        let facts = recorded_by(plan);
        assert_eq!(
            (facts.attempt, facts.restarts, facts.interruptions),
            (Some(1), 0, 1)
        );
        assert_eq!((facts.container, facts.finish), (None, None));
        assert_eq!(facts.last_exit.expect("an exit").reason, "Interrupted");
        assert_eq!(facts.start_time, Some(ago(60)), "the run goes on");
    }
}

#[test]
fn e1_an_exit_after_the_engine_had_started_is_the_games_own() {
    let later = Exit {
        engine_started: Some(ago(3)),
        ..code(0)
    };
    met(&ready().seeing(exit(later)), Row::E2);
}

#[test]
fn e1_a_kill_for_want_of_memory_is_the_games_own() {
    let oom = Exit {
        oom_killed: true,
        ..code(137)
    };
    let plan = met(&ready().seeing(exit(oom)), Row::E4);
    assert_eq!(
        recorded_by(plan).finish.expect("an end").reason,
        Reason::OomKilled
    );
}

/// Three interruptions in a row, Ready since `ready` seconds; by the engine's clock it ran from `from` to `to`.
fn interrupted_again(ready: i64, from: Timestamp, to: Timestamp) -> i32 {
    let mut c = container(0);
    c.started = Some(from);
    let exit = Exit {
        finished: Some(to),
        ..code(255)
    };
    let o = recorded()
        .ready_since(ready)
        .given(|o| o.facts.interruptions = 3)
        .seeing(Seen::Exited(c, exit));
    recorded_by(met(&o, Row::E1)).interruptions
}

#[test]
fn e1_a_run_that_was_ready_for_ten_minutes_breaks_the_row_of_interruptions() {
    assert_eq!(interrupted_again(600, ago(602), ago(2)), 1);
    assert_eq!(interrupted_again(599, ago(700), ago(2)), 4);
    // Nobody looked for an hour, and it had ended soon.
    assert_eq!(interrupted_again(3600, ago(3602), ago(3580)), 4);
}

#[test]
fn e1_an_engine_whose_clock_is_an_hour_off_neither_breaks_nor_lengthens_the_row_of_interruptions() {
    let hour = SignedDuration::from_hours(1);
    assert_eq!(interrupted_again(15, ago(20) + hour, ago(2) + hour), 4);
    assert_eq!(interrupted_again(15, ago(20), ago(2) + hour), 4);
    assert_eq!(interrupted_again(600, ago(602) - hour, ago(2) - hour), 1);
    assert_eq!(interrupted_again(600, ago(602), ago(2) - hour), 1);
}

#[test]
fn the_fifth_interruption_in_a_row_counts_as_a_failure() {
    let o = ready()
        .given(|o| o.facts.interruptions = 4)
        .seeing(exit(code(255)));
    let plan = met(&o, Row::E4);
    assert!(said_by(&plan).message.contains("5 times in a row"));
    assert_eq!(
        recorded_by(plan).finish.expect("an end").reason,
        Reason::Error
    );
    met(&o.on_failure(3), Row::E3);
}

#[test]
fn e1_by_decree_the_game_goes_to_the_engine_of_now() {
    let o = ready()
        .seeing(other_engine())
        .given(|o| o.session.abandon_engine = Some(ENGINE.to_owned()))
        .given(|o| o.engine = Some(engine(OTHER_ENGINE)))
        .given(|o| o.facts.interruptions = 9);
    let plan = met(&o, Row::E1);
    assert_eq!(plan.events[0].reason, Reason::Abandoned);
    let facts = recorded_by(plan);
    assert_eq!(
        (facts.engine, facts.attempt),
        (Some(engine(OTHER_ENGINE)), Some(1))
    );

    let none_answers = o.given(|o| o.engine = None);
    assert_eq!(met(&none_answers, Row::E1).act, Act::Nothing);
}

#[test]
fn e2_a_game_that_was_ready_and_ends_with_code_0_is_completed() {
    let in_log = Exit {
        ready_in_log: true,
        ..code(0)
    };
    let mut without_readiness = container(0);
    if let Some(terms) = &mut without_readiness.terms {
        terms.readiness = None;
    }
    for o in [
        ready().seeing(exit(code(0))),
        recorded().seeing(exit(in_log)),
        recorded().seeing(Seen::Exited(without_readiness, code(0))),
        // Its readiness could not be recorded before it ended.
        recorded()
            .given(|o| o.memo.ready_since = Some(ago(5)))
            .seeing(exit(code(0))),
    ] {
        let plan = met(&o, Row::E2);
        assert_eq!(said_by(&plan).phase, Phase::Succeeded);
        assert_eq!(said_by(&plan).message, "", "no log after a clean end");
        let facts = recorded_by(plan);
        assert_eq!(facts.last_exit.expect("an exit").reason, "Completed");
        assert_eq!(facts.finish.expect("an end").reason, Reason::Completed);
    }
}

#[test]
fn e3_a_failure_within_the_budget_records_the_exit_and_the_next_attempt_in_one_patch() {
    let o = ready().on_failure(3).seeing(exited(0, 3));
    let plan = met(&o, Row::E3);
    assert_eq!(said_by(&plan).ready, Reason::BackOff);
    assert!(said_by(&plan).message.contains("last line"));
    let facts = recorded_by(plan);
    let last = facts.last_exit.expect("an exit");
    assert_eq!(
        (last.attempt, last.reason.as_str(), last.exit_code),
        (0, "Error", Some(3))
    );
    assert_eq!(
        (facts.attempt, facts.restarts, facts.container),
        (Some(1), 1, None)
    );
}

#[test]
fn the_active_deadline_began_anew_with_the_next_attempt_where_ready_was_seen_and_could_not_be_recorded()
 {
    let seen = |o: Observation| o.given(|o| o.memo.ready_since = Some(ago(5)));
    let ended = |o: Observation| o.on_failure(3).seeing(exited(0, 3));
    let of = |o: Observation| recorded_by(plan(&o)).start_time;
    assert_eq!(of(seen(ended(recorded()))), Some(ago(5)));
    assert_eq!(of(seen(recorded().seeing(exited(0, 0)))), Some(ago(5)));
    assert_eq!(of(ended(recorded())), None, "it was never ready");
    let on_record = ready().facts.start_time;
    assert_eq!(of(seen(ended(ready()))), on_record, "what is there stays");
}

#[test]
fn e3_an_interruption_is_no_failure_but_a_lost_container_and_a_failed_start_are() {
    let lost = ready().on_failure(1);
    let last = recorded_by(met(&lost, Row::E3)).last_exit.expect("an exit");
    assert_eq!(
        (last.reason.as_str(), last.finish_time),
        ("ContainerLost", Some(now()))
    );
    let seen = created(0, Made::Failed("no such file".to_owned()));
    let last = recorded_by(met(&recorded().on_failure(1).seeing(seen), Row::E3)).last_exit;
    assert_eq!(last.expect("an exit").reason, "StartFailed");
}

#[test]
fn e4_without_a_budget_a_failure_finishes_the_session_with_its_cause() {
    let failed = created(0, Made::Failed("no such file".to_owned()));
    for (o, reason) in [
        (ready().seeing(exited(0, 3)), Reason::Error),
        (recorded().seeing(exited(0, 3)), Reason::ExitedBeforeReady),
        (recorded().seeing(exited(0, 0)), Reason::ExitedBeforeReady),
        (recorded().seeing(failed), Reason::StartFailed),
        (ready(), Reason::ContainerLost),
    ] {
        let plan = met(&o, Row::E4);
        assert_eq!(
            (said_by(&plan).phase, said_by(&plan).ready),
            (Phase::Failed, reason)
        );
        assert_eq!(plan.events[0].reason, reason);
        let facts = recorded_by(plan);
        assert_eq!(facts.finish.expect("an end").reason, reason);
        assert_eq!(facts.last_exit.expect("an exit").reason, reason.as_str());
    }
}

#[test]
fn e4_a_spent_budget_is_said_in_the_message() {
    let o = ready()
        .on_failure(3)
        .given(|o| o.facts.restarts = 3)
        .seeing(exited(0, 3));
    let plan = met(&o, Row::E4);
    assert!(
        said_by(&plan)
            .message
            .contains("all 3 restarts are used up")
    );
}

#[test]
fn the_log_in_a_message_is_at_most_a_kibibyte_and_cut_between_characters() {
    let long = Exit {
        last_lines: "ä".repeat(2000) + "end",
        ..code(3)
    };
    let plan = met(&ready().seeing(exit(long)), Row::E4);
    let message = &said_by(&plan).message;
    assert!(message.ends_with("ääend") && message.len() < 1024 + 200);
}

#[test]
fn e1_says_who_interrupted_it_or_else_how_it_exited() {
    let said = |how: Exit| {
        said_by(&met(&ready().seeing(exit(how)), Row::E1))
            .message
            .clone()
    };
    let evicted = Exit {
        interrupted: Some("Evicted".to_owned()),
        ..code(1)
    };
    assert!(said(evicted).contains("interrupted from outside (Evicted)"));
    assert!(said(code(255)).contains("interrupted from outside (exit code 255)"));
}

#[test]
fn last_words_are_cut_between_two_characters_and_never_longer_than_1_kib() {
    use crate::session::plan::ended::with_last_lines;
    // An odd byte in front: the cut falls into a character.
    for lines in [
        "ä".repeat(600),
        format!("x{}", "ä".repeat(600)),
        format!("{}x", "ä".repeat(600)),
    ] {
        let said = with_last_lines("it failed".to_owned(), &lines);
        let words = said
            .strip_prefix("it failed; its last words:\n")
            .expect("words");
        assert!(lines.ends_with(words));
        assert!(
            (1023..=1024).contains(&words.len()),
            "{} bytes",
            words.len()
        );
    }
}
