//! U, A and P: doubt, what nobody recorded, and what comes before anything exists.

use super::*;
use crate::api::RuntimeKind;
use crate::session::fixtures::*;
use crate::session::plan::Phase;
use crate::session::reason::Reason;
use crate::session::seen::{Answer, ContainerId, Doubt, Exit, Made, Seen};

#[test]
fn u1_in_doubt_nothing_is_done_and_no_deadline_acts() {
    let o = recorded()
        .ready_since(10_000)
        .given(|o| o.session.active_deadline_seconds = Some(1))
        .seeing(unreachable());
    let plan = met(&o, Row::U1);
    assert_eq!((&plan.act, plan.next), (&Act::Nothing, doubling(1, 30)));
    assert_eq!(said_by(&plan).phase, Phase::Unknown);
}

#[test]
fn u1_doubt_is_shown_after_15_seconds_without_a_break() {
    let o = recorded().seeing(unreachable());
    assert_eq!(said_by(&met(&o, Row::U1)).not_before, Some(later(15)));
    let o = o.given(|o| o.memo.doubt_since = Some(ago(20)));
    assert_eq!(said_by(&met(&o, Row::U1)).not_before, Some(ago(5)));
}

#[test]
fn u1_each_doubt_has_its_word() {
    let node = Seen::Unknown(Doubt::NodeLost("node-7".to_owned()));
    for (seen, reason, named) in [
        (
            unreachable(),
            Reason::EngineUnreachable,
            "connection refused",
        ),
        (other_engine(), Reason::EngineMismatch, OTHER_ENGINE),
        (node, Reason::NodeLost, "node-7"),
    ] {
        let plan = met(&recorded().seeing(seen), Row::U1);
        assert_eq!(said_by(&plan).ready, reason);
        assert!(said_by(&plan).message.contains(named));
    }
}

#[test]
fn a1_an_unrecorded_container_is_adopted_after_a_live_look_at_the_session() {
    let o = fresh()
        .given(|o| o.session.finalizer = true)
        .seeing(running(4, Answer::Ready));
    assert_eq!(met(&o, Row::A1).act, Act::Confirm);
    let outdated = o
        .clone()
        .given(|o| o.memo.confirmed = Some("99".to_owned()));
    assert_eq!(met(&outdated, Row::A1).act, Act::Confirm);

    let confirmed = o.given(|o| o.memo.confirmed = Some(RESOURCE_VERSION.to_owned()));
    let facts = recorded_by(met(&confirmed, Row::A1));
    assert_eq!(facts.attempt, Some(4));
    assert_eq!(facts.attempt_time, Some(ago(21)));
    assert_eq!(facts.runtime, Some(RuntimeKind::Docker));
    assert_eq!(facts.engine, Some(engine(ENGINE)));
}

#[test]
fn a1_a_container_of_a_later_attempt_takes_nothing_over_from_the_one_on_record() {
    let o = recorded()
        .ready_since(60)
        .seeing(running(1, Answer::Ready))
        .given(|o| o.memo.confirmed = Some(RESOURCE_VERSION.to_owned()));
    let facts = recorded_by(met(&o, Row::A1));
    assert_eq!(facts.attempt, Some(1));
    assert_eq!(facts.ready_time(), None);
}

#[test]
fn a1_a_container_made_late_in_the_place_of_the_one_on_record_never_got_on_record_itself() {
    let mut late = container(0);
    late.id = ContainerId("late".to_owned());
    let o = recorded()
        .ready_since(60)
        .given(|o| o.memo.confirmed = Some(RESOURCE_VERSION.to_owned()));
    for seen in [
        Seen::Running(late.clone(), Answer::Ready),
        Seen::Paused(late.clone()),
        Seen::Created(late.clone(), Made::Fresh),
        Seen::Exited(late.clone(), Exit::default()),
    ] {
        let facts = recorded_by(met(&o.clone().seeing(seen), Row::A1));
        assert_eq!(facts.attempt, Some(0));
        assert_eq!(facts.container, None);
    }
    met(&o.clone().seeing(running(0, Answer::Ready)), Row::R4);
    // Once the end of its attempt is on record nothing of that attempt is taken over.
    let over = o.ended(0, "Requested", 5);
    met(&over.seeing(Seen::Running(late, Answer::Ready)), Row::A2);
}

