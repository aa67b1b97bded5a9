//! A session as the cache keeps it: its text, read anew at each look, which costs some 20 µs. Typed, with its
//! maps and strings, one takes several times the memory. Pure.

use std::sync::Arc;

use kube::ResourceExt;

use super::guard::{Guarded, Unreadable};
use super::own_writes;
use crate::api::GameSession;

/// Prefix of our annotations: a change of one is a command.
pub const OURS: &str = "dillinger.dev/";

/// A session in the cache; a copy shares it.
#[derive(Clone, Debug)]
pub struct Kept {
    uid: Arc<str>,
    version: u64,
    form: Form,
}

#[derive(Clone, Debug)]
enum Form {
    /// JSON of the typed session.
    Text(Arc<str>),
    Unreadable(Arc<Unreadable>),
}

impl Kept {
    pub fn uid(&self) -> &str {
        &self.uid
    }

    /// The uid, to be shared.
    pub fn shared_uid(&self) -> Arc<str> {
        self.uid.clone()
    }

    /// Its resourceVersion.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// The session; None where this version cannot read it.
    pub fn read(&self) -> Option<Arc<GameSession>> {
        match &self.form {
            Form::Text(text) => {
                let session = serde_json::from_str(text);
                Some(Arc::new(
                    session.expect("it was written from the same type"),
                ))
            }
            Form::Unreadable(_) => None,
        }
    }

    /// Why it cannot be read; None where it can.
    pub fn unreadable(&self) -> Option<&Arc<Unreadable>> {
        match &self.form {
            Form::Text(_) => None,
            Form::Unreadable(what) => Some(what),
        }
    }
}

impl From<Guarded<GameSession>> for Kept {
    fn from(session: Guarded<GameSession>) -> Self {
        let uid = session.uid().unwrap_or_default().into();
        let version = own_writes::version(&session);
        let form = match session {
            Guarded::Read(session) => {
                let mut session = Arc::unwrap_or_clone(session);
                // Among the others is kubectl's copy of the whole manifest.
                if let Some(annotations) = &mut session.metadata.annotations {
                    annotations.retain(|key, _| key.starts_with(OURS));
                }
                let text = serde_json::to_string(&session).expect("a session is plain data");
                Form::Text(text.into())
            }
            Guarded::Unreadable(what) => Form::Unreadable(what),
        };
        Kept { uid, version, form }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn guarded(spec: &str) -> Guarded<GameSession> {
        let text = format!(
            r#"{{"apiVersion":"dillinger.dev/v1alpha1","kind":"GameSession","metadata":{},"spec":{spec},"status":{{"phase":"Running"}}}}"#,
            json!({
                "name": "friday", "namespace": "games", "uid": "u", "resourceVersion": "7",
                "generation": 3, "finalizers": ["dillinger.dev/container"],
                "annotations": {"dillinger.dev/abandon-engine": "e", "kubectl.kubernetes.io/last-applied-configuration": "{}"},
            })
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn what_is_read_again_is_the_session_without_what_others_noted_on_it() {
        let came = guarded(r#"{"gameRef":{"name":"wesnoth"},"user":"alice"}"#);
        let mut wanted = (**came.read().unwrap()).clone();
        let annotations = wanted.metadata.annotations.as_mut().unwrap();
        annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        let kept = Kept::from(came);
        let read = kept.read().unwrap();
        assert_eq!(json!(*read), json!(wanted));
        assert_eq!((kept.uid(), kept.version()), ("u", 7));
        assert!(kept.unreadable().is_none());
    }

    #[test]
    fn one_that_cannot_be_read_keeps_its_names_and_the_reason() {
        let kept = Kept::from(guarded(r#"{"user":5}"#));
        assert!(kept.read().is_none());
        assert!(!kept.unreadable().unwrap().error.is_empty());
        let name = kept.unreadable().unwrap().metadata.name.clone();
        assert_eq!(name.as_deref(), Some("friday"));
    }
}
