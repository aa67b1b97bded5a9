//! What names an object of a kind: its namespace and its name. Pure.

use std::fmt;
use std::sync::Arc;

use kube::{Resource, ResourceExt};

/// `namespace/name`; without a namespace just the name. Neither can hold a slash. A copy shares it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Named(Arc<str>);

impl Named {
    /// The object of this name.
    pub fn new(namespace: Option<&str>, name: &str) -> Self {
        Named(match namespace {
            Some(namespace) => format!("{namespace}/{name}").into(),
            None => name.into(),
        })
    }

    /// What names this object.
    pub fn of<K: Resource>(object: &K) -> Self {
        Named::new(object.meta().namespace.as_deref(), &object.name_any())
    }

    pub fn namespace(&self) -> Option<&str> {
        self.0.split_once('/').map(|(namespace, _)| namespace)
    }

    pub fn name(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, name)| name)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl fmt::Debug for Named {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_back_what_it_was_made_of() {
        let session = Named::new(Some("games"), "friday.1");
        assert_eq!(
            (session.namespace(), session.name()),
            (Some("games"), "friday.1")
        );
        let cluster = Named::new(None, "friday");
        assert_eq!((cluster.namespace(), cluster.name()), (None, "friday"));
        assert_eq!(session.to_string(), "games/friday.1");
    }
}
