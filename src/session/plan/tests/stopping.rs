//! S: a game that is told to end, or was.

use super::*;
use crate::session::facts::StopReason;
use crate::session::fixtures::*;
use crate::session::plan::Phase;
use crate::session::reason::Reason;
use crate::session::seen::{Answer, ContainerId, Exit, Made, Seen};

fn id() -> ContainerId {
    ContainerId("id-0".to_owned())
}

#[test]
fn s1_a_game_that_had_ended_before_it_was_wished_stopped_keeps_its_own_end_on_record() {
    let o = recorded().ready_since(60).to_be_stopped();
    for (code, word) in [(0, "Completed"), (3, "Error"), (255, "Interrupted")] {
        let plan = met(&o.clone().seeing(exited(0, code)), Row::S1);
        assert_eq!(said_by(&plan).phase, Phase::Stopped);
        let facts = recorded_by(plan);
        assert_eq!(facts.last_exit.expect("an exit").reason, word);
        assert_eq!(facts.finish, None);
    }
}

#[test]
fn s1_when_it_began_is_what_its_container_says_or_else_what_is_on_record_of_it() {
    let began = |o: &Observation, started: Option<Timestamp>| {
        let mut c = container(0);
        c.started = started;
        let seen = Seen::Exited(c, Exit::default());
        let facts = recorded_by(met(&o.clone().seeing(seen), Row::S1));
        facts.last_exit.expect("an exit").start_time
    };
    let o = recorded().ready_since(60).to_be_stopped();
    assert_eq!(began(&o, Some(ago(20))), Some(ago(20)));
    assert_eq!(began(&o, None), Some(ago(60)));
    let o = o.given(|o| o.facts.container = None);
    assert_eq!(began(&o, None), None);
}

#[test]
fn s2_the_wish_to_stop_is_on_record_before_the_signal() {
    let o = recorded().to_be_stopped();
    for seen in [
        running(0, Answer::Ready),
        Seen::Paused(container(0)),
        created(0, Made::Fresh),
        Seen::Absent,
    ] {
        let stop = recorded_by(met(&o.clone().seeing(seen), Row::S2))
            .stop
            .expect("a stop");
        assert_eq!((stop.attempt, stop.reason), (0, StopReason::Requested));
    }
}

#[test]
fn s3_the_active_deadline_counts_from_the_first_ready_of_the_run() {
    let o = recorded()
        .ready_since(3600)
        .seeing(running(0, Answer::Ready));
    let due = o
        .clone()
        .given(|o| o.session.active_deadline_seconds = Some(3600));
    let stop = recorded_by(met(&due, Row::S3)).stop.expect("a stop");
    assert_eq!(stop.reason, StopReason::DeadlineExceeded);
    let not_yet = o.given(|o| o.session.active_deadline_seconds = Some(3601));
    assert_eq!(met(&not_yet, Row::R4).next, in_seconds(1));
}

#[test]
fn s3_a_deadline_above_the_maximum_of_the_containers_terms_is_the_maximum() {
    let o = recorded()
        .ready_since(7200)
        .seeing(running(0, Answer::Ready))
        .given(|o| o.session.active_deadline_seconds = Some(1_000_000));
    met(&o, Row::S3);
}

#[test]
fn s3_without_a_deadline_of_its_own_the_maximum_is_the_deadline() {
    let o = recorded()
        .ready_since(7200)
        .seeing(running(0, Answer::Ready));
    met(&o, Row::S3);
}

#[test]
fn s3_acts_on_no_clock_that_cannot_be_trusted() {
    let o = recorded()
        .ready_since(7200)
        .seeing(running(0, Answer::Ready))
        .given(|o| o.limits.clock_trusted = false);
    met(&o, Row::R4);
}

fn started_ago(seconds: i64, answer: Answer) -> Seen {
    let mut c = container(0);
    c.started = Some(ago(seconds));
    Seen::Running(c, answer)
}

#[test]
fn s4_a_game_that_is_not_ready_in_time_is_stopped() {
    for answer in [not_ready(), cannot_tell()] {
        let o = recorded().seeing(started_ago(300, answer));
        let stop = recorded_by(met(&o, Row::S4)).stop.expect("a stop");
        assert_eq!(stop.reason, StopReason::StartDeadlineExceeded);
    }
    met(&recorded().seeing(started_ago(299, not_ready())), Row::R2);
}

