//! What is on the engine: one session's container, and everything for the sweep.

use std::fs::File;
use std::io;

use jiff::Timestamp;
use tokio::time::Instant;

use super::SimulatedRuntime;
use super::fold::{Place, State};
use super::journal::line_at;
use super::line::{Created, Line};
use crate::runtime::{EffectError, Look, Owned, OwnedKind};
use crate::session::seen::{Answer, Container, ContainerId, Doubt, Exit, Made, Seen};

/// Containers of a list that are read in one go, before others have their turn.
const LISTED_AT_ONCE: usize = 256;

impl SimulatedRuntime {
    pub(super) fn look_now(&self, look: &Look<'_>) -> Seen {
        if let Some(recorded) = look.engine
            && *recorded != self.engine.id
        {
            return Seen::Unknown(Doubt::EngineMismatch {
                recorded: recorded.0.clone(),
                found: self.engine.id.0.clone(),
            });
        }
        let found = self.with(|journal| {
            let record = journal.fold.container(&look.key.uid);
            Ok(record.map(|record| (record, journal.file())))
        });
        let made = found.and_then(|found| match found {
            Some((record, file)) => Ok(Some((created_at(&file, record.created)?, record.state))),
            None => Ok(None),
        });
        match made {
            Ok(Some((made, state))) => self.seen(look, made, state),
            Ok(None) => Seen::Absent,
            Err(error) => Seen::Unknown(Doubt::EngineUnreachable(self.words(&error))),
        }
    }

    fn seen(&self, look: &Look<'_>, made: Created, state: State) -> Seen {
        let container = |started| Container {
            id: ContainerId(made.id),
            name: made.name,
            attempt: made.attempt,
            created: made.at,
            started,
            image: made.image,
            image_id: Some(made.image_id),
            node_name: self.engine.name.clone(),
            endpoints: made.endpoints,
            terms: made.terms,
        };
        match state {
            State::Created => Seen::Created(container(None), Made::Fresh),
            State::Running { started } => {
                let answer = self.answer(look, started);
                Seen::Running(container(Some(started)), answer)
            }
            State::Exited { started, code, at } => {
                let exit = Exit {
                    code: Some(code),
                    finished: Some(at),
                    ..Exit::default()
                };
                Seen::Exited(container(Some(started)), exit)
            }
        }
    }

    /// As a probe that asks without a break: who asked is hinted at when the answer changes.
    fn answer(&self, look: &Look<'_>, started: Timestamp) -> Answer {
        if self.ready_after.is_zero() {
            return Answer::Ready;
        }
        let ready = started
            .saturating_add(self.ready_after)
            .unwrap_or(Timestamp::MAX);
        let left = self.config.clock.until(ready);
        if left.is_zero() {
            return Answer::Ready;
        }
        if look.probe
            && let Some(at) = Instant::now().checked_add(left)
        {
            self.waits.add(&look.key.uid, at);
        }
        Answer::NotReady(format!("it is simulated and will be ready at {ready}"))
    }

    pub(super) async fn list_owned(&self) -> Result<Vec<Owned>, EffectError> {
        let unread = |error: io::Error| EffectError::NoAnswer(self.words(&error));
        let listed = self.with(|journal| {
            let mut places: Vec<(Place, bool)> = Vec::new();
            for held in journal.fold.all() {
                places.extend(held.container.map(|c| (c.created, c.runs())));
                places.extend(held.storage.iter().map(|(_, place)| (*place, false)));
            }
            Ok((places, journal.file()))
        });
        let (places, file) = listed.map_err(unread)?;
        let mut found = Vec::with_capacity(places.len());
        for some in places.chunks(LISTED_AT_ONCE) {
            for (place, running) in some {
                let (of, kind, id) = match line_at(&file, *place).map_err(unread)? {
                    Line::Created(made) => {
                        let kind = OwnedKind::Container { running: *running };
                        (made.of, kind, made.id)
                    }
                    Line::StorageMade(stored) => (stored.of, OwnedKind::Storage, stored.name),
                    Line::Engine { .. }
                    | Line::Started { .. }
                    | Line::Exited { .. }
                    | Line::Removed { .. }
                    | Line::StorageRemoved { .. } => return Err(unread(garbled())),
                };
                let owner = &self.config.owner;
                if of.cluster == owner.cluster && of.controller == owner.controller {
                    found.push(Owned {
                        namespace: of.namespace,
                        session: of.session,
                        uid: of.uid,
                        kind,
                        id,
                    });
                }
            }
            tokio::task::yield_now().await;
        }
        Ok(found)
    }
}

/// The line that made a container.
fn created_at(file: &File, place: Place) -> io::Result<Created> {
    match line_at(file, place)? {
        Line::Created(made) => Ok(*made),
        Line::Engine { .. }
        | Line::Started { .. }
        | Line::Exited { .. }
        | Line::Removed { .. }
        | Line::StorageMade(_)
        | Line::StorageRemoved { .. } => Err(garbled()),
    }
}

/// A line was not what it was when it was folded.
fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a line of it was written over")
}
