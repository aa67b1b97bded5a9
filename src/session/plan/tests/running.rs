//! R: a game that runs, and nothing speaks against it.

use super::*;
use crate::session::fixtures::*;
use crate::session::plan::Phase;
use crate::session::reason::Reason;
use crate::session::seen::{Answer, Seen};

#[test]
fn r1_a_game_that_was_paused_by_hand_is_left_so() {
    let o = recorded()
        .ready_since(60)
        .seeing(Seen::Paused(container(0)));
    let plan = met(&o, Row::R1);
    assert_eq!((&plan.act, plan.next), (&Act::Nothing, in_seconds(600)));
    let says = said_by(&plan);
    assert_eq!(
        (says.phase, says.ready),
        (Phase::Running, Reason::PausedOutside)
    );
}

#[test]
fn r1_a_game_that_was_ready_and_paused_was_ended_as_never_ready_once_a_backup_had_forgotten_it() {
    let mut c = container(0);
    c.started = Some(ago(4000));
    let plan = met(&recorded().seeing(Seen::Paused(c)), Row::R1);
    assert_eq!((&plan.act, plan.next), (&Act::Nothing, in_seconds(600)));
}

#[test]
fn r2_a_game_that_is_not_ready_yet_is_reported_after_a_second() {
    let mut c = container(0);
    c.started = Some(now());
    let plan = met(&recorded().seeing(Seen::Running(c, not_ready())), Row::R2);
    let says = said_by(&plan);
    assert_eq!(
        (says.phase, says.ready),
        (Phase::Starting, Reason::WaitingForReady)
    );
    assert_eq!(says.not_before, Some(later(1)));
    assert_eq!(plan.next, in_seconds(1));
    assert!(says.message.contains("no line says ready"));
}

#[test]
fn r2_a_first_answer_that_takes_its_time_makes_no_second_write() {
    let mut c = container(0);
    c.started = Some(ago(2));
    let o = recorded().seeing(Seen::Running(c, Answer::NotAsked));
    let plan = met(&o, Row::R2);
    assert_eq!(said_by(&plan).not_before, Some(later(3)));
    assert_eq!(plan.next, in_seconds(3));
}

#[test]
fn r2_a_probe_that_cannot_run_is_not_the_same_as_not_ready() {
    let plan = met(&recorded().seeing(running(0, cannot_tell())), Row::R2);
    assert_eq!(said_by(&plan).ready, Reason::ProbeFailed);
    assert!(said_by(&plan).message.contains("no such program"));
    assert_eq!(plan.next, in_seconds(280), "the start deadline");
}

#[test]
fn r2_answers_that_differ_at_every_probe_make_no_write_each_time() {
    let o = recorded().seeing(running(0, Answer::NotReady("answer 1".to_owned())));
    let o = o.after(&met(&o, Row::R2));
    let next = o
        .clone()
        .seeing(running(0, Answer::NotReady("answer 2".to_owned())));
    let after = next.after(&met(&next, Row::R2));
    assert_eq!(after.status, o.status);
    let much_later = next.given(|o| o.now = later(60));
    let plan = met(&much_later, Row::R2);
    assert!(said_by(&plan).message.contains("answer 2"));
}

#[test]
fn r3_ready_is_recorded_with_all_that_a_player_needs() {
    let o = recorded().seeing(running(0, Answer::Ready));
    let plan = met(&o, Row::R3);
    assert_eq!(said_by(&plan).phase, Phase::Running);
    let facts = recorded_by(plan);
    assert_eq!(
        (facts.start_time, facts.ready_time()),
        (Some(now()), Some(now()))
    );
    assert_eq!(facts.game, Some(("game-uid".to_owned(), 3)));
    let c = facts.container.expect("a container");
    assert_eq!((c.id.as_str(), c.endpoints.len()), ("id-0", 1));
}

#[test]
fn r3_a_restart_keeps_the_start_of_the_run() {
    let o = recorded()
        .attempt(1)
        .given(|o| o.facts.start_time = Some(ago(500)))
        .seeing(running(1, Answer::Ready));
    assert_eq!(recorded_by(met(&o, Row::R3)).start_time, Some(ago(500)));
}

#[test]
fn r3_looks_again_at_the_active_deadline() {
    let o = recorded()
        .seeing(running(0, Answer::Ready))
        .given(|o| o.session.active_deadline_seconds = Some(90));
    assert_eq!(met(&o, Row::R3).next, in_seconds(90));
}

#[test]
fn r4_ready_is_a_latch_whatever_the_probe_says_later() {
    for answer in [Answer::Ready, not_ready(), cannot_tell(), Answer::NotAsked] {
        let plan = met(
            &recorded().ready_since(60).seeing(running(0, answer)),
            Row::R4,
        );
        assert_eq!(
            (said_by(&plan).ready, plan.act.clone()),
            (Reason::Ready, Act::Nothing)
        );
        assert_eq!(plan.next, in_seconds(600));
    }
}

#[test]
fn r4_a_broken_or_missing_game_stops_nothing_that_runs() {
    for reason in [
        Reason::GameNotFound,
        Reason::GameInvalid,
        Reason::RuntimeNotAllowed,
    ] {
        let o = recorded()
            .ready_since(60)
            .seeing(running(0, Answer::Ready))
            .given(|o| o.contract = Err(refusal(reason)));
        met(&o, Row::R4);
    }
}

#[test]
fn r2_once_it_is_shown_that_it_waits_the_next_look_is_for_the_deadline() {
    let mut c = container(0);
    c.started = Some(ago(1));
    let plan = met(&recorded().seeing(Seen::Running(c, not_ready())), Row::R2);
    assert_eq!(plan.next, in_seconds(299));
}

#[test]
fn r4_a_deadline_that_is_due_just_now_and_may_not_act_is_looked_at_again_and_not_at_once() {
    let o = recorded()
        .ready_since(3600)
        .seeing(running(0, Answer::Ready))
        .given(|o| {
            o.session.active_deadline_seconds = Some(3600);
            o.limits.clock_trusted = false;
        });
    assert_eq!(met(&o, Row::R4).next, in_seconds(30));
}