#[test]
fn s4_is_not_held_against_a_game_that_this_process_has_not_asked() {
    met(
        &recorded().seeing(started_ago(4000, Answer::NotAsked)),
        Row::R2,
    );
    let just_started = recorded().given(|o| o.limits.process_started = ago(3));
    met(
        &just_started.seeing(started_ago(4000, cannot_tell())),
        Row::R2,
    );
}

#[test]
fn s4_a_game_that_was_ready_once_has_no_start_deadline() {
    let o = recorded()
        .ready_since(3000)
        .seeing(started_ago(4000, not_ready()));
    met(&o, Row::R4);
}

#[test]
fn s5_the_game_is_asked_to_stop_once_a_process() {
    let o = recorded()
        .to_be_stopped()
        .stopping(StopReason::Requested, 1)
        .seeing(running(0, Answer::Ready));
    let plan = met(&o, Row::S5);
    assert_eq!(plan.next, in_seconds(32));
    assert_eq!(effect_of(plan), Effect::Stop(id(), 30));
    let plan = met(&o.told(0, 1), Row::S5);
    assert_eq!((plan.act, plan.next), (Act::Nothing, in_seconds(31)));
}

#[test]
fn s5_a_game_that_nobody_told_in_time_is_told_late_and_not_killed_untold() {
    for asked in [31, 4000] {
        let o = recorded()
            .to_be_stopped()
            .stopping(StopReason::Requested, asked)
            .seeing(running(0, Answer::Ready));
        assert_eq!(effect_of(met(&o, Row::S5)), Effect::Stop(id(), 30));
        let plan = met(&o.told(0, 5), Row::S5);
        assert_eq!((plan.act, plan.next), (Act::Nothing, in_seconds(27)));
    }
}

#[test]
fn s5_a_signal_that_an_earlier_attempt_was_sent_is_none_of_this_one() {
    let o = recorded()
        .attempt(1)
        .stopping(StopReason::Requested, 1)
        .seeing(running(1, Answer::Ready))
        .told(0, 100);
    let told = effect_of(met(&o, Row::S5));
    assert!(matches!(told, Effect::Stop(..)), "{told:?}");
}

#[test]
fn s5_a_stop_that_was_recorded_is_carried_out_although_the_wish_has_turned() {
    let o = recorded()
        .stopping(StopReason::Requested, 1)
        .seeing(running(0, Answer::Ready));
    met(&o, Row::S5);
}

#[test]
fn s6_a_game_that_outlives_its_grace_is_killed() {
    let o = recorded()
        .stopping(StopReason::DeadlineExceeded, 30)
        .seeing(running(0, Answer::Ready))
        .told(0, 30);
    let plan = met(&o, Row::S6);
    assert_eq!(plan.next, doubling(2, 30));
    assert_eq!(effect_of(plan), Effect::Kill(id()));
}

#[test]
fn s7_a_container_that_never_ran_is_removed_when_it_is_to_stop() {
    let o = recorded()
        .stopping(StopReason::Requested, 1)
        .seeing(created(0, Made::Fresh));
    assert_eq!(effect_of(met(&o, Row::S7)), Effect::Remove(id()));
}

#[test]
fn s8_a_stop_that_was_asked_for_is_clean_whatever_the_exit_code() {
    let o = recorded()
        .ready_since(60)
        .to_be_stopped()
        .stopping(StopReason::Requested, 2);
    for code in [0, 1, 137, 143, 255] {
        let plan = met(&o.clone().seeing(exited(0, code)), Row::S8);
        let says = said_by(&plan);
        assert_eq!((says.phase, says.ready), (Phase::Stopped, Reason::Stopped));
        assert_eq!(says.message, "");
        let facts = recorded_by(plan);
        let exit = facts.last_exit.clone().expect("an exit");
        assert_eq!(
            (exit.reason.as_str(), exit.exit_code),
            ("Requested", Some(code))
        );
        assert_eq!(facts.finish, None);
    }
}

