//! What holds of every plan and every status, over states that no table names.

use proptest::prelude::*;

use super::model::unsafe_act;
use super::sketch::{Catalog, Due, Look, Sketch, Wished};
use super::*;
use crate::api::{GameSessionStatus, ImagePullPolicy, RestartPolicy};
use crate::hostile::cases;
use crate::session::facts::StopReason;
use crate::session::fixtures::*;
use crate::session::observation::{Image, Memo};
use crate::session::ports::NoPort;
use crate::session::reason::Reason;
use crate::session::report;
use crate::session::seen::Seen;

fn sketches() -> impl Strategy<Value = Sketch> {
    let stops = prop::sample::select(vec![
        None,
        Some(StopReason::Requested),
        Some(StopReason::Deleted),
        Some(StopReason::DeadlineExceeded),
        Some(StopReason::StartDeadlineExceeded),
    ]);
    let wishes = prop::sample::select(vec![Wished::Run, Wished::Stop, Wished::Delete]);
    let games = prop::sample::select(vec![Catalog::Good, Catalog::Missing, Catalog::Bad]);
    let flags = prop::array::uniform8(any::<bool>());
    let looks = prop::sample::select(Look::ALL.to_vec());
    let dues = prop::sample::select(Due::ALL.to_vec());
    let numbers = (prop::option::weighted(0.9, 0..3), 0..4);
    (looks, numbers, wishes, stops, games, dues, flags).prop_map(
        |(look, (attempt, label), wish, stop, game, due, flags)| {
            let [
                recorded,
                id,
                ready,
                finalizer,
                finished,
                budget,
                storage,
                refused,
            ] = flags;
            let known = attempt.is_some();
            Sketch {
                look: if known || look != Look::Decreed {
                    look
                } else {
                    Look::Unknown
                },
                attempt,
                label: look.ours().then_some(label),
                wish,
                stop: stop.filter(|_| known),
                recorded: recorded && known,
                id: id && known,
                ready: ready && known,
                finalizer,
                finished: finished && known,
                game,
                budget,
                due,
                storage,
                refused,
            }
        },
    )
}

