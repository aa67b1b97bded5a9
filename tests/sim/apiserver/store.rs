//! What is stored: the objects of now, and every change that led to them, by revision. Never blocks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

/// Names one object: plural with group, namespace (empty for cluster-wide kinds), name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub resource: String,
    pub namespace: String,
    pub name: String,
}

/// One committed change.
#[derive(Clone, Debug)]
pub struct Change {
    pub revision: u64,
    pub key: Key,
    pub kind: ChangeKind,
    /// The object after it; of a deletion the last state, with the revision of the deletion.
    pub object: Arc<Value>,
    pub before: Option<Arc<Value>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeKind {
    Added,
    Modified,
    Deleted,
}

#[derive(Clone, Debug)]
pub struct Store {
    revision: u64,
    /// Changes up to here are forgotten: nobody can watch from before it.
    compacted: u64,
    objects: BTreeMap<Key, Arc<Value>>,
    changes: Vec<Change>,
}

impl Store {
    pub fn new() -> Self {
        Store {
            revision: 1,
            compacted: 0,
            objects: BTreeMap::new(),
            changes: Vec::new(),
        }
    }

    pub fn revision(&self) -> u64 {
        self.revision
    }

    pub fn compacted(&self) -> u64 {
        self.compacted
    }

    pub fn get(&self, key: &Key) -> Option<&Arc<Value>> {
        self.objects.get(key)
    }

    /// Everything of now, in the order of keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Arc<Value>)> {
        self.objects.iter()
    }

    /// The changes later than this revision, oldest first.
    pub fn since(&self, revision: u64) -> &[Change] {
        let from = self
            .changes
            .partition_point(|change| change.revision <= revision);
        &self.changes[from..]
    }

    /// The objects of one resource as they stood at a revision that was not compacted.
    pub fn at(&self, revision: u64, resource: &str) -> BTreeMap<Key, Arc<Value>> {
        let mut then: BTreeMap<Key, Arc<Value>> = self
            .objects
            .iter()
            .filter(|(key, _)| key.resource == resource)
            .map(|(key, object)| (key.clone(), object.clone()))
            .collect();
        for change in self
            .since(revision)
            .iter()
            .rev()
            .filter(|c| c.key.resource == resource)
        {
            match &change.before {
                Some(before) => then.insert(change.key.clone(), before.clone()),
                None => then.remove(&change.key),
            };
        }
        then
    }

    /// Stores it under the next revision, which it then carries.
    pub fn put(&mut self, key: Key, mut object: Value) -> Arc<Value> {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = Value::String(self.revision.to_string());
        let object = Arc::new(object);
        let before = self.objects.insert(key.clone(), object.clone());
        self.changes.push(Change {
            revision: self.revision,
            key,
            kind: if before.is_some() {
                ChangeKind::Modified
            } else {
                ChangeKind::Added
            },
            object: object.clone(),
            before,
        });
        object
    }

    /// Takes it out under the next revision.
    pub fn remove(&mut self, key: &Key) -> Option<Arc<Value>> {
        let before = self.objects.remove(key)?;
        self.revision += 1;
        let mut last = Value::clone(&before);
        last["metadata"]["resourceVersion"] = Value::String(self.revision.to_string());
        self.changes.push(Change {
            revision: self.revision,
            key: key.clone(),
            kind: ChangeKind::Deleted,
            object: Arc::new(last),
            before: Some(before.clone()),
        });
        Some(before)
    }

    /// Forgets the changes up to now.
    pub fn compact(&mut self) {
        self.compacted = self.revision;
        self.changes.clear();
    }

    /// Takes the last changes back, revision included, as a restore from a backup does: as many as `counts` counts
    /// `back` of. What was taken back, the last first.
    pub fn restore(&mut self, back: usize, counts: impl Fn(&Change) -> bool) -> Vec<Change> {
        // A copy is of a cluster: what was there before the first of them is in each.
        let back = back.min(self.changes.iter().filter(|change| counts(change)).count());
        let mut taken: Vec<Change> = Vec::new();
        while taken.iter().filter(|change| counts(change)).count() < back {
            let Some(change) = self.changes.pop() else {
                break;
            };
            // Their kubelets say again how they are.
            if change.key.resource == "nodes" {
                continue;
            }
            match &change.before {
                Some(before) => self.objects.insert(change.key.clone(), before.clone()),
                None => self.objects.remove(&change.key),
            };
            taken.push(change);
        }
        self.revision = self
            .changes
            .last()
            .map_or(self.compacted.max(1), |c| c.revision);
        taken
    }
}
