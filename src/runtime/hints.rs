//! "Look again": where hints go once somebody takes them.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Hint;

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
}
