//! Volumes: a name that exists answers like a success and keeps its labels, what is in use stays, and one of them
//! says which engine this is.

use std::collections::BTreeMap;

use dillinger_runner::api::keys;

use super::{Engine, Refusal, State};
use crate::history::What;

impl Engine {
    /// Volumes that exist, with their session's uid.
    pub fn volumes(&self) -> Vec<(String, String)> {
        let state = self.lock();
        state
            .volumes
            .iter()
            .map(|(name, labels)| (name.clone(), uid(labels)))
            .collect()
    }

    /// Makes it where it is missing; whose it is.
    pub(super) fn create_volume(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        who: &str,
    ) -> String {
        let mut state = self.lock();
        self.add_volume(&mut state, name, labels, who);
        uid(&state.volumes[name])
    }

    pub(super) fn add_volume(
        &self,
        state: &mut State,
        name: &str,
        labels: &BTreeMap<String, String>,
        who: &str,
    ) {
        if state.volumes.contains_key(name) {
            return;
        }
        self.note_volume(name, labels, true, who);
        state.volumes.insert(name.to_owned(), labels.clone());
    }

    /// Whose a volume is; None: there is none of this name.
    pub(super) fn owner_of_volume(&self, name: &str) -> Option<String> {
        self.lock().volumes.get(name).map(uid)
    }

    pub fn remove_volume(&self, name: &str, who: &str) -> Result<(), Refusal> {
        let mut state = self.lock();
        if !state.volumes.contains_key(name) {
            return Err(Refusal::new(404, format!("get {name}: no such volume")));
        }
        // Whatever state they are in.
        let uses = |c: &super::Kept| c.spec.volumes.iter().any(|volume| volume.name == name);
        if state.containers.values().any(uses) {
            let words = format!("remove {name}: volume is in use");
            return Err(Refusal::new(409, words));
        }
        let labels = state.volumes.remove(name).expect("it was found above");
        self.note_volume(name, &labels, false, who);
        Ok(())
    }

    /// Somebody prunes the volume that says which engine this is. It is made again with the id that most of our things
    /// carry; without any it is another engine.
    pub fn lose_marker(&self) {
        let mut state = self.lock();
        let containers = state.containers.values().map(|c| &c.spec.labels);
        let carried = containers.chain(state.volumes.values());
        let mut counts: BTreeMap<&String, usize> = BTreeMap::new();
        for id in carried.filter_map(|labels| labels.get(keys::ENGINE)) {
            *counts.entry(id).or_default() += 1;
        }
        let most = counts.into_iter().max_by_key(|(_, count)| *count);
        state.id = most.map_or_else(|| state.next_id(), |(id, _)| id.clone());
        state.ids += 1;
    }

    pub(super) fn note_volume(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
        exists: bool,
        who: &str,
    ) {
        let what = What::Volume {
            name: name.to_owned(),
            uid: uid(labels),
            exists,
        };
        self.history.add(self.clock.elapsed(), who, what);
    }
}

fn uid(labels: &BTreeMap<String, String>) -> String {
    labels.get(keys::UID).cloned().unwrap_or_default()
}

impl State {
    /// Of an engine that nobody has seen yet.
    pub(super) fn next_id(&self) -> String {
        format!("{:032x}", (0xe_u128 << 124) + self.ids)
    }
}