/// What the sketch leaves out.
#[derive(Clone, Debug)]
struct Details {
    image: Image,
    policy: ImagePullPolicy,
    port: bool,
    storage_missing: bool,
    restart: bool,
    interruptions: i32,
    last_exit: Option<(i32, &'static str)>,
    refusal: Reason,
    memo: Memo,
    nanos: i64,
}

fn details() -> impl Strategy<Value = Details> {
    let images = prop_oneof![
        Just(Image::Present),
        Just(Image::Unchecked),
        Just(Image::Missing),
        Just(Image::Pulling("10 %".to_owned())),
        (0..40_u32, 0..400_i64).prop_map(|(times, age)| Image::Failed {
            times,
            at: ago(age),
            message: "no such host".to_owned(),
        }),
    ];
    let policies = prop::sample::select(vec![
        ImagePullPolicy::IfNotPresent,
        ImagePullPolicy::Always,
        ImagePullPolicy::Never,
    ]);
    let refusals = prop::sample::select(vec![
        Reason::GameInvalid,
        Reason::ParametersInvalid,
        Reason::ResourcesTooLarge,
        Reason::DeadlineTooLong,
        Reason::RuntimeNotAllowed,
    ]);
    let words = prop::sample::select(vec!["Error", "Interrupted", "Requested", "OOMKilled"]);
    let memo = (
        prop::option::of((0..3, 0..100_i64)),
        prop::option::of(0..3),
        prop::option::of(0..3),
        any::<bool>(),
        prop::option::of(0..40_i64),
        prop::option::of(0..8_000_i64),
    )
        .prop_map(
            |(signalled, refused, pulled, confirmed, doubt, able)| Memo {
                quota: pulled.map(|_| "exceeded quota: arcade".to_owned()),
                signalled: signalled.map(|(attempt, seconds)| (attempt, ago(seconds))),
                refused: refused.map(|n| (n, "bad request".to_owned())),
                pulled,
                confirmed: confirmed.then(|| RESOURCE_VERSION.to_owned()),
                doubt_since: doubt.map(ago),
                able_since: able.map(ago),
                ready_since: able.map(ago),
                trouble: refused.map(|_| "no space left on device".to_owned()),
            },
        );
    (
        images,
        policies,
        prop::array::uniform3(any::<bool>()),
        0..7,
        prop::option::of((0..3, words)),
        refusals,
        memo,
        0..1_000_000_000_i64,
    )
        .prop_map(
            |(
                image,
                policy,
                [port, storage_missing, restart],
                interruptions,
                last_exit,
                refusal,
                memo,
                nanos,
            )| {
                Details {
                    image,
                    policy,
                    port,
                    storage_missing,
                    restart,
                    interruptions,
                    last_exit,
                    refusal,
                    memo,
                    nanos,
                }
            },
        )
}

fn drawn(sketch: &Sketch, details: Details) -> Observation {
    let mut o = recorded();
    sketch.draw(&mut o);
    o.now = now() + SignedDuration::from_nanos(details.nanos);
    o.image = details.image;
    if let Ok(contract) = &mut o.contract {
        contract.image_pull_policy = details.policy;
    } else if sketch.game == Catalog::Bad {
        o.contract = Err(refusal(details.refusal));
    }
    if !details.port {
        o.ports = Err(NoPort {
            message: "7000-7000 is full".to_owned(),
        });
    }
    if details.storage_missing {
        o.storage.missing = vec!["friday-0123456789-world".to_owned()];
    }
    if !details.restart {
        o.session.restart_policy = RestartPolicy::Never;
    }
    o.facts.interruptions = details.interruptions;
    if let Some((attempt, word)) = details.last_exit.filter(|_| !sketch.recorded) {
        // An exit of n would be another sketch.
        if Some(attempt) != sketch.attempt {
            o = o.ended(attempt, word, 3);
        }
    }
    o.memo = details.memo;
    o
}

fn observations() -> impl Strategy<Value = (Sketch, Observation)> {
    (sketches(), details()).prop_map(|(sketch, details)| (sketch, drawn(&sketch, details)))
}

/// As the API server would give it back.
fn written(status: &GameSessionStatus) -> GameSessionStatus {
    let json = serde_json::to_string(status).expect("a status");
    serde_json::from_str(&json).expect("the same status")
}

/// When this process told the current attempt to stop, and not before that was recorded.
fn told(o: &Observation) -> Option<Timestamp> {
    let stop = o.facts.stop.as_ref()?;
    let (attempt, told) = o.memo.signalled?;
    (Some(attempt) == o.facts.attempt).then(|| told.max(stop.time))
}

/// Instants from which the rows that end something by themselves may act, worked out from the facts alone.
fn earliest(o: &Observation, row: Row) -> Option<Timestamp> {
    let facts = &o.facts;
    let after = |time: Timestamp, seconds: i64| time + SignedDuration::from_secs(seconds);
    match row {
        Row::S3 | Row::C1 => facts.start_time.map(|t| after(t, 3600)),
        Row::S4 => match &o.seen {
            Seen::Running(c, _) => c.started.map(|t| after(t, 300)),
            _ => None,
        },
        Row::S6 => told(o).map(|told| after(told, 30)),
        Row::D7 if facts.stop_of_attempt().is_some() && !facts.exit_recorded() => {
            let old = o.seen.container().map(|c| c.attempt) < facts.attempt;
            told(o).filter(|_| !old).map(|told| after(told, 30))
        }
        Row::C2 => facts.attempt_time.map(|t| after(t, 3600)),
        Row::F5 => facts.finish.as_ref().map(|finish| after(finish.time, 600)),
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..cases(4000) })]

    #[test]
    fn no_plan_is_ever_unsafe((sketch, o) in observations()) {
        let plan = plan(&o);
        prop_assert_eq!(unsafe_act(&sketch, &plan), None, "{:?}", plan);
    }

    #[test]
    fn a_game_of_the_current_attempt_is_never_killed_untold((_, o) in observations()) {
        let plan = plan(&o);
        let current = o.seen.container().is_some_and(|c| Some(c.attempt) == o.facts.attempt);
        if let (Act::Effect(Effect::Kill(_)), true) = (&plan.act, current)
            && o.facts.finish.is_none() && !o.facts.exit_recorded()
        {
            prop_assert!(told(&o).is_some(), "{plan:?}");
        }
    }

    #[test]
    fn with_an_empty_memory_every_plan_is_still_safe((sketch, o) in observations()) {
        let plan = plan(&o.given(|o| o.memo = Memo::default()));
        prop_assert_eq!(unsafe_act(&sketch, &plan), None, "{:?}", plan);
    }

    #[test]
    fn doubt_destroys_nothing_and_forgets_nothing((sketch, o) in observations()) {
        let o = o.seeing(unreachable()).given(|o| o.session.abandon_engine = None);
        let sketch = Sketch { look: Look::Unknown, ..sketch };
        let plan = plan(&o);
        prop_assert_eq!(unsafe_act(&sketch, &plan), None);
        prop_assert_eq!(facts_after(&o, &plan), o.facts);
    }

    #[test]
    fn a_finished_session_never_starts_again((sketch, o) in observations(), seen in sketches()) {
        let o = o.finished(Reason::Error, 5);
        let mut other = recorded();
        seen.draw(&mut other);
        let plan = plan(&o.clone().seeing(other.seen));
        let starts = matches!(
            plan.act,
            Act::Effect(Effect::Create(_) | Effect::Start(_) | Effect::Pull { .. } | Effect::CreateStorage(_))
        );
        prop_assert!(!starts);
        let after = facts_after(&o, &plan);
        prop_assert_eq!(after.finish, o.facts.finish);
        prop_assert!(after.attempt == o.facts.attempt || sketch.attempt.is_none());
    }

    #[test]
    fn a_pass_writes_once_what_is_no_record_changes_no_fact((_, o) in observations()) {
        let plan = plan(&o);
        let status = report::status(&o, &facts_after(&o, &plan), &plan);
        let records = matches!(plan.act, Act::Record(_));
        if !records {
            prop_assert_eq!(Facts::parse(&written(&status)).unwrap(), o.facts);
        }
    }

    #[test]
    fn what_is_recorded_is_read_back_as_it_was((_, o) in observations()) {
        let plan = plan(&o);
        let facts = facts_after(&o, &plan);
        let mut status = report::status(&o, &facts, &plan);
        if status.phase.is_none() {
            // A session that had finished before keeps the status that says why.
            status.phase = Some("Failed".to_owned());
        }
        prop_assert_eq!(Facts::parse(&written(&status)).unwrap(), facts);
    }

    #[test]
    fn deadlines_never_act_early_whichever_way_the_clock_jumps(
        (_, o) in observations(),
        jump in -10_000_i64..10_000,
        trusted in any::<bool>(),
    ) {
        let o = o.given(|o| o.now += SignedDuration::from_secs(jump));
        let o = o.given(|o| o.limits.clock_trusted = trusted);
        let plan = plan(&o);
        if let Some(earliest) = earliest(&o, plan.row) {
            prop_assert!(trusted, "{:?} acted on a clock that is not trusted", plan.row);
            prop_assert!(o.now >= earliest, "{:?} acted early", plan.row);
        }
    }

    #[test]
    fn every_plan_names_its_next_look_at_most_ten_minutes_away((_, o) in observations()) {
        let plan = plan(&o);
        match plan.next {
            Next::Now => prop_assert!(plan.act != Act::Nothing, "{:?} would spin", plan.row),
            Next::At(_) if plan.row == Row::F6 => {}
            Next::At(at) => {
                prop_assert!(at > o.now, "{:?} would spin", plan.row);
                prop_assert!(at <= o.now + SignedDuration::from_mins(10));
            }
            Next::Doubling { first, most } => prop_assert!(first < most),
            Next::Never => prop_assert!(
                [Row::D1, Row::D2, Row::D3, Row::D11, Row::F5, Row::F6].contains(&plan.row)
            ),
        }
    }

    #[test]
    fn every_status_has_all_six_conditions_and_no_word_that_the_api_does_not_allow((_, o) in observations()) {
        let plan = plan(&o);
        let facts = facts_after(&o, &plan);
        let status = report::status(&o, &facts, &plan);
        if matches!(plan.report, Report::Says(_)) && o.facts.finish.is_none() {
            report::tests::check_conditions(&o, &facts, &status);
        }
    }

    #[test]
    fn a_status_that_was_written_makes_no_further_difference((_, o) in observations(), later in 0_i64..1000) {
        let plan = plan(&o);
        let after = o.after(&plan);
        prop_assert_eq!(&report::status(&after, &after.facts, &plan), &after.status);
        // Nor does the next look, while nothing changes but the time.
        if plan.act == Act::Nothing {
            let next = after.clone().given(|o| o.now += SignedDuration::from_millis(later));
            let again = super::plan(&next);
            if again.row == plan.row {
                prop_assert_eq!(&report::status(&next, &next.facts, &again), &after.status);
            }
        }
    }

    #[test]
    fn endpoints_are_shown_only_while_the_container_that_has_them_is_on_record((_, o) in observations()) {
        let plan = plan(&o);
        let facts = facts_after(&o, &plan);
        let status = report::status(&o, &facts, &plan);
        let gone = facts.container.is_none()
            || (facts.last_exit != o.facts.last_exit)
            || (facts.finish != o.facts.finish);
        if gone {
            prop_assert_eq!((status.endpoints, status.address), (None, None));
        }
    }
}
