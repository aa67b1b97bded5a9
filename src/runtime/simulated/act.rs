//! One write to the engine: one line, judged by what the journal says now.

use std::io;
use std::sync::atomic::Ordering;

use sha2::{Digest, Sha256};

use super::SimulatedRuntime;
use super::fold::State;
use super::journal::Journal;
use super::line::{Belongs, Created, Line, Stored};
use crate::api::{Endpoint, keys};
use crate::runtime::{EffectError, Outcome, SessionKey, parse_terms};
use crate::session::container::{ContainerSpec, Published, Transport, Volume};
use crate::session::plan::Effect;
use crate::session::seen::ContainerId;

/// Codes of processes that SIGTERM and SIGKILL ended.
const TERMINATED: i32 = 143;
const KILLED: i32 = 137;

impl SimulatedRuntime {
    pub(super) fn carry_out(
        &self,
        key: &SessionKey,
        effect: &Effect,
    ) -> Result<Outcome, EffectError> {
        match effect {
            Effect::Pull { .. } => {
                // It is over as soon as it begins, and who waits for it is told.
                self.hint(key.uid.clone());
                Ok(Outcome::Done)
            }
            Effect::CreateStorage(volumes) => {
                let lines = volumes.iter().map(|volume| stored(key, volume));
                self.appended(lines.collect())
            }
            Effect::Create(spec) => self.create(key, spec),
            Effect::Start(id) => self.start(key, id),
            Effect::Stop(id, _) => self.end(key, id, TERMINATED),
            Effect::Kill(id) => self.end(key, id, KILLED),
            Effect::Remove(id) => self.remove(key, id),
            Effect::RemoveStorage(names) => {
                let line = |name: &String| Line::StorageRemoved {
                    uid: key.uid.clone(),
                    name: name.clone(),
                };
                self.appended(names.iter().map(line).collect())
            }
        }
    }

    fn create(&self, key: &SessionKey, spec: &ContainerSpec) -> Result<Outcome, EffectError> {
        let label = |name: &str| spec.labels.get(name).map(String::as_str);
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let line = Line::Created(Box::new(Created {
            of: belongs(key, label),
            id: sha256(&format!("{}/{number}", self.seed)),
            name: spec.name.clone(),
            attempt: spec.attempt,
            image: spec.image.clone(),
            image_id: format!("sha256:{}", sha256(&spec.image)),
            endpoints: self.endpoints(spec),
            terms: parse_terms(label(keys::CONTRACT)),
            at: self.config.clock.now(),
        }));
        self.write(|journal| match journal.fold.container(&key.uid) {
            Some(_) => Ok(Ok(Outcome::Already)),
            None => Ok(Ok(outcome(journal.append(&line)?))),
        })
    }

    fn start(&self, key: &SessionKey, id: &ContainerId) -> Result<Outcome, EffectError> {
        self.write(|journal| {
            let Some(record) = journal.fold.named(&key.uid, &id.0) else {
                return Ok(Err(missing(id)));
            };
            match record.state {
                State::Created => {
                    let line = Line::Started {
                        uid: key.uid.clone(),
                        id: id.0.clone(),
                        at: self.config.clock.now(),
                    };
                    Ok(Ok(outcome(journal.append(&line)?)))
                }
                State::Running { .. } => Ok(Ok(Outcome::Already)),
                State::Exited { .. } => Ok(Err(EffectError::Failed(format!(
                    "container {} ended and is simulated: it starts once",
                    id.0
                )))),
            }
        })
    }

    fn end(&self, key: &SessionKey, id: &ContainerId, code: i32) -> Result<Outcome, EffectError> {
        let ended = self.write(|journal| match journal.fold.named(&key.uid, &id.0) {
            Some(record) if record.runs() => {
                let line = Line::Exited {
                    uid: key.uid.clone(),
                    id: Some(id.0.clone()),
                    code,
                    at: self.config.clock.now(),
                };
                Ok(Ok(outcome(journal.append(&line)?)))
            }
            Some(_) | None => Ok(Ok(Outcome::Already)),
        });
        self.hint(key.uid.clone());
        ended
    }

    fn remove(&self, key: &SessionKey, id: &ContainerId) -> Result<Outcome, EffectError> {
        self.write(|journal| match journal.fold.named(&key.uid, &id.0) {
            None => Ok(Ok(Outcome::Already)),
            Some(record) if record.runs() => Ok(Err(EffectError::Failed(format!(
                "container {} runs: stop it before it is removed",
                id.0
            )))),
            Some(_) => {
                let line = Line::Removed {
                    uid: key.uid.clone(),
                    id: id.0.clone(),
                };
                Ok(Ok(outcome(journal.append(&line)?)))
            }
        })
    }

    /// Lines that may say what is so already.
    fn appended(&self, lines: Vec<Line>) -> Result<Outcome, EffectError> {
        self.write(|journal| {
            for line in &lines {
                journal.append(line)?;
            }
            Ok(Ok(Outcome::Done))
        })
    }

    fn write(
        &self,
        act: impl FnOnce(&mut Journal) -> io::Result<Result<Outcome, EffectError>>,
    ) -> Result<Outcome, EffectError> {
        self.with(act)
            .unwrap_or_else(|error| Err(EffectError::NoAnswer(self.words(&error))))
    }

    fn endpoints(&self, spec: &ContainerSpec) -> Vec<Endpoint> {
        let endpoint = |port: &Published| Endpoint {
            name: port.name.clone(),
            protocol: match port.transport {
                Transport::Tcp => "TCP",
                Transport::Udp => "UDP",
            }
            .to_owned(),
            host: self.config.advertise_address.clone(),
            port: port.host_port.into(),
        };
        spec.ports.iter().map(endpoint).collect()
    }
}

fn outcome(holds: bool) -> Outcome {
    if holds {
        Outcome::Done
    } else {
        Outcome::Already
    }
}

fn missing(id: &ContainerId) -> EffectError {
    EffectError::Failed(format!("no such container: {}", id.0))
}

fn belongs<'a>(key: &SessionKey, label: impl Fn(&str) -> Option<&'a str>) -> Belongs {
    Belongs {
        cluster: label(keys::CLUSTER).unwrap_or_default().to_owned(),
        controller: label(keys::CONTROLLER).unwrap_or_default().to_owned(),
        namespace: key.namespace.clone(),
        session: key.name.clone(),
        uid: key.uid.clone(),
    }
}

fn stored(key: &SessionKey, volume: &Volume) -> Line {
    Line::StorageMade(Stored {
        of: belongs(key, |name| volume.labels.get(name).map(String::as_str)),
        name: volume.name.clone(),
    })
}

fn sha256(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
