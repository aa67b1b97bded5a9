//! C: from the wish to a container that was started.

use super::*;
use crate::api::ImagePullPolicy;
use crate::session::facts::StopReason;
use crate::session::fixtures::*;
use crate::session::observation::Image;
use crate::session::plan::Phase;
use crate::session::ports::NoPort;
use crate::session::reason::Reason;
use crate::session::seen::{ContainerId, Made, Seen};

fn policy(o: &mut Observation, policy: ImagePullPolicy) {
    if let Ok(contract) = &mut o.contract {
        contract.image_pull_policy = policy;
    }
}

fn pull(policy: ImagePullPolicy) -> Effect {
    Effect::Pull {
        image: "example/chess:1".to_owned(),
        policy,
    }
}

#[test]
fn c1_the_active_deadline_runs_on_while_a_game_waits_for_its_restart() {
    let o = recorded().given(|o| o.facts.start_time = Some(ago(7200)));
    let plan = met(&o, Row::C1);
    assert_eq!(said_by(&plan).phase, Phase::TimedOut);
    let facts = recorded_by(plan);
    assert_eq!(
        facts.finish.expect("an end").reason,
        Reason::DeadlineExceeded
    );
    assert_eq!(facts.last_exit, None);
}

#[test]
fn c2_what_is_waited_for_too_long_names_the_failure() {
    let late = |o: &mut Observation| o.facts.attempt_time = Some(ago(3600));
    let failed = Image::Failed {
        times: 9,
        at: ago(1),
        message: "no such host".to_owned(),
    };
    for (o, reason) in [
        (
            recorded().given(|o| o.image = failed),
            Reason::ImagePullFailed,
        ),
        (
            recorded().given(|o| o.image = Image::Pulling(String::new())),
            Reason::ImagePullFailed,
        ),
        (
            recorded().given(|o| {
                o.ports = Err(NoPort {
                    message: "full".to_owned(),
                })
            }),
            Reason::PortsExhausted,
        ),
        (
            recorded().given(|o| o.contract = Err(refusal(Reason::GameNotFound))),
            Reason::GameNotFound,
        ),
        (
            recorded().seeing(Seen::Foreign("x".to_owned())),
            Reason::NameConflict,
        ),
        (
            recorded().seeing(created(0, Made::Fresh)),
            Reason::StartFailed,
        ),
        (recorded(), Reason::StartFailed),
    ] {
        let facts = recorded_by(met(&o.given(late), Row::C2));
        assert_eq!(facts.finish.expect("an end").reason, reason);
    }
}

#[test]
fn c2_counts_from_the_end_of_the_back_off() {
    let o = recorded()
        .attempt(4)
        .on_failure(10)
        .ended(3, "Error", 3650)
        .given(|o| o.facts.restarts = 4)
        .given(|o| o.facts.attempt_time = Some(ago(3650)));
    met(&o, Row::C13);
    let later = o.given(|o| o.facts.attempt_time = Some(ago(3680)));
    met(&later, Row::C2);
}

#[test]
fn c2_an_engine_or_a_controller_that_was_away_for_hours_fails_nobody_when_it_comes_back() {
    let late = recorded().given(|o| o.facts.attempt_time = Some(ago(20_000)));
    met(&late.clone().given(|o| o.memo.able_since = None), Row::C13);
    let late = late.given(|o| o.memo.able_since = Some(ago(3599)));
    met(&late, Row::C13);
    met(
        &late.given(|o| o.memo.able_since = Some(ago(3600))),
        Row::C2,
    );
}

#[test]
fn c3_a_stranger_under_our_name_is_named_and_never_touched() {
    let plan = met(
        &recorded().seeing(Seen::Foreign("container abc".to_owned())),
        Row::C3,
    );
    assert_eq!((&plan.act, plan.next), (&Act::Nothing, in_seconds(300)));
    assert_eq!(said_by(&plan).ready, Reason::NameConflict);
    assert!(said_by(&plan).message.contains("container abc"));
}

