//! What users see: the words that the API allows, and the status in the situations that matter.

use std::collections::BTreeSet;

use super::*;
use crate::api::Condition;
use crate::api::ConditionStatus::{self, False, True, Unknown};
use crate::session::facts::StopReason;
use crate::session::fixtures::{container as a_container, *};
use crate::session::observation::Image;
use crate::session::plan::{Row, plan};
use crate::session::reason::Reason;
use crate::session::seen::{Answer, Made, Seen};

const TYPES: [&str; 6] = [
    "Accepted",
    "ImageReady",
    "Started",
    "Ready",
    "Finished",
    "Stalled",
];

/// The words that each condition may have with each status.
fn allowed(kind: &str, status: ConditionStatus) -> &'static str {
    match (kind, status) {
        ("Accepted", True) => "Accepted",
        ("Accepted", False) => {
            "GameNotFound GameInvalid ParametersInvalid ResourcesTooLarge DeadlineTooLong RuntimeNotAllowed"
        }
        ("Accepted", Unknown) => "Pending",
        ("ImageReady", True) => "ImagePresent",
        ("ImageReady", False) => "PullingImage ImagePullFailed",
        ("ImageReady", Unknown) => "NotChecked",
        ("Started", True) => "ContainerRunning",
        ("Started", False) => {
            "Creating BackOff Interrupted PortsExhausted NameConflict StartFailed Unschedulable PodRejected \
             QuotaExceeded ContainerExited Stopped"
        }
        ("Started" | "Ready", Unknown) => "Pending EngineUnreachable EngineMismatch NodeLost",
        ("Ready", True) => "Ready",
        ("Ready", False) => {
            "WaitingForReady ProbeFailed PullingImage ImagePullFailed Creating BackOff Interrupted \
             PortsExhausted NameConflict Unschedulable PodRejected QuotaExceeded GameNotFound GameInvalid \
             ParametersInvalid ResourcesTooLarge DeadlineTooLong RuntimeNotAllowed Stopping Stopped \
             Terminating Disrupted PausedOutside Completed DeadlineExceeded Error OOMKilled \
             ExitedBeforeReady StartFailed StartDeadlineExceeded ContainerLost"
        }
        ("Finished", True) => {
            "Completed DeadlineExceeded Error OOMKilled ExitedBeforeReady StartFailed StartDeadlineExceeded \
             ContainerLost PodRejected ImagePullFailed PortsExhausted NameConflict Unschedulable \
             QuotaExceeded GameNotFound GameInvalid ParametersInvalid ResourcesTooLarge DeadlineTooLong \
             RuntimeNotAllowed"
        }
        ("Finished", False) => "NotFinished",
        ("Stalled", True) => {
            "GameInvalid ParametersInvalid ResourcesTooLarge DeadlineTooLong RuntimeNotAllowed NameConflict \
             PodRejected Error OOMKilled ExitedBeforeReady StartFailed StartDeadlineExceeded ContainerLost \
             ImagePullFailed PortsExhausted Unschedulable QuotaExceeded GameNotFound"
        }
        ("Stalled", False) => "NotStalled",
        (_, _) => "",
    }
}

/// All six in their places, each with a word that it may have, and in agreement with one another.
pub(in crate::session) fn check_conditions(
    o: &Observation,
    facts: &Facts,
    status: &GameSessionStatus,
) {
    let conditions = status.conditions.as_ref().expect("conditions");
    let types: Vec<_> = conditions.iter().map(|c| c.type_.as_str()).collect();
    assert_eq!(types, TYPES);
    for c in conditions {
        let mut words = allowed(&c.type_, c.status).split_whitespace();
        assert!(words.any(|word| word == c.reason), "{c:?}");
        assert_eq!(c.observed_generation, Some(o.session.generation));
        assert!(c.message.len() < 3000, "{c:?}");
    }
    let is = |kind: &str| status.condition(kind).map(|c| c.status);
    let ready = is("Ready") == Some(True);
    if ready {
        let latch = facts.ready_time().is_some()
            && matches!(o.seen, Seen::Running(..))
            && !o.session.deleted
            && facts.stop_of_attempt().is_none();
        assert!(latch, "Ready against the latch");
    }
    let phase = status.phase.as_deref().expect("a phase");
    let over = ["Succeeded", "Failed", "TimedOut"].contains(&phase);
    assert_eq!(is("Finished") == Some(True), over, "{phase}");
    assert_eq!(facts.finish.is_some(), over, "{phase}");
    if phase == "Failed" {
        assert_eq!(is("Stalled"), Some(True));
    }
    assert!(!(ready && phase != "Running"), "Ready in phase {phase}");
}

/// The status after the row that is expected.
fn after(o: &Observation, row: Row) -> GameSessionStatus {
    let plan = plan(o);
    assert_eq!(plan.row, row);
    o.after(&plan).status
}

