//! What happens to the store beside its verbs: the garbage collector, and a restore from a backup. Never blocks.

use serde_json::Value;

use super::kinds;
use super::meta;
use super::pods;
use super::store::{Change, ChangeKind};
use super::verbs::Memory;
use crate::history::What;

/// Who took changes back.
pub const RESTORE: &str = "restore";

impl Memory {
    /// Nothing that comes or changes leaves anything without an owner but itself.
    pub(super) fn collect_where_owned(&mut self, stored: &Value) {
        if stored["metadata"]["ownerReferences"].is_array() {
            self.collect();
        }
    }

    /// What the controller manager does later: objects whose owners are all gone go too, and so does
    /// everything in a namespace that is gone.
    pub(super) fn collect(&mut self) {
        let uids: std::collections::BTreeSet<&str> = self
            .store
            .iter()
            .map(|(_, object)| meta::text(object, "uid"))
            .collect();
        let spaces: std::collections::BTreeSet<&str> = self
            .store
            .iter()
            .filter(|(key, _)| key.resource == "namespaces")
            .map(|(key, _)| key.name.as_str())
            .collect();
        let orphan = self.store.iter().find(|(key, object)| {
            let owners = object["metadata"]["ownerReferences"].as_array();
            let unowned = owners.is_some_and(|owners| {
                !owners.is_empty()
                    && owners
                        .iter()
                        .all(|o| !uids.contains(o["uid"].as_str().unwrap_or_default()))
            });
            let homeless = !key.namespace.is_empty() && !spaces.contains(key.namespace.as_str());
            let waits = meta::is_deleting(object) && !meta::finalizers(object).is_empty();
            let goes = key.resource == pods::PODS && pods::is_going(object);
            (unowned || homeless) && !waits && !goes
        });
        if let Some((key, object)) = orphan {
            let (key, object) = (key.clone(), object.clone());
            let kind = kinds::ALL[&key.resource].clone();
            if key.resource == pods::PODS {
                self.end_pod("garbage-collector", &kind, &key, None);
            } else {
                self.remove("garbage-collector", &kind, &key, &object);
            }
            self.collect();
        }
    }

    /// Goes back by so many changes of what this package defines; the history tells what became of each object.
    pub fn restore(&mut self, back: usize) {
        let ours = |change: &Change| change.key.resource.ends_with(".dillinger.dev");
        let taken = self.store.restore(back, ours);
        for change in taken {
            let (kind, object, before) = match (change.before, change.kind) {
                (Some(before), ChangeKind::Deleted) => (ChangeKind::Added, before, None),
                (Some(before), ChangeKind::Added | ChangeKind::Modified) => {
                    (ChangeKind::Modified, before, Some(change.object))
                }
                (None, _) => {
                    let gone = change.object.clone();
                    (ChangeKind::Deleted, gone, Some(change.object))
                }
            };
            let what = What::Stored {
                key: change.key.clone(),
                kind,
                object: object.clone(),
                before,
            };
            self.history.add(self.clock.elapsed(), RESTORE, what);
            // What ran of a Pod is on its node, whatever is stored.
            if kind != ChangeKind::Modified {
                self.tell_of(RESTORE, &change.key, &object, kind == ChangeKind::Added);
            }
        }
    }
}
