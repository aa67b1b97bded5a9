//! Judges a run by what the API server and the engine saw, without knowing how the controller decides.
//!
//! I1 at most one live container a session, whatever its attempt; a late start of an attempt that is over is counted
//! apart · I2 nothing without a live owner · I3 status equals the engine, and is not wrong for long · I4 every step
//! came true in time · I5 containers lived as in the undisturbed run, but for what a dead controller forgot · I6 quiet
//! after convergence · I7 a deleted session is gone · I8 no game ends by a controller without a reason on record · I9
//! facts are never lost or counted twice · I10 storage never goes before its session. The end is the undisturbed run's
//! but for what a mask names.

mod allows;
mod ends;
mod facts;
mod forgotten;
mod lives;
mod owners;
mod status;
mod storage;
mod story;

use std::collections::BTreeSet;

use serde_json::Value;

use allows::{Allows, End};
use forgotten::{Costs, Forgotten};
use lives::Lives;
use story::Story;

use crate::apiserver::RESTORE;
use crate::faults::{Failure, Fate, Fault, FaultScript, Outage};
use crate::history::{Entry, Life, Told, What};
use crate::scenarios::{NOT_DONE, Run, Scenario, Step, is_too_late};

/// What came of a run.
#[derive(Debug, Default)]
pub struct Judged {
    pub wrong: Vec<String>,
    /// Starts of an attempt that was over, as a leader that stood still may send them: each was ended again.
    pub late_starts: usize,
}

/// The undisturbed run of a scenario, read once for all that is held against it.
pub struct Undisturbed<'a> {
    pub run: &'a Run,
    story: Story<'a>,
    costs: Costs,
    lives: Lives<'a>,
    longest_lie: f64,
}

