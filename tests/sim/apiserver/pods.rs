//! How Pods come and go: an object that is deleted stays until its kubelet has ended the game. Never blocks.

use std::sync::Arc;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::kinds::Kind;
use super::meta;
use super::store::Key;
use super::verbs::Memory;
use crate::history::{Life, What};

/// Where a Pod says nothing.
const GRACE: i64 = 30;

pub(super) const PODS: &str = "pods";
const CLAIMS: &str = "persistentvolumeclaims";

/// On a node, and its kubelet has not said that the game ended.
fn is_held(pod: &Value) -> bool {
    let ended = ["Succeeded", "Failed"].contains(&pod["status"]["phase"].as_str().unwrap_or(""));
    pod["spec"]["nodeName"].is_string() && !ended
}

fn label<'a>(object: &'a Value, key: &str) -> &'a str {
    object["metadata"]["labels"][key]
        .as_str()
        .unwrap_or_default()
}

/// What is told of a Pod, by its session.
pub fn container(pod: &Value, state: Life) -> What {
    let attempt = label(pod, dillinger_runner::api::keys::ATTEMPT);
    What::Container {
        id: meta::text(pod, "uid").to_owned(),
        uid: label(pod, dillinger_runner::api::keys::UID).to_owned(),
        attempt: attempt.parse().unwrap_or_default(),
        state,
    }
}

/// Whether the garbage collector has nothing to do there: it was asked to go already.
pub(super) fn is_going(pod: &Value) -> bool {
    meta::is_deleting(pod) && is_held(pod)
}

impl Memory {
    /// A deletion with this grace in seconds, or with its own.
    pub(super) fn end_pod(
        &mut self,
        who: &str,
        kind: &Kind,
        key: &Key,
        grace: Option<i64>,
    ) -> Arc<Value> {
        let old = self.store.get(key).cloned().expect("it was found");
        let own = old["spec"]["terminationGracePeriodSeconds"].as_i64();
        let grace = grace.or(own).unwrap_or(GRACE);
        let before = old["metadata"]["deletionGracePeriodSeconds"].as_i64();
        if grace == 0 || !is_held(&old) {
            // Its last two words: that it goes now, and that it is gone.
            let last = match before {
                Some(0) => old,
                Some(_) | None => self.mark_deleted(who, key, &old, 0),
            };
            return self.remove(who, kind, key, &last);
        }
        if before.is_some_and(|before| before <= grace) {
            return old;
        }
        let game = &old["status"]["containerStatuses"][0]["state"];
        if before.is_none() && game["running"].is_object() {
            let told = container(&old, Life::Signalled);
            self.history.add(self.clock.elapsed(), who, told);
        }
        self.mark_deleted(who, key, &old, grace)
    }

    /// A shorter grace counts from now, and not from the first deletion.
    fn mark_deleted(&mut self, who: &str, key: &Key, old: &Value, grace: i64) -> Arc<Value> {
        let mut marked = Value::clone(old);
        let end = self.clock.now() + SignedDuration::from_secs(grace);
        let end = end.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        meta::set(&mut marked, "deletionTimestamp", json!(end));
        meta::set(&mut marked, "deletionGracePeriodSeconds", json!(grace));
        let stored = self.store.put(key.clone(), marked);
        self.note(who);
        stored
    }

    /// Tells the history of containers and volumes what became of an object.
    pub(super) fn tell_of(&self, who: &str, key: &Key, object: &Value, exists: bool) {
        let what = match key.resource.as_str() {
            PODS if exists => container(object, Life::Created),
            // What was on a node, its kubelet tells.
            PODS if !object["spec"]["nodeName"].is_string() => container(object, Life::Removed),
            CLAIMS => What::Volume {
                name: key.name.clone(),
                uid: label(object, dillinger_runner::api::keys::UID).to_owned(),
                exists,
            },
            _ => return,
        };
        self.history.add(self.clock.elapsed(), who, what);
    }
}