#[test]
fn a2_a_late_start_of_an_old_attempt_is_killed() {
    let o = recorded().attempt(2).seeing(running(1, Answer::Ready));
    assert_eq!(
        effect_of(met(&o, Row::A2)),
        Effect::Kill(ContainerId("id-1".to_owned()))
    );
}

#[test]
fn a2_a_container_that_was_started_again_by_hand_after_its_end_was_recorded_is_killed() {
    let o = recorded()
        .ended(0, "Requested", 5)
        .seeing(running(0, Answer::Ready));
    met(&o, Row::A2);
}

#[test]
fn a3_what_is_left_of_an_old_attempt_is_removed() {
    let old = recorded().attempt(2);
    met(&old.clone().seeing(created(1, Made::Fresh)), Row::A3);
    met(&old.seeing(exited(1, 0)), Row::A3);
    let o = recorded().ended(0, "Requested", 5).seeing(exited(0, 0));
    let plan = met(&o, Row::A3);
    assert_eq!(
        effect_of(plan),
        Effect::Remove(ContainerId("id-0".to_owned()))
    );
}

#[test]
fn p1_a_session_that_is_wished_stopped_from_the_start_is_stopped() {
    let plan = met(&fresh().to_be_stopped(), Row::P1);
    assert_eq!((&plan.act, plan.next), (&Act::Nothing, in_seconds(600)));
    assert_eq!(said_by(&plan).phase, Phase::Stopped);
}

#[test]
fn p2_a_session_without_a_good_game_is_pending_and_a_person_hears_why_once() {
    let o = fresh().given(|o| o.contract = Err(refusal(Reason::GameNotFound)));
    let plan = met(&o, Row::P2);
    assert_eq!((&plan.act, plan.next), (&Act::Nothing, in_seconds(600)));
    let says = said_by(&plan);
    assert_eq!(
        (says.phase, says.ready),
        (Phase::Pending, Reason::GameNotFound)
    );
    assert_eq!(plan.events.len(), 1);
    assert!(met(&o.after(&plan), Row::P2).events.is_empty());
}

#[test]
fn p2_a_game_that_its_watch_brings_a_moment_after_the_session_was_never_said_to_be_missing() {
    let seen_first = fresh().given(|o| {
        o.contract = Err(refusal(Reason::GameNotFound));
        o.memo.able_since = Some(ago(1));
    });
    let plan = met(&seen_first, Row::P2);
    assert_eq!(plan.next, in_seconds(1));
    assert_eq!(said_by(&plan).not_before, Some(ago(-1)));
    assert!(plan.events.is_empty());
    let plan = met(
        &seen_first.given(|o| o.memo.able_since = Some(ago(2))),
        Row::P2,
    );
    assert_eq!((plan.next, plan.events.len()), (in_seconds(600), 1));
}

#[test]
fn p3_the_first_record_says_where_the_game_will_run() {
    let facts = recorded_by(met(&fresh(), Row::P3));
    assert_eq!(facts.runtime, Some(RuntimeKind::Docker));
    assert_eq!(facts.engine, Some(engine(ENGINE)));
    assert_eq!((facts.attempt, facts.attempt_time), (Some(0), Some(now())));
}

#[test]
fn p3_completes_a_record_that_has_lost_its_engine_and_keeps_the_attempt() {
    let o = recorded().attempt(3).given(|o| o.facts.engine = None);
    let facts = recorded_by(met(&o, Row::P3));
    assert_eq!(
        (facts.engine, facts.attempt),
        (Some(engine(ENGINE)), Some(3))
    );
}

#[test]
fn p3_records_whole_seconds_rounded_up_so_that_no_deadline_comes_early() {
    let half: Timestamp = "2030-01-02T03:04:05.5Z".parse().unwrap();
    let o = fresh().given(|o| o.now = half);
    assert_eq!(recorded_by(met(&o, Row::P3)).attempt_time, Some(later(1)));
}

#[test]
fn p4_the_finalizer_goes_on_before_anything_is_made_and_where_something_of_ours_is_seen() {
    let o = recorded().given(|o| o.session.finalizer = false);
    assert_eq!(met(&o, Row::P4).act, Act::Finalizer(true));
    let stopped = o.to_be_stopped().ended(0, "Requested", 5);
    met(&stopped.clone(), Row::S10);
    let seen = stopped.given(|o| o.facts.last_exit = None);
    met(&seen.seeing(exited(0, 0)), Row::P4);
}