#[test]
fn s8_a_deadline_that_stopped_the_game_finishes_the_session() {
    for (stop, finish, phase) in [
        (
            StopReason::DeadlineExceeded,
            Reason::DeadlineExceeded,
            Phase::TimedOut,
        ),
        (
            StopReason::StartDeadlineExceeded,
            Reason::StartDeadlineExceeded,
            Phase::Failed,
        ),
    ] {
        let o = recorded().stopping(stop, 2).seeing(exited(0, 137));
        let plan = met(&o, Row::S8);
        assert_eq!(said_by(&plan).phase, phase);
        let failed = phase == Phase::Failed;
        assert_eq!(said_by(&plan).message.contains("last line"), failed);
        assert_eq!(recorded_by(plan).finish.expect("an end").reason, finish);
    }
}

#[test]
fn s8_a_container_that_vanished_while_it_stopped_has_an_exit_without_a_code() {
    let o = recorded()
        .ready_since(60)
        .stopping(StopReason::Requested, 2);
    let exit = recorded_by(met(&o, Row::S8)).last_exit.expect("an exit");
    assert_eq!((exit.exit_code, exit.finish_time), (None, Some(now())));
}

#[test]
fn s9_a_deadline_whose_container_is_gone_without_a_trace_finishes_without_an_exit() {
    let o = recorded().stopping(StopReason::DeadlineExceeded, 2);
    let facts = recorded_by(met(&o, Row::S9));
    assert_eq!(facts.last_exit, None);
    assert_eq!(
        facts.finish.expect("an end").reason,
        Reason::DeadlineExceeded
    );
}

#[test]
fn s10_a_stopped_session_rests_with_its_world() {
    let o = recorded()
        .to_be_stopped()
        .ended(0, "Requested", 5)
        .given(|o| o.storage.present = vec!["world".to_owned()]);
    let plan = met(&o, Row::S10);
    assert_eq!((plan.act, plan.next), (Act::Nothing, in_seconds(600)));
}

#[test]
fn s11_a_resume_begins_a_new_run_with_its_whole_budget() {
    let o = recorded()
        .ready_since(60)
        .stopping(StopReason::Requested, 10)
        .ended(0, "Requested", 5)
        .given(|o| {
            o.facts.restarts = 3;
            o.facts.interruptions = 4;
        });
    let facts = recorded_by(met(&o, Row::S11));
    assert_eq!((facts.attempt, facts.attempt_time), (Some(1), Some(now())));
    assert_eq!((facts.restarts, facts.interruptions), (0, 0));
    assert_eq!(
        (facts.stop, facts.container, facts.start_time),
        (None, None, None)
    );
    assert!(
        facts.last_exit.is_some(),
        "how the run before it ended stays known"
    );
}

#[test]
fn s11_a_resume_records_the_engine_as_it_is_called_now() {
    let renamed = crate::session::facts::Engine {
        name: Some("renamed".to_owned()),
        ..engine(ENGINE)
    };
    let o = recorded()
        .ended(0, "Requested", 5)
        .given(|o| o.engine = Some(renamed.clone()));
    let facts = recorded_by(met(&o, Row::S11));
    assert_eq!(facts.engine, Some(renamed));
}

#[test]
fn s11_a_resume_waits_for_no_back_off_however_the_run_before_it_ended() {
    for word in ["Interrupted", "Error", "Requested"] {
        let o = recorded()
            .ended(0, word, 1)
            .given(|o| (o.facts.restarts, o.facts.interruptions) = (2, 2));
        let plan = met(&o, Row::S11);
        met(&o.after(&plan), Row::C13);
    }
}

#[test]
fn a_stop_that_was_deleted_on_record_of_a_session_that_lives_again_is_a_mere_stop() {
    let o = recorded().ready_since(60).stopping(StopReason::Deleted, 2);
    let plan = met(&o, Row::S8);
    met(&o.after(&plan), Row::S11);
}

#[test]
fn why_it_is_stopped_is_said_with_the_deadline_that_it_had() {
    let said = |reason| {
        let o = recorded()
            .ready_since(60)
            .seeing(running(0, Answer::Ready))
            .stopping(reason, 0)
            .given(|o| o.session.active_deadline_seconds = Some(50));
        said_by(&met(&o, Row::S5)).message.clone()
    };
    assert_eq!(said(StopReason::Requested), "");
    assert_eq!(
        said(StopReason::DeadlineExceeded),
        "the game ran for its activeDeadlineSeconds (50 s)"
    );
    assert!(said(StopReason::StartDeadlineExceeded).starts_with(
        "the game was not ready within startDeadlineSeconds (300 s): look at its log"
    ));
}
