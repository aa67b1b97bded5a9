//! What of ours is on the engine: one session's storage, and everything for the sweep.

use std::collections::HashMap;

use bollard::models::{ContainerSummaryStateEnum, Volume};
use bollard::query_parameters::{ListContainersOptionsBuilder, ListVolumesOptionsBuilder};

use super::DockerRuntime;
use super::client::{CallError, LOOK, Lane, WRITE};
use crate::api::keys;
use crate::runtime::{EffectError, Owned, OwnedKind, SessionKey};
use crate::session::observation::StorageSeen;

impl DockerRuntime {
    pub(super) async fn storage_now(
        &self,
        key: &SessionKey,
        wanted: &[String],
    ) -> Result<StorageSeen, String> {
        let volumes = self
            .volumes(vec![format!("{}={}", keys::UID, key.uid)])
            .await
            .map_err(|error| error.to_string())?;
        let mut present: Vec<String> = volumes.into_iter().map(|v| v.name).collect();
        present.sort_unstable();
        let missing = wanted
            .iter()
            .filter(|name| !present.contains(name))
            .cloned()
            .collect();
        Ok(StorageSeen { present, missing })
    }

    pub(super) async fn list_owned(&self) -> Result<Vec<Owned>, EffectError> {
        let ours = vec![
            format!("{}={}", keys::CLUSTER, self.config.owner.cluster),
            format!("{}={}", keys::CONTROLLER, self.config.owner.controller),
        ];
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&HashMap::from([("label", ours.clone())]))
            .build();
        let containers = self
            .client
            .call(Lane::Look, WRITE, |d| async move {
                d.list_containers(Some(options)).await
            })
            .await?;
        let containers = containers.into_iter().filter_map(|c| {
            use ContainerSummaryStateEnum as State;
            let running = match c.state? {
                State::RUNNING | State::PAUSED | State::RESTARTING | State::STOPPING => true,
                State::CREATED | State::EXITED | State::DEAD | State::REMOVING | State::EMPTY => {
                    false
                }
            };
            owned(&c.labels?, OwnedKind::Container { running }, c.id?)
        });
        let volumes = self.volumes(ours).await?;
        let volumes = volumes
            .into_iter()
            .filter_map(|v| owned(&v.labels, OwnedKind::Storage, v.name));
        Ok(containers.chain(volumes).collect())
    }

    async fn volumes(&self, labels: Vec<String>) -> Result<Vec<Volume>, CallError> {
        let options = ListVolumesOptionsBuilder::new()
            .filters(&HashMap::from([("label", labels)]))
            .build();
        let listed = self
            .client
            .call(Lane::Look, LOOK, |d| async move {
                d.list_volumes(Some(options)).await
            })
            .await?;
        Ok(listed.volumes.unwrap_or_default())
    }
}

/// None: it does not say whose it is, and so nobody sweeps it.
fn owned(labels: &HashMap<String, String>, kind: OwnedKind, id: String) -> Option<Owned> {
    Some(Owned {
        namespace: labels.get(keys::NAMESPACE)?.clone(),
        session: labels.get(keys::SESSION)?.clone(),
        uid: labels.get(keys::UID)?.clone(),
        kind,
        id,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_say_whose_it_is_is_never_swept() {
        let mut labels: HashMap<String, String> = [keys::NAMESPACE, keys::SESSION, keys::UID]
            .into_iter()
            .map(|key| (key.to_owned(), "x".to_owned()))
            .collect();
        assert!(owned(&labels, OwnedKind::Storage, "v".into()).is_some());
        for key in [keys::NAMESPACE, keys::SESSION, keys::UID] {
            let value = labels.remove(key).expect("it was there");
            assert_eq!(owned(&labels, OwnedKind::Storage, "v".into()), None);
            labels.insert(key.to_owned(), value);
        }
    }
}