fn condition<'a>(status: &'a GameSessionStatus, kind: &str) -> &'a Condition {
    status.condition(kind).expect("the condition")
}

fn word<'a>(status: &'a GameSessionStatus, kind: &str) -> (ConditionStatus, &'a str) {
    let c = condition(status, kind);
    (c.status, &c.reason)
}

fn running_now() -> Observation {
    recorded().ready_since(60).seeing(running(0, Answer::Ready))
}

#[test]
fn the_first_patch_has_all_six_conditions() {
    let status = after(&fresh(), Row::P3);
    assert_eq!(status.phase.as_deref(), Some("Starting"));
    assert_eq!(word(&status, "Accepted"), (True, "Accepted"));
    assert_eq!(word(&status, "ImageReady"), (True, "ImagePresent"));
    assert_eq!(word(&status, "Started"), (Unknown, "Pending"));
    assert_eq!(word(&status, "Ready"), (Unknown, "Pending"));
    assert_eq!(word(&status, "Finished"), (False, "NotFinished"));
    assert_eq!(word(&status, "Stalled"), (False, "NotStalled"));
    let unchecked = fresh().given(|o| o.image = Image::Unchecked);
    assert_eq!(
        word(&after(&unchecked, Row::P3), "ImageReady"),
        (Unknown, "NotChecked")
    );
}

#[test]
fn a_game_that_runs_shows_its_address_and_says_nothing_more() {
    let o = recorded().seeing(running(0, Answer::Ready));
    let status = after(&o, Row::R3);
    assert_eq!(status.address.as_deref(), Some("192.0.2.1:7001"));
    assert_eq!(status.endpoints.as_ref().map(Vec::len), Some(1));
    let messages: BTreeSet<_> = status
        .conditions
        .iter()
        .flatten()
        .map(|c| c.message.as_str())
        .collect();
    assert_eq!(messages, BTreeSet::from([""]));
}

#[test]
fn an_ipv6_address_stands_in_brackets() {
    let mut c = a_container(0);
    c.endpoints = vec![endpoint("2001:db8::1"), endpoint("192.0.2.1")];
    let o = recorded().seeing(Seen::Running(c, Answer::Ready));
    assert_eq!(
        after(&o, Row::R3).address.as_deref(),
        Some("[2001:db8::1]:7001")
    );
}

#[test]
fn a_game_without_ports_has_no_address() {
    let mut c = a_container(0);
    c.endpoints.clear();
    let status = after(&recorded().seeing(Seen::Running(c, Answer::Ready)), Row::R3);
    assert_eq!((status.address, status.endpoints), (None, None));
}

#[test]
fn the_address_goes_with_the_patch_that_records_the_end_or_clears_the_container() {
    for (o, row) in [
        (running_now().seeing(exited(0, 0)), Row::E2),
        (running_now().seeing(exited(0, 1)), Row::E4),
        (running_now().seeing(exited(0, 255)), Row::E1),
        (running_now().on_failure(1).seeing(exited(0, 1)), Row::E3),
        (running_now().to_be_stopped().seeing(exited(0, 1)), Row::S1),
        (
            running_now()
                .stopping(StopReason::Requested, 1)
                .seeing(exited(0, 1)),
            Row::S8,
        ),
    ] {
        let status = after(&o, row);
        assert_eq!((status.address, status.endpoints), (None, None), "{row:?}");
    }
}

#[test]
fn ready_turns_false_with_the_record_before_the_signal() {
    let stop = after(&running_now().to_be_stopped(), Row::S2);
    assert_eq!(word(&stop, "Ready"), (False, "Stopping"));
    assert_eq!(word(&stop, "Started"), (True, "ContainerRunning"));
    assert!(stop.address.is_some(), "the game still answers there");
    let deletion = after(&running_now().deleted(), Row::D5);
    assert_eq!(word(&deletion, "Ready"), (False, "Terminating"));
    assert_eq!(deletion.phase.as_deref(), Some("Stopping"));
}

#[test]
fn a_transition_time_moves_with_the_status_and_not_with_reason_or_message() {
    let early = recorded()
        .given(|o| o.now = ago(100))
        .given(|o| o.image = Image::Missing);
    let o = recorded().given(|o| o.status = after(&early, Row::C9));
    let status = after(
        &o.given(|o| {
            o.ports = Err(crate::session::ports::NoPort {
                message: "full".into(),
            })
        }),
        Row::C10,
    );
    assert_eq!(word(&status, "Ready"), (False, "PortsExhausted"));
    assert_eq!(condition(&status, "Ready").last_transition_time.0, ago(100));
    assert_eq!(word(&status, "ImageReady"), (True, "ImagePresent"));
    assert_eq!(
        condition(&status, "ImageReady").last_transition_time.0,
        now()
    );
}

