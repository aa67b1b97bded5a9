//! Objects of a watch that may not be readable: a typed parse of the raw text, the metadata alone on
//! failure, so that one session of a newer version stalls nobody else's. Pure.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::session::quoted::plain;

/// Characters of the parser's words that are kept: they show the value that it met, however long.
const SHOWN: usize = 256;

/// An object as it came, without managedFields; a copy shares it.
#[derive(Clone, Debug)]
pub enum Guarded<K> {
    Read(Arc<K>),
    Unreadable(Arc<Unreadable>),
}

/// What is known of an object that cannot be read.
#[derive(Clone, Debug)]
pub struct Unreadable {
    pub metadata: ObjectMeta,
    pub error: String,
}

/// The rest is passed over unread, however deep it is: kube's own partial object keeps a copy of it first, which has a
/// limit of depth, and one object past it would stall the watch.
#[derive(Deserialize)]
struct Partial {
    metadata: ObjectMeta,
}

impl<K> Guarded<K> {
    /// The object, if it can be read.
    pub fn read(&self) -> Option<&Arc<K>> {
        match self {
            Guarded::Read(object) => Some(object),
            Guarded::Unreadable(_) => None,
        }
    }
}

impl<'de, K: Resource + DeserializeOwned> Deserialize<'de> for Guarded<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <Box<RawValue>>::deserialize(deserializer)?;
        match serde_json::from_str::<K>(raw.get()) {
            Ok(mut object) => {
                object.meta_mut().managed_fields = None;
                Ok(Guarded::Read(Arc::new(object)))
            }
            Err(error) => {
                let Partial { mut metadata } =
                    serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
                metadata.managed_fields = None;
                Ok(Guarded::Unreadable(Arc::new(Unreadable {
                    metadata,
                    error: plain(&error.to_string(), SHOWN),
                })))
            }
        }
    }
}

impl<K: Resource + Clone> Resource for Guarded<K> {
    type DynamicType = K::DynamicType;
    type Scope = K::Scope;

    fn kind(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::kind(dt)
    }

    fn group(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::group(dt)
    }

    fn version(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::version(dt)
    }

    fn plural(dt: &Self::DynamicType) -> Cow<'_, str> {
        K::plural(dt)
    }

    fn meta(&self) -> &ObjectMeta {
        match self {
            Guarded::Read(object) => object.meta(),
            Guarded::Unreadable(what) => &what.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match self {
            Guarded::Read(object) => Arc::make_mut(object).meta_mut(),
            Guarded::Unreadable(what) => &mut Arc::make_mut(what).metadata,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::api::GameSession;
    use crate::hostile::{cases, edited, edits};

    fn parse(spec: &str) -> Guarded<GameSession> {
        let metadata =
            r#"{"name":"friday","namespace":"games","uid":"u","managedFields":[{"manager":"m"}]}"#;
        let text = format!(
            r#"{{"apiVersion":"dillinger.dev/v1alpha1","kind":"GameSession","metadata":{metadata},"spec":{spec}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_session_that_can_be_read_is_typed_and_carries_no_managed_fields() {
        let parsed = parse(r#"{"gameRef":{"name":"wesnoth"},"user":"alice"}"#);
        assert_eq!(parsed.read().unwrap().spec.user, "alice");
        assert_eq!(parsed.meta().managed_fields, None);
    }

    #[test]
    fn a_session_of_a_newer_version_keeps_its_name_and_the_reason_why_it_cannot_be_read() {
        let parsed = parse(r#"{"gameRef":{"name":"wesnoth"},"user":"alice","runtime":"Wasm"}"#);
        let Guarded::Unreadable(what) = &parsed else {
            panic!("read: {parsed:?}")
        };
        assert_eq!(parsed.meta().name.as_deref(), Some("friday"));
        assert!(what.error.contains("Wasm"), "{}", what.error);
        assert_eq!(parsed.meta().managed_fields, None);
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn whatever_makes_an_object_unreadable_its_words_are_short_and_its_name_is_kept(edits in edits(4)) {
            let spec = json!({"gameRef": {"name": "wesnoth"}, "user": "alice", "runtime": "Docker", "parameters": []});
            let spec = edited(spec, "", &edits);
            let parsed = parse(&spec.to_string());
            prop_assert_eq!(parsed.meta().name.as_deref(), Some("friday"));
            if let Guarded::Unreadable(what) = &parsed {
                prop_assert!(what.error.chars().count() <= SHOWN + 1, "{}", what.error);
                prop_assert!(!what.error.chars().any(char::is_control), "{:?}", what.error);
            }
        }
    }

    #[test]
    fn one_unreadable_session_does_not_spoil_the_list_that_holds_it() {
        let good = r#"{"metadata":{"name":"a"},"spec":{"gameRef":{"name":"g"},"user":"u"}}"#;
        let bad = r#"{"metadata":{"name":"b"},"spec":{"user":5}}"#;
        let list: Vec<Guarded<GameSession>> =
            serde_json::from_str(&format!("[{good},{bad},{good}]")).unwrap();
        let read = list.iter().filter(|item| item.read().is_some()).count();
        assert_eq!((list.len(), read), (3, 2));
    }
}
