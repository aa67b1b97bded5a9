//! What each verb does to the store. Never blocks.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};

use super::answer::{Answered, Cause, Refused};
use super::kinds::{self, Kind};
use super::list;
use super::meta;
use super::object::{body, key, placed, replace, resource, split, typed, uid_differs, wish};
use super::patch;
use super::pods;
use super::request::{Request, Verb};
use super::store::{Change, ChangeKind, Key, Store};
use crate::clock::SimClock;
use crate::history::{History, What};

/// The server's whole memory.
pub struct Memory {
    pub store: Store,
    pub(super) clock: SimClock,
    pub(super) history: History,
    uids: u64,
    /// Of what controllers make: how many of these there are tells no session's uid.
    made: u64,
    /// What each manager applied last, by uid, manager and endpoint: a change of it alone is a change of the object.
    applied: BTreeMap<(String, String, bool), Value>,
}

/// Made once: reading the definitions takes long.
static SEEDED: LazyLock<(Store, u64)> = LazyLock::new(|| {
    // A thread of its own: whoever asks may be in a runtime already.
    let made = std::thread::spawn(Memory::seeded);
    made.join().expect("the seeds are valid")
});

/// A code and a body.
pub type Reply = (u16, Arc<Value>);

impl Memory {
    pub fn new(clock: SimClock, history: History) -> Self {
        let (store, uids) = SEEDED.clone();
        Memory {
            store,
            clock,
            history,
            uids,
            made: 0,
            applied: BTreeMap::new(),
        }
    }

