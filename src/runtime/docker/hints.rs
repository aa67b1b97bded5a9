//! "Look again": where hints go once somebody takes them, and what hangs on an engine's list.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bollard::models::ContainerSummary;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::runtime::Hint;

/// Hints are dropped until somebody takes them: whoever does looks at everything first.
#[derive(Clone, Default)]
pub(super) struct Hints(Arc<Mutex<Option<UnboundedSender<Hint>>>>);

impl Hints {
    /// The receiving end; None if it was taken before.
    pub(super) fn take(&self) -> Option<UnboundedReceiver<Hint>> {
        let mut slot = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slot.is_some() {
            return None;
        }
        let (sender, receiver) = unbounded_channel();
        *slot = Some(sender);
        Some(receiver)
    }

    pub(super) fn session(&self, uid: &str) {
        self.send(Hint::Session(uid.to_owned()));
    }

    pub(super) fn all(&self) {
        self.send(Hint::All);
    }

    fn send(&self, hint: Hint) {
        if let Some(sender) = &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            // Nobody listens any more: the process is on its way out.
            let _ = sender.send(hint);
        }
    }
}

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
    fn hints_are_taken_once() {
        let hints = Hints::default();
        hints.all();
        let mut receiver = hints.take().expect("nobody has taken them");
        assert!(hints.take().is_none());
        hints.session("a");
        assert_eq!(receiver.try_recv().ok(), Some(Hint::Session("a".into())));
        assert!(receiver.try_recv().is_err());
    }

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