#[test]
fn c4_a_game_that_is_gone_before_the_container_is_made_is_waited_for() {
    for reason in [
        Reason::GameNotFound,
        Reason::GameInvalid,
        Reason::DeadlineTooLong,
    ] {
        let o = recorded().given(|o| o.contract = Err(refusal(reason)));
        let plan = met(&o, Row::C4);
        assert_eq!(
            (said_by(&plan).phase, said_by(&plan).ready),
            (Phase::Starting, reason)
        );
        assert_eq!(plan.next, in_seconds(300));
    }
}

#[test]
fn c5_each_failure_doubles_the_wait_up_to_five_minutes() {
    for (restarts, wait) in [(1, 10), (2, 20), (3, 40), (5, 160), (6, 300), (20, 300)] {
        let o = recorded()
            .attempt(restarts)
            .ended(restarts - 1, "Error", 2)
            .given(|o| o.facts.restarts = restarts)
            .given(|o| o.facts.attempt_time = Some(ago(1)));
        let plan = met(&o, Row::C5);
        assert_eq!(said_by(&plan).ready, Reason::BackOff);
        assert_eq!(plan.next, in_seconds(wait - 1));
    }
}

#[test]
fn c5_an_interruption_waits_ten_seconds_and_no_longer() {
    let o = recorded()
        .attempt(1)
        .ended(0, "Interrupted", 5)
        .given(|o| (o.facts.restarts, o.facts.interruptions) = (7, 3))
        .given(|o| o.facts.attempt_time = Some(ago(4)));
    let plan = met(&o, Row::C5);
    assert_eq!(said_by(&plan).ready, Reason::Interrupted);
    assert_eq!(plan.next, in_seconds(6));
    met(&o.given(|o| o.facts.attempt_time = Some(ago(10))), Row::C13);
}

#[test]
fn c5_an_engine_whose_clock_is_off_makes_the_wait_no_longer_and_no_shorter() {
    for off in [-86_400, 3600] {
        let asked = |seconds| {
            recorded()
                .attempt(1)
                .ended(0, "Error", off)
                .given(|o| o.facts.restarts = 1)
                .given(|o| o.facts.attempt_time = Some(ago(seconds)))
        };
        met(&asked(9), Row::C5);
        met(&asked(10), Row::C13);
    }
}

#[test]
fn c5_keeps_the_last_words_of_the_game_while_it_waits() {
    let o = recorded()
        .ready_since(60)
        .on_failure(3)
        .seeing(exited(0, 3));
    let plan = met(&o, Row::E3);
    let o = o.after(&plan).seeing(Seen::Absent);
    let waiting = met(&o, Row::C5);
    assert_eq!(said_by(&waiting).message, said_by(&plan).message);
}

#[test]
fn c6_an_image_that_may_not_be_pulled_is_waited_for() {
    let o = recorded()
        .given(|o| o.image = Image::Missing)
        .given(|o| policy(o, ImagePullPolicy::Never));
    let plan = met(&o, Row::C6);
    assert_eq!((&plan.act, plan.next), (&Act::Nothing, in_seconds(300)));
    assert_eq!(said_by(&plan).ready, Reason::ImagePullFailed);
}

#[test]
fn c7_a_pull_that_runs_is_joined_and_its_progress_shown() {
    let o = recorded().given(|o| o.image = Image::Pulling("40 % of 120 MB".to_owned()));
    let plan = met(&o, Row::C7);
    assert_eq!((&plan.act, plan.next), (&Act::Nothing, in_seconds(30)));
    assert!(said_by(&plan).message.contains("40 % of 120 MB"));
}

#[test]
fn c8_a_failed_pull_waits_longer_each_time() {
    for (times, wait) in [(1, 10), (2, 20), (6, 300), (u32::MAX, 300)] {
        let failed = |age| Image::Failed {
            times,
            at: ago(age),
            message: "no such host".to_owned(),
        };
        let o = recorded().given(|o| o.image = failed(1));
        let plan = met(&o, Row::C8);
        assert_eq!(plan.next, in_seconds(wait - 1));
        assert!(said_by(&plan).message.contains("no such host"));
        let again = recorded().given(|o| o.image = failed(wait));
        met(&again, Row::C9);
    }
}

