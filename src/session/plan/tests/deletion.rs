//! D: a session that is being deleted.

use super::*;
use crate::api::RuntimeKind;
use crate::session::facts::StopReason;
use crate::session::fixtures::*;
use crate::session::plan::Phase;
use crate::session::reason::Reason;
use crate::session::seen::{Answer, ContainerId, Made, Seen};

fn id(attempt: i32) -> ContainerId {
    ContainerId(format!("id-{attempt}"))
}

#[test]
fn d1_without_our_finalizer_a_deletion_is_none_of_our_business() {
    let o = recorded().deleted().given(|o| o.session.finalizer = false);
    let plan = met(&o.seeing(running(0, Answer::Ready)), Row::D1);
    assert_eq!((plan.act, plan.next), (Act::Nothing, Next::Never));
}

#[test]
fn d2_a_finalizer_that_a_client_put_on_a_pod_session_comes_off() {
    let o = recorded()
        .deleted()
        .given(|o| o.facts.runtime = Some(RuntimeKind::Pod));
    let plan = met(&o.seeing(running(0, Answer::Ready)), Row::D2);
    assert_eq!(plan.act, Act::Finalizer(false));
}

#[test]
fn d3_where_nothing_was_ever_created_doubt_does_not_hold_a_deletion() {
    let o = fresh()
        .deleted()
        .given(|o| o.session.finalizer = true)
        .seeing(unreachable());
    assert_eq!(met(&o, Row::D3).act, Act::Finalizer(false));
}

#[test]
fn d4_where_something_may_exist_a_deletion_waits_for_the_engine() {
    let plan = met(&recorded().deleted().seeing(unreachable()), Row::D4);
    assert_eq!(plan.act, Act::Nothing);
    assert_eq!(plan.next, doubling(1, 30));
    let says = said_by(&plan);
    assert_eq!(
        (says.phase, says.ready),
        (Phase::Unknown, Reason::EngineUnreachable)
    );
    assert_eq!(says.not_before, Some(later(15)));
}

#[test]
fn d5_the_reason_is_on_record_before_a_running_game_is_told_to_end() {
    let o = recorded().deleted().seeing(running(0, Answer::Ready));
    let plan = met(&o, Row::D5);
    assert_eq!(said_by(&plan).ready, Reason::Terminating);
    let stop = recorded_by(plan).stop.expect("a stop");
    assert_eq!(
        (stop.attempt, stop.reason, stop.time),
        (0, StopReason::Deleted, now())
    );
}

#[test]
fn d5_of_a_session_whose_status_was_lost_records_whose_container_it_is_in_the_same_patch() {
    let o = fresh()
        .deleted()
        .given(|o| o.session.finalizer = true)
        .seeing(running(4, Answer::Ready));
    let facts = recorded_by(met(&o, Row::D5));
    assert_eq!(facts.attempt, Some(4));
    assert_eq!(facts.runtime, Some(RuntimeKind::Docker));
    assert_eq!(facts.engine, Some(engine(ENGINE)));
    assert_eq!(
        facts.stop_of_attempt().map(|s| s.reason),
        Some(StopReason::Deleted)
    );
}

#[test]
fn d6_the_game_is_asked_to_stop_once_and_then_left_alone_until_its_grace_is_over() {
    let o = recorded()
        .deleted()
        .stopping(StopReason::Deleted, 10)
        .seeing(running(0, Answer::Ready));
    let plan = met(&o, Row::D6);
    assert_eq!(plan.next, in_seconds(32));
    assert_eq!(effect_of(plan), Effect::Stop(id(0), 30));

    let plan = met(&o.told(0, 10), Row::D6);
    assert_eq!((plan.act, plan.next), (Act::Nothing, in_seconds(22)));
}

#[test]
fn d6_a_stop_that_was_sent_for_an_earlier_attempt_does_not_count() {
    let o = recorded()
        .attempt(2)
        .deleted()
        .stopping(StopReason::Deleted, 10)
        .seeing(running(2, Answer::Ready))
        .told(1, 1000);
    assert_eq!(effect_of(met(&o, Row::D6)), Effect::Stop(id(2), 30));
}

