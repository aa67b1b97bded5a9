//! One life of a controller: what it still does once it was killed reaches nobody and is never answered.

use std::sync::Arc;

use tokio::sync::watch;

/// A process; a copy is the same.
#[derive(Clone)]
pub struct Process(Arc<Inner>);

struct Inner {
    name: String,
    state: watch::Sender<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Runs,
    /// Its calls wait until it goes on.
    Paused,
    Dead,
}

impl Process {
    pub fn new(name: String) -> Process {
        let state = watch::Sender::new(State::Runs);
        Process(Arc::new(Inner { name, state }))
    }

    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// As `kill -9` does.
    pub fn kill(&self) {
        self.0.state.send_replace(State::Dead);
    }

    /// As SIGSTOP does, to what leaves and enters it.
    pub fn pause(&self) {
        self.0.state.send_replace(State::Paused);
    }

    /// As SIGCONT does.
    pub fn resume(&self) {
        self.0.state.send_replace(State::Runs);
    }

    /// Goes on at once while it runs, later while it is paused, and never once it is dead.
    pub async fn alive(&self) {
        let mut state = self.0.state.subscribe();
        loop {
            let now = *state.borrow_and_update();
            match now {
                State::Runs => return,
                State::Paused => {}
                State::Dead => std::future::pending::<()>().await,
            }
            if state.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}