#[test]
fn c9_a_missing_image_is_pulled() {
    let o = recorded().given(|o| o.image = Image::Missing);
    let plan = met(&o, Row::C9);
    assert_eq!(said_by(&plan).ready, Reason::PullingImage);
    assert_eq!(effect_of(plan), pull(ImagePullPolicy::IfNotPresent));
}

#[test]
fn c9_policy_always_pulls_once_for_each_attempt() {
    let o = recorded()
        .attempt(2)
        .given(|o| policy(o, ImagePullPolicy::Always))
        .given(|o| o.memo.pulled = Some(1));
    assert_eq!(effect_of(met(&o, Row::C9)), pull(ImagePullPolicy::Always));
    met(&o.given(|o| o.memo.pulled = Some(2)), Row::C13);
}

#[test]
fn c10_without_a_free_port_the_session_says_so_and_looks_again() {
    let o = recorded().given(|o| {
        o.ports = Err(NoPort {
            message: "7000-7000 is full".to_owned(),
        });
    });
    let plan = met(&o, Row::C10);
    assert_eq!(
        (said_by(&plan).ready, plan.next),
        (Reason::PortsExhausted, in_seconds(10))
    );
}

#[test]
fn c11_a_create_that_was_refused_for_its_content_fails_with_the_engines_words() {
    let o = recorded().given(|o| o.memo.refused = Some((0, "minimum memory is 6MB".to_owned())));
    let plan = met(&o, Row::C11);
    assert!(said_by(&plan).message.contains("minimum memory is 6MB"));
    assert_eq!(
        recorded_by(plan).finish.expect("an end").reason,
        Reason::StartFailed
    );
    let another = recorded().given(|o| o.memo.refused = Some((3, String::new())));
    met(&another, Row::C13);
}

#[test]
fn c12_missing_storage_is_made_and_nothing_that_exists() {
    let name = "friday-0123456789-world";
    let o = recorded().given(|o| o.storage.missing = vec![name.to_owned()]);
    let Effect::CreateStorage(volumes) = effect_of(met(&o, Row::C12)) else {
        panic!("no storage");
    };
    assert_eq!(
        volumes.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(),
        [name]
    );
    met(&recorded(), Row::C13);
}

#[test]
fn c13_a_container_of_the_present_attempt_is_made() {
    let Effect::Create(spec) = effect_of(met(&recorded().attempt(5), Row::C13)) else {
        panic!("no container");
    };
    assert_eq!((spec.attempt, spec.name.as_str()), (5, "friday-0123456789"));
    assert_eq!(spec.ports[0].host_port, 7001);
}

#[test]
fn c14_a_port_clash_costs_no_budget() {
    let seen = created(
        0,
        Made::PortClash(vec![7001], "port is already allocated".to_owned()),
    );
    let plan = met(&recorded().seeing(seen), Row::C14);
    assert_eq!(
        effect_of(plan),
        Effect::Remove(ContainerId("id-0".to_owned()))
    );
}

#[test]
fn c15_a_fresh_container_is_started() {
    let plan = met(&recorded().seeing(created(0, Made::Fresh)), Row::C15);
    assert_eq!(plan.next, Next::Now);
    assert_eq!(
        effect_of(plan),
        Effect::Start(ContainerId("id-0".to_owned()))
    );
}

#[test]
fn c16_a_container_that_is_going_is_waited_for() {
    let plan = met(&recorded().seeing(Seen::Going), Row::C16);
    assert_eq!(
        (said_by(&plan).ready, plan.next),
        (Reason::Disrupted, in_seconds(2))
    );
    let stopping = recorded()
        .stopping(StopReason::Requested, 1)
        .seeing(Seen::Going);
    assert_eq!(said_by(&met(&stopping, Row::C16)).phase, Phase::Stopping);
}