#[test]
fn d6_the_grace_is_the_sessions_own_read_live_else_the_containers() {
    let o = recorded()
        .deleted()
        .stopping(StopReason::Deleted, 10)
        .seeing(running(0, Answer::Ready));
    let longer = o.clone().given(|o| o.session.grace_seconds = Some(60));
    assert_eq!(effect_of(met(&longer, Row::D6)), Effect::Stop(id(0), 60));
    let shorter = o.clone().given(|o| o.session.grace_seconds = Some(5));
    met(&shorter.told(0, 10), Row::D7);
    let game_edited = o.given(|o| {
        if let Ok(contract) = &mut o.contract {
            contract.terms.termination_grace_period_seconds = 1;
        }
    });
    assert_eq!(
        effect_of(met(&game_edited, Row::D6)),
        Effect::Stop(id(0), 30)
    );
}

#[test]
fn d7_a_game_that_outlives_its_grace_is_killed() {
    let o = recorded()
        .deleted()
        .stopping(StopReason::Deleted, 30)
        .seeing(Seen::Paused(container(0)))
        .told(0, 30);
    let plan = met(&o, Row::D7);
    assert_eq!(plan.next, doubling(2, 30));
    assert_eq!(effect_of(plan), Effect::Kill(id(0)));
}

#[test]
fn d7_a_container_of_an_old_attempt_has_no_grace() {
    let o = recorded()
        .attempt(3)
        .deleted()
        .seeing(running(2, Answer::Ready));
    assert_eq!(effect_of(met(&o, Row::D7)), Effect::Kill(id(2)));
}

#[test]
fn d7_waits_for_a_clock_that_can_be_trusted_while_the_engine_counts_the_grace() {
    let o = recorded()
        .deleted()
        .stopping(StopReason::Deleted, 300)
        .seeing(running(0, Answer::Ready))
        .given(|o| o.limits.clock_trusted = false)
        .told(0, 300);
    let plan = met(&o, Row::D6);
    assert_eq!((plan.act, plan.next), (Act::Nothing, in_seconds(30)));
}

#[test]
fn d8_what_does_not_run_is_removed() {
    for seen in [created(0, Made::Fresh), exited(0, 137)] {
        let plan = met(&recorded().deleted().seeing(seen), Row::D8);
        assert_eq!(plan.next, Next::Now);
        assert_eq!(effect_of(plan), Effect::Remove(id(0)));
    }
}

#[test]
fn d9_what_is_being_removed_is_waited_for() {
    let plan = met(&recorded().deleted().seeing(Seen::Going), Row::D9);
    assert_eq!((plan.act, plan.next), (Act::Nothing, in_seconds(2)));
}

#[test]
fn d10_the_world_goes_after_the_container_and_before_the_finalizer() {
    let o = recorded()
        .deleted()
        .given(|o| o.storage.present = vec!["friday-0123456789-world".to_owned()]);
    assert_eq!(
        effect_of(met(&o, Row::D10)),
        Effect::RemoveStorage(vec!["friday-0123456789-world".to_owned()])
    );
}

#[test]
fn d11_with_nothing_left_the_finalizer_comes_off() {
    for seen in [Seen::Absent, Seen::Foreign("a stranger".to_owned())] {
        let plan = met(&recorded().deleted().seeing(seen), Row::D11);
        assert_eq!((plan.act, plan.next), (Act::Finalizer(false), Next::Never));
    }
}

#[test]
fn d11_an_engine_that_was_declared_lost_holds_no_deletion_and_a_warning_says_so() {
    let o = recorded()
        .deleted()
        .seeing(unreachable())
        .given(|o| o.engine = None)
        .given(|o| o.session.abandon_engine = Some(ENGINE.to_owned()))
        .given(|o| o.storage.present = vec!["what another engine has".to_owned()]);
    let plan = met(&o, Row::D11);
    assert_eq!(plan.act, Act::Finalizer(false));
    assert_eq!(plan.events[0].reason, Reason::Abandoned);

    let another = o.given(|o| o.session.abandon_engine = Some(OTHER_ENGINE.to_owned()));
    met(&another, Row::D4);
}
