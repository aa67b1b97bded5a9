//! One write to the engine, and what each of its answers means. Nothing here waits for a game.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bollard::query_parameters::{
    CreateContainerOptionsBuilder, KillContainerOptions, RemoveContainerOptionsBuilder,
    RemoveVolumeOptions, StartContainerOptions, StopContainerOptionsBuilder,
};

use super::client::{CallError, Client, Lane, START, WRITE};
use super::create;
use super::engine::Identity;
use crate::api::keys;
use crate::runtime::{EffectError, Outcome, SessionKey};
use crate::session::container::{ContainerSpec, Volume};
use crate::session::facts::EngineId;

/// How long a stop may take to be refused. An engine that takes it up answers when the game has ended,
/// which nobody waits for.
const REFUSAL: Duration = Duration::from_millis(20);

/// The engine goes on with a stop when its client hangs up: a connection is not held for a whole grace.
const HANG_UP: Duration = Duration::from_secs(10);

/// Proves that the engine of now is the one that the write is meant for. `live`: asked now, not remembered.
pub(super) async fn same_engine(
    client: &Client,
    identity: &Identity,
    expected: &EngineId,
    live: bool,
) -> Result<(), EffectError> {
    let found = if live {
        identity.prove(client).await?
    } else {
        identity.now(client).await?
    };
    if found.id == *expected {
        return Ok(());
    }
    Err(EffectError::OtherEngine {
        expected: expected.0.clone(),
        found: found.id.0,
    })
}

pub(super) async fn create(
    client: &Client,
    spec: &ContainerSpec,
    engine: &EngineId,
    bind: IpAddr,
) -> Result<Outcome, EffectError> {
    let body = create::body(spec, engine, bind);
    let options = CreateContainerOptionsBuilder::new()
        .name(&spec.name)
        .build();
    let made = client
        .call(Lane::Start, START, |d| async move {
            d.create_container(Some(options), body).await
        })
        .await;
    match made {
        Ok(_) => Ok(Outcome::Done),
        Err(error) => match error.status() {
            Some(409) => Ok(Outcome::Already),
            Some(400 | 422) => Err(EffectError::Refused(words(error))),
            _ => Err(error.into()),
        },
    }
}

pub(super) async fn start(client: &Client, id: &str) -> Result<Outcome, EffectError> {
    let started = client
        .call(Lane::Start, START, |d| async move {
            d.start_container(id, None::<StartContainerOptions>).await
        })
        .await;
    // 304 (it runs) comes as success. A refusal leaves its reason in the container, where the next look
    // reads it.
    Ok(started.map(|()| Outcome::Done)?)
}

/// Sent, not waited for: only an answer within a moment is the outcome. `late` is given a refusal that comes after it.
pub(super) async fn stop(
    client: &Arc<Client>,
    id: &str,
    grace_seconds: i32,
    late: impl FnOnce(String) + Send + 'static,
) -> Result<Outcome, EffectError> {
    let options = StopContainerOptionsBuilder::new().t(grace_seconds).build();
    let (client, id) = (Arc::clone(client), id.to_owned());
    let mut sent = tokio::spawn(async move {
        client
            .call(Lane::Free, HANG_UP, |d| {
                let id = id.clone();
                async move { d.stop_container(&id, Some(options)).await }
            })
            .await
    });
    match tokio::time::timeout(REFUSAL, &mut sent).await {
        Err(_) => {
            tokio::spawn(async move {
                match sent.await {
                    // An engine that has taken it up says nothing until the game has ended.
                    Ok(Ok(()) | Err(CallError::Timeout(_))) | Err(_) => {}
                    Ok(Err(error)) if error.is_not_found() => {}
                    Ok(Err(error)) => late(words(error)),
                }
            });
            Ok(Outcome::Done)
        }
        Ok(Ok(Ok(()))) => Ok(Outcome::Done),
        Ok(Ok(Err(error))) if error.is_not_found() => Ok(Outcome::Already),
        Ok(Ok(Err(error))) => Err(error.into()),
        Ok(Err(broken)) => Err(EffectError::NoAnswer(broken.to_string())),
    }
}

pub(super) async fn kill(client: &Client, id: &str) -> Result<Outcome, EffectError> {
    let killed = client
        .call(Lane::Write, WRITE, |d| async move {
            d.kill_container(id, None::<KillContainerOptions>).await
        })
        .await;
    match killed {
        Ok(()) => Ok(Outcome::Done),
        Err(error) => match error.status() {
            // Not running, or not there.
            Some(404 | 409) => Ok(Outcome::Already),
            _ => Err(error.into()),
        },
    }
}

/// With its anonymous volumes; never by force, which would end a running game.
pub(super) async fn remove(client: &Client, id: &str) -> Result<Outcome, EffectError> {
    let options = RemoveContainerOptionsBuilder::new().v(true).build();
    let removed = client
        .call(Lane::Write, WRITE, |d| async move {
            d.remove_container(id, Some(options)).await
        })
        .await;
    match removed {
        Ok(()) => Ok(Outcome::Done),
        Err(CallError::Answer { status: 404, .. }) => Ok(Outcome::Already),
        Err(CallError::Answer {
            status: 409,
            message,
        }) if is_under_way(&message) => Ok(Outcome::Already),
        Err(error) => Err(error.into()),
    }
}

/// "removal of container … is already in progress"
fn is_under_way(message: &str) -> bool {
    message.contains("already in progress")
}

/// Makes those that are missing; a volume of that name that is not this session's is never used.
pub(super) async fn create_storage(
    client: &Client,
    key: &SessionKey,
    volumes: &[Volume],
    engine: &EngineId,
) -> Result<Outcome, EffectError> {
    for volume in volumes {
        let request = create::volume(volume, engine);
        let made = client
            .call(Lane::Write, WRITE, |d| async move {
                d.create_volume(request).await
            })
            .await;
        // An engine answers like a success when the name exists already, with the volume as it is.
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                return Err(match error.status() {
                    Some(400 | 422) => EffectError::Refused(words(error)),
                    _ => error.into(),
                });
            }
        };
        if made.labels.get(keys::UID) != Some(&key.uid) {
            return Err(EffectError::Failed(format!(
                "volume {} exists and is not this session's; remove or rename it",
                volume.name
            )));
        }
    }
    Ok(Outcome::Done)
}

/// Removes what carries this session's uid, by name; anything else is left alone.
pub(super) async fn remove_storage(
    client: &Client,
    key: &SessionKey,
    names: &[String],
) -> Result<Outcome, EffectError> {
    for name in names {
        let seen = client
            .call(Lane::Write, WRITE, |d| async move {
                d.inspect_volume(name).await
            })
            .await;
        match seen {
            Ok(volume) if volume.labels.get(keys::UID) == Some(&key.uid) => {}
            Ok(_) => continue,
            Err(error) if error.is_not_found() => continue,
            Err(error) => return Err(error.into()),
        }
        let removed = client
            .call(Lane::Write, WRITE, |d| async move {
                d.remove_volume(name, None::<RemoveVolumeOptions>).await
            })
            .await;
        match removed {
            Ok(()) => {}
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Outcome::Done)
}

/// The engine's own words.
fn words(error: CallError) -> String {
    match error {
        CallError::Answer { message, .. } => message,
        CallError::Timeout(_) | CallError::Unreachable(_) | CallError::Garbled(_) => {
            error.to_string()
        }
    }
}
