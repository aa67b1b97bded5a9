//! What hangs on an engine's list: looks that it stands for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::models::ContainerSummary;

pub(super) use crate::runtime::hints::Hints;

/// A list stands for looks this long; later each look is its own.
const LIST_LASTS: Duration = Duration::from_secs(30);

/// The running containers of the last whole list, by session uid. Each serves one look.
#[derive(Default)]
pub(super) struct Listed(Mutex<Option<(Instant, HashMap<String, ContainerSummary>)>>);

impl Listed {
    pub(super) fn replace(&self, running: HashMap<String, ContainerSummary>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), running));
    }

    /// Takes what the list says of this session; also how something that happened to it is noted.
    pub(super) fn take(&self, uid: &str) -> Option<ContainerSummary> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, running) = slot.as_mut()?;
        if since.elapsed() >= LIST_LASTS || running.is_empty() {
            *slot = None;
            return None;
        }
        running.remove(uid)
    }

    pub(super) fn clear(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_serves_one_look_a_session() {
        let listed = Listed::default();
        listed.replace(HashMap::from([
            ("a".to_owned(), ContainerSummary::default()),
            ("b".to_owned(), ContainerSummary::default()),
        ]));
        assert!(listed.take("a").is_some());
        assert!(listed.take("a").is_none());
        listed.clear();
        assert!(listed.take("b").is_none());
    }
}
