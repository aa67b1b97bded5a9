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
        self.turn(State::Runs, State::Paused);
    }

    /// As SIGCONT does.
    pub fn resume(&self) {
        self.turn(State::Paused, State::Runs);
    }

    /// Nothing brings back the dead.
    fn turn(&self, from: State, to: State) {
        self.0.state.send_if_modified(|state| {
            let turns = *state == from;
            if turns {
                *state = to;
            }
            turns
        });
    }

    /// Goes on at once while it runs, later while it is paused, and never once it is dead.
    pub async fn alive(&self) {
        if *self.0.state.borrow() == State::Runs {
            return;
        }
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

    /// Goes on once it was killed.
    pub async fn died(&self) {
        let mut state = self.0.state.subscribe();
        if state.wait_for(|state| *state == State::Dead).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// A call that is on its way already: it arrives when the process goes on, whoever still waits for its answer.
    pub async fn late<T: Send + 'static>(&self, arrive: impl FnOnce() -> T + Send + 'static) -> T {
        let process = self.clone();
        let arrives = tokio::spawn(async move {
            process.alive().await;
            arrive()
        });
        match arrives.await {
            Ok(answer) => answer,
            // Everything ends.
            Err(_) => std::future::pending().await,
        }
    }
}