#[test]
fn a_crash_shows_its_last_words_once_and_a_clean_end_none() {
    let crash = after(&running_now().seeing(exited(0, 3)), Row::E4);
    assert!(condition(&crash, "Finished").message.contains("last line"));
    assert!(condition(&crash, "Ready").message.contains("exit code 3"));
    assert!(!condition(&crash, "Ready").message.contains("last line"));
    assert_eq!(word(&crash, "Stalled"), (True, "Error"));
    let clean = after(&running_now().seeing(exited(0, 0)), Row::E2);
    assert_eq!(condition(&clean, "Finished").message, "");
    assert_eq!(word(&clean, "Stalled"), (False, "NotStalled"));
    assert_eq!(word(&clean, "Ready"), (False, "Completed"));
}

#[test]
fn accepted_says_what_survives_where_the_game_has_no_storage() {
    let o = fresh().given(|o| {
        if let Ok(contract) = &mut o.contract {
            contract.storage.clear();
        }
    });
    let status = after(&o, Row::P3);
    assert_eq!(word(&status, "Accepted"), (True, "Accepted"));
    assert!(
        condition(&status, "Accepted")
            .message
            .contains("no storage")
    );
}

#[test]
fn a_deadline_above_the_maximum_is_shown_while_the_maximum_applies() {
    let o = running_now().given(|o| o.session.active_deadline_seconds = Some(9000));
    let status = after(&o, Row::R4);
    assert_eq!(word(&status, "Accepted"), (False, "DeadlineTooLong"));
    assert_eq!(word(&status, "Stalled"), (True, "DeadlineTooLong"));
    assert_eq!(word(&status, "Ready"), (True, "Ready"));
    let message = &condition(&status, "Accepted").message;
    assert!(message.contains("9000") && message.contains("7200"));
}

#[test]
fn a_game_broken_under_a_running_session_is_shown_and_stalls_nothing() {
    let o = running_now().given(|o| o.contract = Err(refusal(Reason::GameInvalid)));
    let status = after(&o, Row::R4);
    assert_eq!(word(&status, "Accepted"), (False, "GameInvalid"));
    assert_eq!(word(&status, "Stalled"), (False, "NotStalled"));
}

#[test]
fn what_only_a_person_can_mend_is_stalled_and_a_missing_game_is_not() {
    for (reason, stalled) in [
        (Reason::GameInvalid, True),
        (Reason::ParametersInvalid, True),
        (Reason::RuntimeNotAllowed, True),
        (Reason::GameNotFound, False),
    ] {
        let status = after(
            &fresh().given(|o| o.contract = Err(refusal(reason))),
            Row::P2,
        );
        assert_eq!(status.phase.as_deref(), Some("Pending"));
        assert_eq!(condition(&status, "Stalled").status, stalled, "{reason:?}");
        assert_eq!(word(&status, "Started"), (Unknown, "Pending"));
    }
    let taken = after(&recorded().seeing(Seen::Foreign("x".to_owned())), Row::C3);
    assert_eq!(word(&taken, "Stalled"), (True, "NameConflict"));
}

#[test]
fn while_an_image_is_pulled_image_and_ready_say_so() {
    let o = recorded().given(|o| o.image = Image::Pulling("40 %".to_owned()));
    let status = after(&o, Row::C7);
    assert_eq!(word(&status, "ImageReady"), (False, "PullingImage"));
    assert_eq!(word(&status, "Ready"), (False, "PullingImage"));
    assert_eq!(word(&status, "Started"), (False, "Creating"));
}

#[test]
fn doubt_is_shown_as_unknown_and_keeps_address_and_container() {
    let o = running_now().seeing(unreachable());
    let status = after(&o, Row::U1);
    assert_eq!(status.phase.as_deref(), Some("Unknown"));
    assert_eq!(word(&status, "Ready"), (Unknown, "EngineUnreachable"));
    assert_eq!(word(&status, "Started"), (Unknown, "EngineUnreachable"));
    assert!(status.address.is_some() && status.container.is_some());
}

#[test]
fn an_edit_of_a_finished_session_moves_observed_generation_and_nothing_else() {
    let o = running_now().seeing(exited(0, 3));
    let o = o.after(&plan(&o)).seeing(Seen::Absent);
    let edited = o.clone().given(|o| {
        o.session.generation = 8;
        o.session.finalizer = false;
        o.now += jiff::SignedDuration::from_secs(50);
    });
    let mut status = after(&edited, Row::F6);
    assert_eq!(status.observed_generation, Some(8));
    for c in status.conditions.iter_mut().flatten() {
        assert_eq!(c.observed_generation.replace(7), Some(8));
    }
    status.observed_generation = Some(7);
    assert_eq!(status, o.status);
}