impl<'a> Undisturbed<'a> {
    pub fn of(run: &'a Run) -> Undisturbed<'a> {
        let story = Story::of(&run.history);
        Undisturbed {
            run,
            costs: Costs::of(&story),
            lives: lives::of(&story, &forgotten::ports_tried_again(&story)),
            longest_lie: status::longest_lie(&story),
            story,
        }
    }
}

/// Everything that is wrong with a run, against the undisturbed one of the same scenario; None: this is it.
pub fn judge(
    scenario: &Scenario,
    script: &FaultScript,
    run: &Run,
    undisturbed: Option<&Undisturbed<'_>>,
) -> Judged {
    let clean = undisturbed.map(|undisturbed| undisturbed.run);
    let mut allows = Allows::of(script, clean);
    let story = Story::of(&run.history);
    let forgotten = undisturbed.map_or_else(Forgotten::default, |undisturbed| {
        Forgotten::of(&story, &undisturbed.costs)
    });
    allows.seconds += forgotten.seconds;
    let mut wrong = Vec::new();
    if allows.end == End::Same && !allows.lives && made_again(&story) {
        allows.end = End::Outcome;
    }
    let late_starts = lives::one_at_a_time(&story, scenario.forced, &mut wrong);
    let shared = |fault: &Fault| matches!(fault, Fault::Rival { .. });
    if script.has(shared) && is_tried_twice(&story) {
        // Each of the two made the other's waits grow.
        allows.seconds += allows::LAST_RETRY;
    }
    let away = |fault: &Fault| matches!(fault, Fault::Away { .. });
    let overwritten = |(_, step): &(&str, Step)| matches!(step, Step::Overwrite(_));
    if script.has(away) && scenario.steps.iter().any(overwritten) {
        // What somebody else wrote into the status is found by a list.
        allows.seconds += allows::LIST;
    }
    if late_starts > 0 {
        // Whoever waits for what it holds, waits for the sweep.
        allows.seconds += allows::SWEPT;
    }
    let ends_unseen = undisturbed.is_some_and(|undisturbed| {
        ended_unseen(&story) > ended_unseen(&undisturbed.story) && allows.engine_restarts
    });
    let never_ready = allows.unseen && ended_before_ready(&story);
    let unseen_wish = passes_unseen(scenario, script);
    let otherwise =
        forgets_why(&story) || goes_otherwise(&story) || ends_unseen || never_ready || unseen_wish;
    if !otherwise {
        let promised = clean.map_or(scenario.within, |clean| clean.converged);
        in_time(run, promised + allows.seconds, &mut wrong);
    }
    owners::judge(&story, &mut wrong);
    status::at_the_end(&story, &mut wrong);
    let lie = undisturbed.map_or(status::IN_A_STORY, |undisturbed| undisturbed.longest_lie);
    status::on_the_way(&story, lie, &allows, &mut wrong);
    quiet(run, &mut wrong);
    lives::reasons(&story, &mut wrong);
    facts::judge(&story, &mut wrong);
    storage::judge(&story, &mut wrong);
    if let Some(undisturbed) = undisturbed {
        // Whoever was first decides what lived; a late start is another life.
        let lives = allows.lives && !ends_unseen && !unseen_wish && !comes_too_late(&story);
        if !scenario.races && lives && late_starts == 0 {
            lives::as_undisturbed(
                &story,
                &undisturbed.lives,
                &forgotten.containers,
                &mut wrong,
            );
        }
        if !scenario.open && !otherwise {
            let ids = allows.lives && late_starts == 0 && forgotten.containers.is_empty();
            ends::same(&story, &undisturbed.story, &allows, ids, &mut wrong);
        }
    }
    Judged { wrong, late_starts }
}

/// What users wrote may come to be seen so late that an attempt goes by the wish, or the Game, that was before, where they wrote
/// more than once.
fn passes_unseen(scenario: &Scenario, script: &FaultScript) -> bool {
    let watched = |fault: &Fault, plural: &str| match fault {
        Fault::Event { of, does, .. } => {
            of == plural && matches!(does, Fate::Drop | Fate::Freeze | Fate::Hold { .. })
        }
        Fault::Fail { call, with, .. } => {
            *call == format!("watch:{plural}") && *with == Failure::CommittedHangs
        }
        _ => false,
    };
    // The game of an engine that does not answer may have been ready, and have ended, before anybody saw that it began: when is
    // nobody's knowledge, and an active deadline counts from the next one.
    let unanswered = |fault: &Fault| match fault {
        Fault::Fail { call, .. } => {
            fault.may_hang() && (call.starts_with("effect:") || call.starts_with("look:"))
        }
        _ => false,
    };
    let limited = |session: &Value| {
        session["spec"]["activeDeadlineSeconds"].is_number()
            && session["spec"]["restartPolicy"] == "OnFailure"
    };
    if script.has(unanswered) && scenario.sessions.values().any(limited) {
        return true;
    }
    let (mut games, mut deleted, mut wishes) = (false, false, 0);
    for (_, step) in &scenario.steps {
        games |= matches!(step, Step::EditGame(_) | Step::DeleteGame);
        deleted |= matches!(step, Step::DeleteGame);
        wishes += usize::from(matches!(step, Step::Edit(_)));
    }
    // The next attempt needs the Game that somebody deleted.
    let strikes = |fault: &Fault| matches!(fault, Fault::Engine { .. });
    if scenario.forced && script.has(strikes) {
        // What was taken from a node that is away by force holds its place there when the node is back.
        return true;
    }
    let interrupts = |fault: &Fault| match fault {
        Fault::Engine { does, .. } => {
            matches!(does, Outage::RestartsEmpty | Outage::DiesEmpty)
        }
        _ => false,
    };
    (deleted && script.has(interrupts))
        || (games && script.has(|fault| watched(fault, "games")))
        || (wishes > 1 && script.has(|fault| watched(fault, "gamesessions")))
}

/// A container was made, or started, once more in an attempt that had one: late, in the place of one that was over. Which of
/// the two goes on record, and how it ended, is nobody's promise.
fn made_again(story: &Story<'_>) -> bool {
    let mut ended: BTreeSet<(&str, i32)> = BTreeSet::new();
    for entry in story.entries {
        let What::Container {
            uid,
            attempt,
            state,
            ..
        } = &entry.what
        else {
            continue;
        };
        match state {
            Life::Exited(_) | Life::Removed => {
                ended.insert((uid, *attempt));
            }
            Life::Created | Life::Running if ended.contains(&(&**uid, *attempt)) => return true,
            _ => {}
        }
    }
    false
}

/// A port that was known to be taken was tried once more, by who did not know it.
fn is_tried_twice(story: &Story<'_>) -> bool {
    let mut taken = BTreeSet::new();
    story.entries.iter().any(|entry| match &entry.what {
        What::Engine(Told::PortTaken { port, .. }) => !taken.insert(*port),
        What::Engine(Told::Pull { .. } | Told::Away | Told::Back)
        | What::Stored { .. }
        | What::Container { .. }
        | What::Volume { .. }
        | What::Died(_)
        | What::Note(_) => false,
    })
}

/// The API server forgot why a game was being ended, or how it had: what comes of that session then is another story,
/// in which everything else still holds.
fn forgets_why(story: &Story<'_>) -> bool {
    let lost = |entry: &Entry| match &entry.what {
        What::Stored {
            key,
            object,
            before: Some(before),
            ..
        } if entry.who == RESTORE && story::is_session(key) => {
            let reasons = ["stop", "lastExit", "finishTime"];
            let mut reasons = reasons.iter();
            reasons.any(|reason| before["status"][reason] != object["status"][reason])
        }
        _ => false,
    };
    story.entries.iter().any(lost)
}

/// Games that ended by themselves while the daemon was away. Of these the one that starts next knows no more than that
/// they did not live to see it: each counts as interrupted (DESIGN: the exit is not later than the engine's own start).
fn ended_unseen(story: &Story<'_>) -> usize {
    let (mut away, mut ended) = (false, 0);
    for entry in story.entries {
        match &entry.what {
            What::Engine(Told::Away) => away = true,
            What::Engine(Told::Back) => away = false,
            What::Container {
                state: Life::Exited(_),
                ..
            } if entry.who == "game" => ended += usize::from(away),
            What::Engine(Told::Pull { .. } | Told::PortTaken { .. })
            | What::Stored { .. }
            | What::Container { .. }
            | What::Volume { .. }
            | What::Died(_)
            | What::Note(_) => {}
        }
    }
    ended
}

/// The kubelet of a Pod that has ended does not say any more whether it had been ready.
fn ended_before_ready(story: &Story<'_>) -> bool {
    story.sessions.values().any(|session| {
        let status = &session["status"];
        status["runtime"] == "Pod" && status["lastExit"]["reason"] == "ExitedBeforeReady"
    })
}

/// A step was over before it could be taken, so that what was to happen before the next one happened after it, or not at all.
fn comes_too_late(story: &Story<'_>) -> bool {
    let mut all = story.entries.iter();
    all.any(|entry| matches!(&entry.what, What::Note(text) if is_too_late(text)))
}

/// Somebody found a container gone, or in another state, that he wanted to do something to: his story goes otherwise.
fn goes_otherwise(story: &Story<'_>) -> bool {
    story.entries.iter().any(|entry| match &entry.what {
        What::Note(text) => text.starts_with(NOT_DONE),
        What::Stored { .. }
        | What::Container { .. }
        | What::Volume { .. }
        | What::Engine(_)
        | What::Died(_) => false,
    })
}

/// I4
fn in_time(run: &Run, promised: f64, wrong: &mut Vec<String>) {
    if let Some(step) = &run.stuck {
        wrong.push(format!("I4 never came true: {step}"));
    }
    if run.converged > promised {
        wrong.push(format!(
            "I4 took {:.0} s, and {promised:.0} s were due",
            run.converged
        ));
    }
}

/// I6
fn quiet(run: &Run, wrong: &mut Vec<String>) {
    for entry in run.history.iter().skip(run.settled) {
        let what = match &entry.what {
            What::Stored { key, kind, .. } if story::is_session(key) => {
                format!("{kind:?} {}", key.name)
            }
            What::Container { id, state, .. } => format!("{state:?} {id}"),
            What::Volume { name, .. } => format!("volume {name}"),
            What::Stored { .. } | What::Engine(_) | What::Died(_) | What::Note(_) => continue,
        };
        wrong.push(format!(
            "I6 {} still wrote at {:.3}: {what}",
            entry.who,
            entry.at.as_secs_f64()
        ));
    }
}
