//! One write to the cluster, and what each of its answers means. Nothing here waits for a game.
//!
//! Whatever ends a Pod is one DELETE with its UID as the precondition and a grace of at least a second: a Pod is never
//! deleted by force, since then the object would be gone and the game perhaps not.

use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{DeleteParams, PostParams, Preconditions};
use kube::core::{Request, Status};
use kube::{Api, Resource, ResourceExt};

use super::body;
use super::parse::PodSeen;
use super::store::Came;
use super::told::PodTold;
use super::{PodRuntime, Stranger};
use crate::api::keys;
use crate::runtime::{EffectError, Outcome, SessionKey};
use crate::session::container::{ContainerSpec, Volume};
use crate::session::seen::ContainerId;

/// Longest wait for the API server's answer to one call.
const CALL: Duration = Duration::from_secs(5);

/// How a call failed.
pub(super) enum Failure {
    Answer(Box<Status>),
    Silence(String),
}

impl From<Failure> for EffectError {
    fn from(failure: Failure) -> EffectError {
        match failure {
            Failure::Silence(words) => EffectError::NoAnswer(words),
            Failure::Answer(status) => {
                EffectError::Failed(format!("{} ({})", status.message, status.code))
            }
        }
    }
}

/// One call, its wait bounded.
pub(super) async fn bounded<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, Failure> {
    match tokio::time::timeout(CALL, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) => Err(Failure::Answer(status)),
        Ok(Err(error)) => Err(Failure::Silence(error.to_string())),
        Err(_) => Err(Failure::Silence("no answer in time".to_owned())),
    }
}

impl PodRuntime {
    pub(super) fn pods(&self, namespace: &str) -> Api<Pod> {
        Api::namespaced(self.client.clone(), namespace)
    }