#[test]
fn a_session_that_had_finished_says_so_while_it_is_deleted() {
    let o = running_now().seeing(exited(0, 3));
    let o = o.after(&plan(&o)).deleted();
    assert_eq!(after(&o, Row::D8), o.status);
}

#[test]
fn what_is_about_to_vanish_gets_no_last_report() {
    let o = running_now();
    let o = o
        .after(&plan(&o))
        .deleted()
        .given(|o| o.session.generation = 8);
    assert_eq!(after(&o.clone().seeing(Seen::Absent), Row::D11), o.status);
}

#[test]
fn conditions_of_other_writers_stay() {
    let foreign = Condition {
        type_: "example.com/Billed".to_owned(),
        status: True,
        reason: "Paid".to_owned(),
        message: String::new(),
        last_transition_time: Time(ago(5)),
        observed_generation: None,
    };
    let o = running_now().given(|o| o.status.conditions = Some(vec![foreign.clone()]));
    let conditions = after(&o, Row::R4).conditions.expect("conditions");
    assert_eq!((conditions.len(), conditions.last()), (7, Some(&foreign)));
}

#[test]
fn a_start_that_failed_says_what_the_engine_said() {
    let seen = crate::session::fixtures::created(0, Made::Failed("no such file".to_owned()));
    let status = after(&recorded().seeing(seen), Row::E4);
    assert_eq!(word(&status, "Started"), (False, "StartFailed"));
    assert!(
        condition(&status, "Finished")
            .message
            .contains("no such file")
    );
}

#[test]
fn an_effect_that_keeps_failing_is_said_behind_what_is_said_anyway() {
    let seen = crate::session::fixtures::created(0, Made::Fresh);
    let o = recorded().seeing(seen);
    let said = |trouble: Option<&str>| {
        let o = o
            .clone()
            .given(|o| o.memo.trouble = trouble.map(str::to_owned));
        condition(&after(&o, Row::C15), "Ready").message.clone()
    };
    let anyway = said(None);
    let with = said(Some("no space left on device"));
    assert_ne!(with, anyway);
    assert!(
        with.starts_with(&anyway) && with.ends_with("no space left on device"),
        "{with}"
    );
}

/// The status after whatever row comes.
fn next(o: &Observation) -> GameSessionStatus {
    o.after(&plan(o)).status
}

#[test]
fn a_deadline_that_is_the_maximum_is_not_above_it() {
    let o = running_now().given(|o| o.session.active_deadline_seconds = Some(7200));
    assert_eq!(word(&next(&o), "Accepted"), (True, "Accepted"));
}

#[test]
fn a_container_has_its_image_whatever_was_asked_of_the_engine() {
    let o = running_now().given(|o| o.image = Image::Unchecked);
    assert_eq!(word(&next(&o), "ImageReady"), (True, "ImagePresent"));
}

#[test]
fn nobody_knows_what_the_node_of_a_pod_has_before_there_is_one() {
    let o = recorded().given(|o| {
        o.facts.runtime = Some(crate::api::RuntimeKind::Pod);
        o.engine = None;
    });
    assert_eq!(word(&next(&o), "ImageReady"), (Unknown, "NotChecked"));
}

#[test]
fn what_was_started_stays_so_only_while_a_pod_is_on_its_way_out() {
    let was_started = next(&running_now());
    let started = |kind, seen: Seen| {
        let o = recorded().ready_since(60).seeing(seen).given(|o| {
            o.facts.runtime = Some(kind);
            o.status = was_started.clone();
        });
        condition(&next(&o), "Started").status
    };
    use crate::api::RuntimeKind::{Docker, Pod};
    assert_eq!(started(Pod, Seen::Going), True);
    assert_eq!(started(Docker, Seen::Going), False);
    assert_eq!(started(Pod, Seen::Absent), False);
}

#[test]
fn what_started_says_is_said_where_it_is_the_same_as_ready_and_not_twice() {
    let seen = Seen::Created(a_container(0), Made::Failed("no such file".to_owned()));
    let failed = next(&recorded().on_failure(3).seeing(seen));
    let ready = condition(&failed, "Ready");
    assert_eq!(ready.reason, "BackOff");
    assert_eq!(condition(&failed, "Started").message, ready.message);
    let waits = running_now().to_be_stopped();
    let stopping = next(
        &waits
            .clone()
            .stopping(StopReason::DeadlineExceeded, 1)
            .seeing(Seen::Going),
    );
    assert_eq!(word(&stopping, "Started"), (False, "Stopped"));
    assert_eq!(condition(&stopping, "Started").message, "");
    assert_ne!(condition(&stopping, "Ready").message, "");
}

#[test]
fn a_game_that_became_invalid_after_an_attempt_was_begun_leaves_it_not_started() {
    let o = recorded().given(|o| o.contract = Err(refusal(Reason::GameInvalid)));
    assert_eq!(word(&next(&o), "Started"), (False, "Creating"));
}
