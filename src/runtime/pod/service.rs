//! A Service for a session whose game is exposed at a port of every node: made before its Pod, so that the number is known
//! to the game, and gone with the session.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use super::PodRuntime;
use super::act::{Failure, bounded, is_quota};
use super::body::{owned_by, protocol};
use crate::api::keys;
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
    ) -> Result<(), EffectError> {
        let services: Api<Service> = Api::namespaced(self.client.clone(), &key.namespace);
        let wanted = service(spec, key);
        let made = bounded(services.create(&PostParams::default(), &wanted)).await;
        let failure = match made {
            Ok(_) => return Ok(()),
            Err(failure) => failure,
        };
        match failure {
            Failure::Answer(status) if status.code == 409 => {}
            other => return Err(self.not_exposed(spec, other)),
        }
        let name = wanted.name_any();
        let Some(there) = bounded(services.get_opt(&name)).await? else {
            return Err(EffectError::Failed(format!(
                "Service {name} was there and is not"
            )));
        };
        if there.labels().get(keys::UID) != Some(&key.uid) {
            let words = format!("the name {name} is taken by a Service that is not ours");
            return Err(EffectError::Failed(words));
        }
        if numbers(&there) == numbers(&wanted) {
            return Ok(());
        }
        let ports = wanted.spec.and_then(|spec| spec.ports);
        let change = json!({
            "metadata": {"resourceVersion": there.resource_version()},
            "spec": {"ports": ports},
        });
        let change = Patch::Merge(change);
        match bounded(services.patch(&name, &PatchParams::default(), &change)).await {
            Ok(_) => Ok(()),
            Err(failure) => Err(self.not_exposed(spec, failure)),
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
fn service(spec: &ContainerSpec, owner: &SessionKey) -> Service {
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
            type_: Some("NodePort".to_owned()),
            selector: Some([(keys::UID.to_owned(), owner.uid.clone())].into()),
            // A game is asked whether it is ready through this very Service.
            publish_not_ready_addresses: Some(true),
            ports: Some(spec.ports.iter().map(port).collect()),
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

fn port(port: &Published) -> ServicePort {
    let word = protocol(port.transport);
    ServicePort {
        name: Some(format!("{}-{}", port.name, word.to_lowercase())),
        port: port.container_port.into(),
        target_port: Some(IntOrString::Int(port.container_port.into())),
        node_port: Some(port.host_port.into()),
        protocol: Some(word.to_owned()),
        app_protocol: None,
    }
}

/// What of a Service's ports matters to players and to the game.
fn numbers(service: &Service) -> Vec<(String, i32, Option<i32>)> {
    let ports = service
        .spec
        .iter()
        .flat_map(|spec| spec.ports.iter().flatten());
    ports
        .map(|port| {
            (
                port.name.clone().unwrap_or_default(),
                port.port,
                port.node_port,
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::container;
    use crate::session::contract::tests::{resolved, surroundings};
    use crate::session::ports::ChosenPorts;

    fn made(game: serde_json::Value) -> Service {
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
        service(&spec, &key)
    }

    #[test]
    fn a_service_is_its_sessions_and_goes_with_it() {
        let service = made(json!({}));
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
        let game =
            json!({"ports": [{"name": "game", "containerPort": 8303, "protocol": "TCPUDP"}]});
        let numbers = numbers(&made(game));
        assert_eq!(
            numbers,
            [
                ("game-tcp".to_owned(), 8303, Some(30_000)),
                ("game-udp".to_owned(), 8303, Some(30_000)),
            ]
        );
    }
}