    /// The same Pods, of which little is read.
    fn told(&self, namespace: &str) -> Api<PodTold> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) fn claims(&self, namespace: &str) -> Api<PersistentVolumeClaim> {
        Api::namespaced(self.client.clone(), namespace)
    }

    pub(super) async fn create(
        &self,
        key: &SessionKey,
        spec: &ContainerSpec,
    ) -> Result<Outcome, EffectError> {
        let on_cluster = &spec.on_cluster;
        let exposure = self.exposure(on_cluster.placement.exposure, on_cluster.any_port);
        if exposure.by_service() && !spec.ports.is_empty() {
            self.expose(key, spec, exposure).await?;
        } else {
            self.unexpose(key).await?;
        }
        match bounded(self.post(key, &body::pod(spec, key, exposure))).await {
            Ok(pod) => {
                self.answered(&pod);
                self.ports.taken_up(&key.uid);
                Ok(Outcome::Done)
            }
            Err(Failure::Answer(status)) if status.code == 409 => {
                self.who_has_the_name(key).await?;
                Ok(Outcome::Already)
            }
            Err(Failure::Answer(status)) => Err(refused(&status)),
            Err(silence) => Err(silence.into()),
        }
    }

    async fn post(&self, key: &SessionKey, made: &Pod) -> kube::Result<PodTold> {
        let pods = Request::new(Pod::url_path(&(), Some(&key.namespace)));
        let made = serde_json::to_vec(made).map_err(kube::Error::SerdeError)?;
        let request = pods.create(&PostParams::default(), made);
        let request = request.map_err(kube::Error::BuildRequest)?;
        self.client.request(request).await
    }

    /// The name is taken: by a Pod of this session that the watch did not show yet, or by a stranger.
    pub(super) async fn who_has_the_name(&self, key: &SessionKey) -> Result<(), EffectError> {
        let pods = self.told(&key.namespace);
        let stranger = match bounded(pods.get_opt(&key.container_name)).await? {
            None => None,
            Some(pod) if pod.labels().get(keys::UID) == Some(&key.uid) => {
                self.answered(&pod);
                None
            }
            Some(pod) => Some(Stranger {
                words: format!(
                    "Pod {}, uid {}",
                    pod.name_any(),
                    pod.uid().unwrap_or_default()
                ),
                going: pod.metadata.deletion_timestamp.is_some(),
            }),
        };
        self.remember_stranger(&key.uid, stranger);
        Ok(())
    }

    pub(super) async fn create_storage(
        &self,
        key: &SessionKey,
        volumes: &[Volume],
    ) -> Result<Outcome, EffectError> {
        let claims = self.claims(&key.namespace);
        let mut outcome = Outcome::Already;
        for volume in volumes {
            let made = body::claim(volume, key);
            match bounded(claims.create(&PostParams::default(), &made)).await {
                Ok(_) => outcome = Outcome::Done,
                Err(Failure::Answer(status)) if status.code == 409 => {
                    let there = bounded(claims.get_opt(&volume.name)).await?;
                    let owner = there.as_ref().map(|claim| claim.labels().get(keys::UID));
                    if owner.is_some_and(|owner| owner != Some(&key.uid)) {
                        return Err(EffectError::Failed(format!(
                            "the name {} is taken by a PersistentVolumeClaim that is not this session's",
                            volume.name
                        )));
                    }
                }
                Err(Failure::Answer(status)) if is_quota(&status) => {
                    return Err(EffectError::Quota(status.message.clone()));
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(outcome)
    }

    /// Ends a Pod. `grace` None: its own. What has ended already, and is going, needs no further word.
    pub(super) async fn delete(
        &self,
        key: &SessionKey,
        id: &ContainerId,
        grace: Option<i32>,
    ) -> Result<Outcome, EffectError> {
        let known = self.store.find(&key.uid, &id.0);
        if known.is_none_or(|pod| pod.terminating) {
            return Ok(Outcome::Already);
        }
        let params = DeleteParams {
            grace_period_seconds: grace.map(body::grace),
            preconditions: Some(Preconditions {
                uid: Some(id.0.clone()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        let pods = self.told(&key.namespace);
        match bounded(pods.delete(&key.container_name, &params)).await {
            Ok(deleted) => {
                if let Some(pod) = deleted.left() {
                    self.answered(&pod);
                }
                Ok(Outcome::Done)
            }
            // Gone, or the name has another owner by now.
            Err(Failure::Answer(status)) if [404, 409].contains(&status.code) => {
                Ok(Outcome::Already)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    /// The reply to a write of ours is as good as a word of the watch, and sooner.
    pub(super) fn answered(&self, pod: &PodTold) {
        if let Some(pod) = PodSeen::of(pod) {
            self.store.apply(pod, Came::AsAReply);
        }
    }
}

/// A create that the API server did not take.
fn refused(status: &Status) -> EffectError {
    let words = status.message.clone();
    if is_quota(status) {
        return EffectError::Quota(words);
    }
    match status.code {
        400 | 422 => EffectError::Refused(words),
        // A right that the controller lacks, or a namespace that is not complete yet, says nothing about this Pod.
        403 if words.contains("cannot create resource")
            || words.contains("error looking up service account") =>
        {
            EffectError::Failed(words)
        }
        403 => EffectError::Refused(words),
        _ => EffectError::Failed(format!("{words} ({})", status.code)),
    }
}

pub(super) fn is_quota(status: &Status) -> bool {
    status.code == 403 && status.message.contains("exceeded quota")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(code: u16, message: &str) -> &'static str {
        let status = Status {
            code,
            ..Status::failure(message, "Forbidden")
        };
        refused(&status).label()
    }

    #[test]
    fn a_quota_is_waited_for_and_any_other_refusal_of_the_content_is_not() {
        let over = "pods \"a\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=1, limited: pods=1";
        assert_eq!(label(403, over), "quota");
        let security =
            "pods \"a\" is forbidden: violates PodSecurity \"restricted:latest\": hostPort";
        assert_eq!(label(403, security), "refused");
        assert_eq!(label(422, "Pod \"a\" is invalid: spec"), "refused");
    }

    #[test]
    fn what_says_nothing_about_the_pod_is_tried_again() {
        let right = "pods is forbidden: User \"x\" cannot create resource \"pods\" in API group \"\" in the namespace \"a\"";
        assert_eq!(label(403, right), "failed");
        let cold = "pods \"a\" is forbidden: error looking up service account a/default: serviceaccount \"default\" not found";
        assert_eq!(label(403, cold), "failed");
        assert_eq!(label(404, "namespaces \"a\" not found"), "failed");
        assert_eq!(label(500, "etcdserver: request timed out"), "failed");
    }
}
