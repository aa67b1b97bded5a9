//! A Service for a session whose game is exposed at a port of every node or by a load balancer: made before its Pod, so
//! that the number is known to the game, and gone with the session.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::PodRuntime;
use super::act::{Failure, bounded, is_quota};
use super::body::{owned_by, protocol};
use crate::api::{Exposure, keys};
use crate::runtime::{EffectError, SessionKey};
use crate::session::container::{ContainerSpec, Published};

/// Labels of a Pod that a Service of its session carries too.
const SHARED: [&str; 6] = [
    keys::CLUSTER,
    keys::CONTROLLER,
    keys::ENGINE,
    keys::NAMESPACE,
    keys::SESSION,
    keys::UID,
];

impl PodRuntime {
    /// Makes the session's Service what these ports need, if it is not so.
    pub(super) async fn expose(
        &self,
        key: &SessionKey,
        spec: &ContainerSpec,
        exposure: Exposure,
    ) -> Result<(), EffectError> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &key.namespace);
        let wanted = service(spec, key, exposure);
        let made = bounded(services.create(&PostParams::default(), &wanted)).await;
        let failure = match made {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        // Its own number counts as allocated before its name counts as taken.
        let name = wanted.name_any();
        let there = match &failure {
            Failure::Answer(_) => bounded(services.get_opt(&name)).await?,
            Failure::Silence(_) => None,
        };
        let Some(there) = there else {
            return Err(self.not_exposed(spec, failure));
        };
        if there.labels().get(keys::UID) != Some(&key.uid) {
            let words = format!("the name {name} is taken by a Service that is not ours");
            return Err(EffectError::Failed(words));
        }
        if serves(&there, &wanted) {
            return Ok(());
        }
        let (kind, ports) = wanted
            .spec
            .map(|spec| (spec.type_, spec.ports))
            .unwrap_or_default();
        let change = json!({
            "metadata": {"resourceVersion": there.resource_version()},
            "spec": {"type": kind, "ports": ports},
        });
        let change = Patch::Merge(change);
        match bounded(services.patch(&name, &PatchParams::default(), &change)).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(self.not_exposed(spec, failure)),
        }
    }

    /// Takes away what an earlier attempt of the session was exposed by, if there is any: a load balancer costs money.
    pub(super) async fn unexpose(&self, key: &SessionKey) -> Result<(), EffectError> {
        if !self.store.has_service(&key.uid) {
            return Ok(());
        }
        let services: Api<Service> = Api::namespaced(self.client.clone(), &key.namespace);
        let name = name(key);
        let there = bounded(services.get_opt(&name)).await?;
        let Some(uid) = there
            .filter(|there| there.labels().get(keys::UID) == Some(&key.uid))
            .and_then(|there| there.uid())
        else {
            return Ok(());
        };
        let params = DeleteParams {
            preconditions: Some(Preconditions {
                uid: Some(uid),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match bounded(services.delete(&name, &params)).await {
            Ok(_) => Ok(()),
            Err(Failure::Answer(status)) if [404, 409].contains(&status.code) => Ok(()),
            Err(failure) => Err(failure.into()),
        }
    }

    /// A number that somebody else has is not tried again for a while; the next one is, at the next look.
    fn not_exposed(&self, spec: &ContainerSpec, failure: Failure) -> EffectError {
        match &failure {
            Failure::Answer(status) if is_quota(status) => {
                EffectError::Quota(status.message.clone())
            }
            Failure::Answer(status) if status.message.contains("already allocated") => {
                let taken: Vec<u16> = spec
                    .ports
                    .iter()
                    .map(|port| port.host_port)
                    .filter(|number| status.message.contains(&number.to_string()))
                    .collect();
                self.ports.shun(&taken);
                failure.into()
            }
            Failure::Answer(_) | Failure::Silence(_) => failure.into(),
        }
    }
}

/// The body of `POST services`.
pub(super) fn service(spec: &ContainerSpec, owner: &SessionKey, exposure: Exposure) -> Service {
    let labels: BTreeMap<String, String> = SHARED
        .into_iter()
        .filter_map(|key| Some((key.to_owned(), spec.labels.get(key)?.clone())))
        .collect();
    Service {
        metadata: ObjectMeta {
            name: Some(name(owner)),
            namespace: Some(owner.namespace.clone()),
            owner_references: Some(vec![owned_by(owner)]),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: Some(ServiceSpec {
            type_: Some(exposure.as_str().to_owned()),
            selector: Some([(keys::UID.to_owned(), owner.uid.clone())].into()),
            // A game is asked whether it is ready through this very Service.
            publish_not_ready_addresses: Some(true),
            ports: Some(spec.ports.iter().map(|one| port(one, exposure)).collect()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// `g-` and the digits with which the container's name ends.
fn name(owner: &SessionKey) -> String {
    let digits = owner.container_name.rsplit('-').next().unwrap_or_default();
    format!("g-{digits}")
}

fn port(port: &Published, exposure: Exposure) -> ServicePort {
    let word = protocol(port.transport);
    ServicePort {
        name: Some(format!("{}-{}", port.name, word.to_lowercase())),
        port: port.container_port.into(),
        target_port: Some(IntOrString::Int(port.container_port.into())),
        node_port: match exposure {
            Exposure::NodePort => Some(port.host_port.into()),
            // Of a load balancer nobody is told them: the cluster chooses.
            Exposure::LoadBalancer | Exposure::HostPort | Exposure::None => None,
        },
        protocol: Some(word.to_owned()),
        app_protocol: None,
    }
}

/// Whether players and the game find what they need at the Service that is there.
fn serves(there: &Service, wanted: &Service) -> bool {
    let spec = |service: &Service| service.spec.clone().unwrap_or_default();
    let (there, wanted) = (spec(there), spec(wanted));
    let (theirs, ours) = (
        there.ports.unwrap_or_default(),
        wanted.ports.unwrap_or_default(),
    );
    let same = |(theirs, ours): (&ServicePort, &ServicePort)| {
        theirs.name == ours.name
            && theirs.port == ours.port
            && theirs.target_port == ours.target_port
            && (ours.node_port.is_none() || theirs.node_port == ours.node_port)
    };
    there.type_ == wanted.type_ && theirs.len() == ours.len() && theirs.iter().zip(&ours).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::container;
    use crate::session::contract::tests::{resolved, surroundings};
    use crate::session::ports::ChosenPorts;

    fn made(game: serde_json::Value, exposure: Exposure) -> Service {
        let contract = resolved(json!({}), game).expect("a contract");
        let (o, engine) = surroundings(&contract);
        let names = contract.terms.ports.iter().map(|port| port.name.clone());
        let ports = ChosenPorts(names.zip(30_000..).collect());
        let spec = container::spec(&o, &contract, &ports, &engine, 0);
        let key = SessionKey {
            namespace: "arcade".to_owned(),
            name: "friday".to_owned(),
            uid: "u-1".to_owned(),
            container_name: container::name("friday", "u-1"),
        };
        service(&spec, &key, exposure)
    }

    fn both() -> serde_json::Value {
        json!({"ports": [{"name": "game", "containerPort": 8303, "protocol": "TCPUDP"}]})
    }

    fn numbers(service: &Service) -> Vec<(Option<&str>, i32, Option<i32>)> {
        let spec = service.spec.as_ref().expect("a spec");
        let ports = spec.ports.iter().flatten();
        ports
            .map(|port| (port.name.as_deref(), port.port, port.node_port))
            .collect()
    }

    #[test]
    fn a_service_is_its_sessions_and_goes_with_it() {
        let service = made(json!({}), Exposure::NodePort);
        assert_eq!(service.metadata.name.as_deref(), Some("g-a24a7f55f2"));
        assert_eq!(
            service.metadata.owner_references.as_ref().unwrap()[0].uid,
            "u-1"
        );
        let spec = service.spec.expect("a spec");
        assert_eq!(spec.selector.unwrap()["dillinger.dev/uid"], "u-1");
        assert_eq!(spec.publish_not_ready_addresses, Some(true));
    }

    #[test]
    fn a_port_on_both_protocols_has_one_number() {
        assert_eq!(
            numbers(&made(both(), Exposure::NodePort)),
            [
                (Some("game-tcp"), 8303, Some(30_000)),
                (Some("game-udp"), 8303, Some(30_000)),
            ]
        );
    }

    #[test]
    fn behind_a_load_balancer_a_port_has_the_games_own_number() {
        let service = made(both(), Exposure::LoadBalancer);
        assert_eq!(
            numbers(&service),
            [
                (Some("game-tcp"), 8303, None),
                (Some("game-udp"), 8303, None)
            ]
        );
        let spec = service.spec.expect("a spec");
        assert_eq!(spec.type_.as_deref(), Some("LoadBalancer"));
    }

    #[test]
    fn a_service_is_changed_when_its_kind_or_its_ports_do_and_not_for_what_the_cluster_added() {
        let balanced = made(both(), Exposure::LoadBalancer);
        let mut there = balanced.clone();
        let spec = there.spec.as_mut().expect("a spec");
        spec.cluster_ip = Some("10.96.0.9".to_owned());
        for port in spec.ports.iter_mut().flatten() {
            port.node_port = Some(31_000);
        }
        assert!(serves(&there, &balanced));
        let on_nodes = made(both(), Exposure::NodePort);
        assert!(!serves(&there, &on_nodes), "another kind");
        let other = json!({"ports": [{"name": "game", "containerPort": 1, "protocol": "TCPUDP"}]});
        assert!(!serves(&there, &made(other, Exposure::LoadBalancer)));
    }
}
