//! Objects of a watch that may not be readable: a typed parse of the raw text, the metadata alone on
//! failure, so that one session of a newer version stalls nobody else's. Pure.

use std::borrow::Cow;
use std::fmt::Debug;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::PartialObjectMeta;
use serde::de::{DeserializeOwned, Error};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

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
                let partial: PartialObjectMeta<K> =
                    serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
                let mut metadata = partial.metadata;
                metadata.managed_fields = None;
                Ok(Guarded::Unreadable(Arc::new(Unreadable {
                    metadata,
                    error: error.to_string(),
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
    use super::*;
    use crate::api::GameSession;

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