    /// What an administrator made before anything happens.
    fn seeded() -> (Store, u64) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let _entered = runtime.enter();
        let mut memory = Memory {
            store: Store::new(),
            clock: SimClock::new(),
            history: History::default(),
            uids: 0,
            made: 0,
            applied: BTreeMap::new(),
        };
        for name in ["default", "kube-system"] {
            memory.seed(
                &json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}),
            );
        }
        for definition in kinds::definitions() {
            memory.seed(definition);
        }
        (memory.store, memory.uids)
    }

    /// Puts an object of a cluster-wide kind in, as an administrator does.
    fn seed(&mut self, object: &Value) {
        let (group, version) = split(object["apiVersion"].as_str().expect("typed"));
        let kind = object["kind"].as_str().expect("typed");
        let plural = format!("{}s", kind.to_lowercase());
        let request = Request {
            verb: Verb::Create,
            group,
            version,
            plural,
            namespace: String::new(),
            name: String::new(),
            status: false,
            query: BTreeMap::new(),
            content_type: "application/json".to_owned(),
            body: object.to_string().into(),
        };
        self.handle("world", &request).expect("a seed is valid");
    }

    /// The kind that a request is for.
    pub fn kind(&self, request: &Request) -> Option<Arc<Kind>> {
        let kind = kinds::ALL.get(&resource(&request.plural, &request.group))?;
        let fits = kind.version == request.version && (!request.status || kind.status);
        fits.then(|| kind.clone())
    }

    /// Does what is asked, watches excepted.
    pub fn handle(&mut self, who: &str, request: &Request) -> Answered<Reply> {
        let Some(kind) = self.kind(request) else {
            if request.status && !request.name.is_empty() {
                return Err(Refused::not_found(
                    &request.group,
                    &request.plural,
                    &request.name,
                ));
            }
            let message = "the server could not find the requested resource";
            return Err(Refused::new(404, "NotFound", message));
        };
        match request.verb {
            Verb::Get => self
                .get(&kind, &key(&kind, request))
                .map(|object| (200, object)),
            Verb::List => {
                let resource = resource(&kind.plural, &kind.group);
                list::page(&self.store, &kind, &resource, request).map(|page| (200, Arc::new(page)))
            }
            Verb::Watch => unreachable!("watches are streams"),
            Verb::Create => {
                let object = body(request)?;
                self.create(who, &kind, &request.namespace, object)
                    .map(|object| (201, object))
            }
            Verb::Update => self.put(who, &kind, request),
            Verb::Patch => self.patch(who, &kind, request),
            Verb::Delete => self.delete(who, &kind, request),
        }
    }

    fn get(&self, kind: &Kind, key: &Key) -> Answered<Arc<Value>> {
        let found = self.store.get(key).cloned();
        found.ok_or_else(|| Refused::not_found(&kind.group, &kind.plural, &key.name))
    }

    fn create(
        &mut self,
        who: &str,
        kind: &Kind,
        namespace: &str,
        mut object: Value,
    ) -> Answered<Arc<Value>> {
        typed(kind, &mut object)?;
        meta::prune(&mut object);
        placed(kind, namespace, "", &mut object)?;
        if kind.namespaced {
            let space = Key {
                resource: "namespaces".to_owned(),
                namespace: String::new(),
                name: namespace.to_owned(),
            };
            if self.store.get(&space).is_none() {
                return Err(Refused::not_found("", "namespaces", namespace));
            }
        }
        let made_by_controllers = [
            "leases",
            "events",
            "pods",
            "services",
            "persistentvolumeclaims",
        ];
        let (group, count) = if made_by_controllers.contains(&kind.plural.as_str()) {
            (0x9000, &mut self.made)
        } else {
            (0x8000, &mut self.uids)
        };
        *count += 1;
        let count = *count;
        if meta::text(&object, "name").is_empty() && !meta::text(&object, "generateName").is_empty()
        {
            let name = format!("{}{:05x}", meta::text(&object, "generateName"), count);
            meta::set(&mut object, "name", json!(name));
        }
        let uid = format!("00000000-0000-4000-{group:04x}-{count:012x}");
        let now = self.now();
        meta::begin(&mut object, uid, now, kind.generation);
        if kind.status && kind.schema.is_some() {
            object.as_object_mut().expect("typed").remove("status");
        }
        if kind.plural == pods::PODS {
            object["status"] = json!({"phase": "Pending"});
        }
        if let Some(schema) = &kind.schema {
            schema.admit(&mut object);
        }
        let name = meta::text(&object, "name").to_owned();
        let mut causes = Vec::new();
        if name.is_empty() {
            let message = "Required value: name or generateName is required";
            causes.push(Cause::new("metadata.name", "FieldValueRequired", message));
        } else if !meta::is_name(&name) {
            let message = format!(
                "Invalid value: {name:?}: a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character"
            );
            causes.push(Cause::invalid("metadata.name", message));
        }
        if let Some(schema) = &kind.schema {
            causes = schema.check(&object, None, causes);
        }
        if !causes.is_empty() {
            return Err(Refused::invalid(&kind.group, &kind.kind, &name, causes));
        }
        if !meta::text(&object, "resourceVersion").is_empty() {
            let message = "resourceVersion should not be set on objects to be created";
            return Err(Refused::new(500, "", message));
        }
        let key = Key {
            resource: resource(&kind.plural, &kind.group),
            namespace: namespace.to_owned(),
            name,
        };
        if self.store.get(&key).is_some() {
            return Err(Refused::exists(&kind.group, &kind.plural, &key.name));
        }
        let stored = self.store.put(key, object);
        self.note(who);
        self.collect_where_owned(&stored);
        Ok(stored)
    }

    fn put(&mut self, who: &str, kind: &Kind, request: &Request) -> Answered<Reply> {
        let key = key(kind, request);
        let mut object = body(request)?;
        typed(kind, &mut object)?;
        meta::prune(&mut object);
        placed(kind, &request.namespace, &request.name, &mut object)?;
        if self.store.get(&key).is_none() && kind.create_on_update {
            let created = self.create(who, kind, &request.namespace, object)?;
            return Ok((201, created));
        }
        let old = self.get(kind, &key)?;
        let uid = meta::text(&object, "uid");
        if !uid.is_empty() && uid != meta::text(&old, "uid") {
            return Err(uid_differs(kind, &key, uid, &old));
        }
        self.update(who, kind, &key, &old, object, request.status)
            .map(|object| (200, object))
    }

    fn patch(&mut self, who: &str, kind: &Kind, request: &Request) -> Answered<Reply> {
        let key = key(kind, request);
        let patch: Value = serde_json::from_slice(&request.body)
            .or_else(|_| serde_yaml::from_slice(&request.body))
            .map_err(|error| Refused::bad_request(format!("error decoding patch: {error}")))?;
        let old = self.store.get(&key).cloned();
        match request.content_type.split(';').next().unwrap_or_default() {
            "application/merge-patch+json" => {
                let old =
                    old.ok_or_else(|| Refused::not_found(&kind.group, &kind.plural, &key.name))?;
                let mut object = Value::clone(&old);
                patch::merge(&mut object, &patch);
                typed(kind, &mut object)?;
                meta::prune(&mut object);
                placed(kind, &request.namespace, &request.name, &mut object)?;
                self.update(who, kind, &key, &old, object, request.status)
                    .map(|object| (200, object))
            }
            "application/apply-patch+yaml" => {
                if !request.query.contains_key("fieldManager") {
                    return Err(Refused::bad_request(
                        "fieldManager is required for apply patch",
                    ));
                }
                let Some(old) = old else {
                    if request.status {
                        return Err(Refused::not_found(&kind.group, &kind.plural, &key.name));
                    }
                    let mut object = patch.clone();
                    meta::prune(&mut object);
                    placed(kind, &request.namespace, &request.name, &mut object)?;
                    let created = self.create(who, kind, &request.namespace, object)?;
                    let manager = request.query["fieldManager"].clone();
                    let owned = (meta::text(&created, "uid").to_owned(), manager, false);
                    self.applied.insert(owned, patch);
                    return Ok((201, created));
                };
                let mut object = Value::clone(&old);
                let none = Value::Null;
                let schema = kind.schema.as_ref().map_or(&none, |schema| schema.root());
                patch::apply(schema, &mut object, &patch);
                meta::prune(&mut object);
                let manager = request.query["fieldManager"].clone();
                let owned = (meta::text(&old, "uid").to_owned(), manager, request.status);
                let known = self.applied.insert(owned, patch.clone());
                let object = self.update(who, kind, &key, &old, object, request.status)?;
                if known.as_ref() == Some(&patch) || object != old {
                    return Ok((200, object));
                }
                let stored = self.store.put(key, Value::clone(&object));
                self.note(who);
                Ok((200, stored))
            }
            other => {
                let message = format!(
                    "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml: {other}"
                );
                Err(Refused::new(415, "UnsupportedMediaType", message))
            }
        }
    }

    /// The common end of PUT and PATCH: `new` is what the client wants to stand there.
    fn update(
        &mut self,
        who: &str,
        kind: &Kind,
        key: &Key,
        old: &Arc<Value>,
        mut new: Value,
        status: bool,
    ) -> Answered<Arc<Value>> {
        let version = meta::text(&new, "resourceVersion").to_owned();
        if version.is_empty() || version == "0" {
            if !kind.unconditional_update {
                let message = "Invalid value: 0: must be specified for an update";
                let cause = Cause::invalid("metadata.resourceVersion", message);
                return Err(Refused::invalid(
                    &kind.group,
                    &kind.plural,
                    &key.name,
                    vec![cause],
                ));
            }
        } else if version != meta::text(old, "resourceVersion") {
            if version.parse::<u64>().is_err() {
                let message = format!("Invalid value: {version:?}: invalid resource version");
                return Err(Refused::bad_request(message));
            }
            let why = "the object has been modified; please apply your changes to the latest version and try again";
            return Err(Refused::conflict(&kind.group, &kind.plural, &key.name, why));
        }
        if status {
            let wanted = new["status"].take();
            new = Value::clone(old);
            replace(&mut new, "status", wanted);
        } else if kind.status && kind.schema.is_some() {
            replace(&mut new, "status", old["status"].clone());
        }
        if let Some(schema) = &kind.schema {
            schema.admit(&mut new);
        }
        let mut causes = Vec::new();
        meta::carry_over(old, &mut new, &mut causes);
        if let Some(schema) = &kind.schema {
            causes = schema.check(&new, Some(old), causes);
        }
        if !causes.is_empty() {
            return Err(Refused::invalid(&kind.group, &kind.kind, &key.name, causes));
        }
        meta::set(
            &mut new,
            "resourceVersion",
            old["metadata"]["resourceVersion"].clone(),
        );
        if !status && kind.generation && wish(&new, kind) != wish(old, kind) {
            let generation = old["metadata"]["generation"].as_i64().unwrap_or_default() + 1;
            meta::set(&mut new, "generation", json!(generation));
        }
        // A Pod within its grace stays, whoever writes to it.
        let at_once = new["metadata"]["deletionGracePeriodSeconds"]
            .as_i64()
            .is_none_or(|grace| grace == 0);
        if meta::is_deleting(&new) && meta::finalizers(&new).is_empty() && at_once {
            self.store.remove(key);
            self.note(who);
            self.collect();
            return Ok(Arc::new(new));
        }
        if new == **old {
            return Ok(old.clone());
        }
        let stored = self.store.put(key.clone(), new);
        self.note(who);
        self.collect_where_owned(&stored);
        Ok(stored)
    }

    fn delete(&mut self, who: &str, kind: &Kind, request: &Request) -> Answered<Reply> {
        let key = key(kind, request);
        let old = self.get(kind, &key)?;
        let options: Value = match request.body.is_empty() {
            true => Value::Null,
            false => body(request)?,
        };
        let wanted = &options["preconditions"];
        if let Some(uid) = wanted["uid"].as_str()
            && uid != meta::text(&old, "uid")
        {
            let found = meta::text(&old, "uid");
            let why = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({found}). The object might have been deleted and then recreated"
            );
            return Err(Refused::conflict(&kind.group, &kind.kind, &key.name, &why));
        }
        if let Some(version) = wanted["resourceVersion"].as_str() {
            let found = meta::text(&old, "resourceVersion");
            if version != found {
                let why = format!(
                    "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({found}). The object might have been modified"
                );
                return Err(Refused::conflict(&kind.group, &kind.kind, &key.name, &why));
            }
        }
        if key.resource == pods::PODS {
            let grace = options["gracePeriodSeconds"].as_i64();
            return Ok((200, self.end_pod(who, kind, &key, grace)));
        }
        Ok((200, self.remove(who, kind, &key, &old)))
    }

    pub(super) fn remove(
        &mut self,
        who: &str,
        kind: &Kind,
        key: &Key,
        old: &Arc<Value>,
    ) -> Arc<Value> {
        if meta::finalizers(old).is_empty() {
            self.store.remove(key);
            self.note(who);
            self.collect();
            let mut details =
                json!({"name": key.name, "kind": kind.plural, "uid": meta::text(old, "uid")});
            if !kind.group.is_empty() {
                details["group"] = json!(kind.group);
            }
            let gone = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
            return Arc::new(gone);
        }
        if meta::is_deleting(old) {
            return old.clone();
        }
        let mut marked = Value::clone(old);
        let now = self.now();
        meta::set(&mut marked, "deletionTimestamp", json!(now));
        meta::set(&mut marked, "deletionGracePeriodSeconds", json!(0));
        if let Some(generation) = marked["metadata"]["generation"].as_i64() {
            meta::set(&mut marked, "generation", json!(generation + 1));
        }
        let stored = self.store.put(key.clone(), marked);
        self.note(who);
        stored
    }

    pub(super) fn note(&self, who: &str) {
        let since = self.store.since(self.store.revision() - 1);
        for Change {
            key,
            kind,
            object,
            before,
            revision: _,
        } in since
        {
            let what = What::Stored {
                key: key.clone(),
                kind: *kind,
                object: object.clone(),
                before: before.clone(),
            };
            self.history.add(self.clock.elapsed(), who, what);
            if *kind != ChangeKind::Modified {
                self.tell_of(who, key, object, *kind == ChangeKind::Added);
            }
        }
    }

    fn now(&self) -> String {
        self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

impl ChangeKind {
    pub fn as_str(self) -> &'static str {
        match self {
            ChangeKind::Added => "ADDED",
            ChangeKind::Modified => "MODIFIED",
            ChangeKind::Deleted => "DELETED",
        }
    }
}
