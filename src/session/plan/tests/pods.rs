//! What differs on a cluster: scheduler and kubelet start what was made, and nobody holds the session back.

use super::*;
use crate::api::RuntimeKind;
use crate::session::facts::StopReason;
use crate::session::fixtures::*;
use crate::session::observation::Image;
use crate::session::plan::Phase;
use crate::session::ports::NoPort;
use crate::session::reason::Reason;
use crate::session::report;
use crate::session::seen::{Answer, Made, Seen};

/// Attempt 0 of a Pod is on record, and nothing exists yet.
fn on_cluster() -> Observation {
    recorded().given(|o| {
        o.session.finalizer = false;
        o.facts.runtime = Some(RuntimeKind::Pod);
        if let Ok(contract) = &mut o.contract {
            contract.runtime = RuntimeKind::Pod;
        }
    })
}

fn awaited(reason: Reason, words: &str) -> Seen {
    let mut c = container(0);
    c.created = now();
    Seen::Created(c, Made::Awaited(reason, words.to_owned()))
}

#[test]
fn c13_a_pod_is_made_without_a_finalizer_and_without_a_pull() {
    let o = on_cluster().given(|o| o.image = Image::Missing);
    assert!(matches!(effect_of(met(&o, Row::C13)), Effect::Create(_)));
}

#[test]
fn c10_a_range_that_is_used_up_is_said_on_a_cluster_too() {
    let o = on_cluster().given(|o| {
        o.ports = Err(NoPort {
            message: "full".to_owned(),
        })
    });
    assert_eq!(said_by(&met(&o, Row::C10)).ready, Reason::PortsExhausted);
}

#[test]
fn c15_a_pod_that_is_on_its_way_is_left_alone_and_not_reported_at_once() {
    let plan = met(
        &on_cluster().seeing(awaited(Reason::Creating, "")),
        Row::C15,
    );
    assert_eq!((&plan.act, plan.next), (&Act::Nothing, in_seconds(10)));
    assert_eq!(said_by(&plan).not_before, Some(later(10)));
    assert!(plan.events.is_empty());
}

#[test]
fn c15_what_the_scheduler_says_is_shown_at_once_and_told_once() {
    let words = "0/1 nodes are available: 1 Insufficient memory.";
    let o = on_cluster().seeing(awaited(Reason::Unschedulable, words));
    let plan = met(&o, Row::C15);
    let says = said_by(&plan);
    assert_eq!(
        (says.ready, says.message.as_str()),
        (Reason::Unschedulable, words)
    );
    assert_eq!(says.not_before, None);
    assert_eq!(plan.events.len(), 1);
    assert!(met(&o.after(&plan), Row::C15).events.is_empty());
}

#[test]
fn c15_a_kubelet_that_says_the_same_in_two_ways_makes_one_write() {
    let o = on_cluster().seeing(awaited(
        Reason::ImagePullFailed,
        "ErrImagePull: no such host",
    ));
    let plan = met(&o, Row::C15);
    let next = o.after(&plan).seeing(awaited(
        Reason::ImagePullFailed,
        "ImagePullBackOff: Back-off pulling",
    ));
    let said = met(&next, Row::C15);
    assert_eq!(said_by(&said).message, "ErrImagePull: no such host");
    let status = report::status(&next, &next.facts, &said);
    let reason = |kind| status.condition(kind).expect("written").reason.clone();
    assert_eq!(reason("ImageReady"), "ImagePullFailed");
    assert_eq!(reason("Started"), "Creating");
}

#[test]
fn c15_an_image_is_not_called_present_before_its_kubelet_has_it() {
    let o = on_cluster().seeing(awaited(Reason::Creating, ""));
    let status = report::status(&o, &o.facts, &met(&o, Row::C15));
    let image = status.condition("ImageReady").expect("written");
    assert_eq!(image.reason, "NotChecked");
}

#[test]
fn c2_a_pod_that_fits_nowhere_for_too_long_fails_with_the_schedulers_words() {
    let late = |o: &mut Observation| o.facts.attempt_time = Some(ago(3600));
    let o = on_cluster()
        .seeing(awaited(Reason::Unschedulable, "no node"))
        .given(late);
    let plan = met(&o, Row::C2);
    assert!(said_by(&plan).message.contains("no node"));
    let finish = recorded_by(plan).finish.expect("an end");
    assert_eq!(finish.reason, Reason::Unschedulable);
    let o = on_cluster()
        .given(late)
        .given(|o| o.memo.quota = Some("exceeded quota: small".to_owned()));
    let finish = recorded_by(met(&o, Row::C2)).finish.expect("an end");
    assert_eq!(finish.reason, Reason::QuotaExceeded);
}

#[test]
fn c13_a_quota_that_is_used_up_is_said_and_tried_again() {
    let words = "pods \"a\" is forbidden: exceeded quota: small";
    let o = on_cluster().given(|o| o.memo.quota = Some(words.to_owned()));
    let plan = met(&o, Row::C13);
    let says = said_by(&plan);
    assert_eq!(
        (says.ready, says.message.as_str()),
        (Reason::QuotaExceeded, words)
    );
}

