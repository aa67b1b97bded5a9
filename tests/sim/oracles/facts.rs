//! I9: what a controller recorded is never lost by a controller, never taken back, never counted twice.

use std::collections::BTreeSet;

use super::story::{Story, at, is_session, number, text};
use crate::apiserver::ChangeKind;
use crate::history::What;

pub fn judge(story: &Story<'_>, wrong: &mut Vec<String>) {
    // Of a container that nobody recorded the record takes the attempt over.
    let made: BTreeSet<i64> = story
        .entries
        .iter()
        .filter_map(|entry| match &entry.what {
            What::Container { attempt, .. } => Some(i64::from(*attempt)),
            What::Stored { .. }
            | What::Volume { .. }
            | What::Engine(_)
            | What::Died(_)
            | What::Note(_) => None,
        })
        .collect();
    for entry in story.entries {
        let What::Stored {
            key,
            kind: ChangeKind::Modified,
            object,
            before: Some(before),
        } = &entry.what
        else {
            continue;
        };
        // What users and restores do to a status is theirs.
        if !is_session(key) || !entry.who.starts_with("controller") {
            continue;
        }
        let (before, after) = (&before["status"], &object["status"]);
        let mut say = |what: String| {
            wrong.push(format!("I9 {}: {what} at {:.3}", key.name, at(entry)));
        };
        for path in ["/attempt", "/lastExit/attempt", "/stop/attempt"] {
            let (old, new) = (number(before, path), number(after, path));
            if let (Some(old), Some(new)) = (old, new)
                && (new < old || (new > old + 1 && !made.contains(&new)))
            {
                say(format!("{path} from {old} to {new}"));
            }
        }
        let (old, new) = (number(before, "/attempt"), number(after, "/attempt"));
        if old.is_some() && new.is_none() {
            say("the attempt was lost".to_owned());
        }
        if before["lastExit"].is_object() && !after["lastExit"].is_object() {
            say("the last exit was lost".to_owned());
        }
        if let (Some(was), Some(is)) = (number(before, "/restarts"), number(after, "/restarts"))
            && (is > was + 1 || (is != was && old == new))
        {
            say(format!("restarts from {was} to {is}"));
        }
        for fixed in ["/finishTime", "/runtime"] {
            let (was, is) = (text(before, fixed), text(after, fixed));
            if !was.is_empty() && was != is {
                say(format!("{fixed} from {was} to {is}"));
            }
        }
        // The first readiness of a run stands as long as the run.
        let (was, is) = (text(before, "/startTime"), text(after, "/startTime"));
        if !was.is_empty() && was != is && old == new {
            say(format!("startTime from {was} to \"{is}\""));
        }
    }
}
