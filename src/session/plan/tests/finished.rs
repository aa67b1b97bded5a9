//! F: a session that has finished.

use super::*;
use crate::session::fixtures::*;
use crate::session::reason::Reason;
use crate::session::seen::{Answer, ContainerId, Made, Seen};

fn over() -> Observation {
    recorded().finished(Reason::Completed, 100)
}

#[test]
fn f1_a_game_that_runs_after_the_end_is_killed_with_a_warning() {
    for seen in [running(0, Answer::Ready), Seen::Paused(container(0))] {
        let plan = met(&over().seeing(seen), Row::F1);
        assert_eq!(plan.events[0].reason, Reason::StrayContainer);
        assert_eq!(
            effect_of(plan),
            Effect::Kill(ContainerId("id-0".to_owned()))
        );
    }
}

#[test]
fn f2_what_is_left_of_the_game_is_removed() {
    for seen in [created(0, Made::Fresh), exited(0, 0)] {
        let plan = met(&over().seeing(seen), Row::F2);
        assert_eq!(
            effect_of(plan),
            Effect::Remove(ContainerId("id-0".to_owned()))
        );
    }
}

#[test]
fn f3_what_is_being_removed_is_waited_for() {
    assert_eq!(
        met(&over().seeing(Seen::Going), Row::F3).next,
        in_seconds(2)
    );
}

#[test]
fn f4_the_finalizer_is_on_as_long_as_a_world_may_exist_and_no_longer() {
    assert_eq!(met(&over(), Row::F4).act, Act::Finalizer(false));
    let kept = over().given(|o| o.storage.present = vec!["world".to_owned()]);
    assert_eq!(met(&kept, Row::F6).act, Act::Nothing);
}

#[test]
fn f5_the_session_is_deleted_when_its_time_to_live_is_over() {
    let o = over()
        .given(|o| o.session.finalizer = false)
        .given(|o| o.session.ttl_seconds = Some(100));
    assert_eq!(met(&o, Row::F5).act, Act::DeleteSession);
    met(&o.clone().seeing(unreachable()), Row::F5);
    let held = o.clone().given(|o| o.session.finalizer = true);
    met(&held.seeing(unreachable()), Row::F6);
    let untrusted = o.given(|o| o.limits.clock_trusted = false);
    assert_eq!(met(&untrusted, Row::F6).next, in_seconds(30));
}

#[test]
fn f6_a_finished_session_rests_until_its_time_to_live_is_over() {
    let o = over().given(|o| o.session.finalizer = false);
    assert_eq!(met(&o, Row::F6).next, Next::Never);
    let o = o.given(|o| o.session.ttl_seconds = Some(86_400));
    let plan = met(&o, Row::F6);
    assert_eq!((plan.act, plan.report), (Act::Nothing, Report::Unchanged));
    assert_eq!(plan.next, in_seconds(86_300));
    assert_eq!(met(&o.seeing(unreachable()), Row::F6).next, in_seconds(30));
}

#[test]
fn nothing_that_a_user_edits_makes_a_finished_session_start_again() {
    let o = over().given(|o| o.session.restart_policy = crate::api::RestartPolicy::OnFailure);
    met(&o.clone(), Row::F4);
    met(&o.to_be_stopped(), Row::F4);
}