#[test]
fn c11_a_pod_that_the_cluster_refuses_is_the_end_and_says_who_refused() {
    let o = on_cluster().given(|o| o.memo.refused = Some((0, "violates PodSecurity".to_owned())));
    let plan = met(&o, Row::C11);
    assert!(
        said_by(&plan)
            .message
            .contains("the cluster refused the Pod")
    );
    let finish = recorded_by(plan).finish.expect("an end");
    assert_eq!(finish.reason, Reason::PodRejected);
}

#[test]
fn e1_a_pod_that_nobody_saw_go_was_taken_away_and_its_game_comes_back() {
    let gone = on_cluster().ready_since(60);
    let plan = met(&gone, Row::E1);
    assert!(said_by(&plan).message.contains("taken away"));
    let facts = recorded_by(plan);
    assert_eq!(
        (facts.attempt, facts.interruptions, facts.restarts),
        (Some(1), 1, 0)
    );
    assert_eq!(facts.last_exit.expect("an exit").reason, "Interrupted");
    let again = gone.given(|o| o.facts.interruptions = 4);
    let finish = recorded_by(met(&again, Row::E4)).finish.expect("an end");
    assert_eq!(finish.reason, Reason::ContainerLost);
}

#[test]
fn c16_what_is_left_of_a_game_that_ended_says_nothing_new() {
    let stopped = on_cluster()
        .stopping(StopReason::Requested, 5)
        .ended(0, "Requested", 1)
        .to_be_stopped()
        .seeing(Seen::Going);
    assert_eq!(met(&stopped, Row::C16).report, Report::Unchanged);
    let restarting = on_cluster()
        .attempt(1)
        .on_failure(3)
        .ended(0, "Error", 1)
        .given(|o| o.facts.restarts = 1)
        .seeing(Seen::Going);
    assert_eq!(met(&restarting, Row::C16).report, Report::Unchanged);
    let by_hand = on_cluster().ready_since(60).seeing(Seen::Going);
    assert_eq!(said_by(&met(&by_hand, Row::C16)).ready, Reason::Disrupted);
}

#[test]
fn r2_a_kubelet_that_tells_whole_seconds_gets_three_more() {
    let mut c = container(0);
    c.started = Some(now());
    let o = on_cluster().seeing(Seen::Running(c, not_ready()));
    assert_eq!(said_by(&met(&o, Row::R2)).not_before, Some(later(4)));
}

#[test]
fn r4_a_node_with_a_new_address_is_told_and_its_game_left_alone() {
    let mut c = container(0);
    let o = on_cluster().ready_since(60);
    met(&o.clone().seeing(running(0, not_ready())), Row::R4);
    c.endpoints = vec![endpoint("203.0.113.7")];
    let o = o.seeing(Seen::Running(c.clone(), not_ready()));
    let plan = met(&o, Row::R4);
    assert_eq!(said_by(&plan).phase, Phase::Running);
    let container = recorded_by(plan).container.expect("it is there");
    assert_eq!(container.endpoints, c.endpoints);
    // A node that has no address for a moment takes none away.
    c.endpoints.clear();
    let plan = met(&o.seeing(Seen::Running(c, not_ready())), Row::R4);
    assert_eq!(plan.act, Act::Nothing);
}

#[test]
fn r4_an_engine_that_tells_other_ports_changes_no_record() {
    let mut c = container(0);
    c.endpoints = vec![endpoint("203.0.113.7")];
    let o = recorded()
        .ready_since(60)
        .seeing(Seen::Running(c, not_ready()));
    assert_eq!(met(&o, Row::R4).act, Act::Nothing);
}

#[test]
fn d1_a_pods_session_is_held_back_by_nobody() {
    let o = on_cluster().ready_since(60).deleted();
    met(&o.seeing(running(0, not_ready())), Row::D1);
}

#[test]
fn c16_a_pod_that_is_told_to_stop_and_runs_on_within_its_grace_is_no_news() {
    let o = on_cluster()
        .ready_since(60)
        .seeing(running(0, Answer::Ready))
        .to_be_stopped();
    let stopping = o.after(&met(&o, Row::S2));
    let going = stopping.clone().seeing(Seen::Going);
    let report = |o: &Observation| report::status(o, &o.facts, &met(o, Row::C16)).conditions;
    let said = report(&going);
    let started = said.iter().flatten().find(|c| c.type_ == "Started");
    assert_eq!(started.expect("written").reason, "ContainerRunning");
    assert_eq!(said, stopping.status.conditions);
}

#[test]
fn c15_a_pod_that_was_shown_to_be_on_its_way_is_looked_at_a_minute_later() {
    let Seen::Created(mut c, made) = awaited(Reason::Creating, "") else {
        unreachable!("it was made so")
    };
    c.created = ago(10);
    let plan = met(&on_cluster().seeing(Seen::Created(c, made)), Row::C15);
    assert_eq!(plan.next, in_seconds(60));
}

#[test]
fn c2_says_what_the_cluster_said_of_a_pod_that_never_started() {
    let said = |words: &str| {
        let o = on_cluster()
            .given(|o| o.facts.attempt_time = Some(ago(3600)))
            .seeing(awaited(Reason::Creating, words));
        said_by(&met(&o, Row::C2)).message.clone()
    };
    assert_eq!(
        said(""),
        "no container within 3600 s: the cluster did not get it started"
    );
    assert_eq!(
        said("its volume is not attached"),
        "no container within 3600 s: its volume is not attached"
    );
}
