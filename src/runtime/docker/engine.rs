//! Which engine answers: a marker volume with a random id, since a daemon's own id is copied to a
//! second, empty data root.
//!
//! The answer is kept in memory only while the event stream proves that it is still the same daemon.
//! A marker that somebody pruned is made again with the id that our containers and volumes carry.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;
use std::sync::{Mutex, PoisonError};

use bollard::models::{Volume, VolumeCreateRequest};
use bollard::query_parameters::{
    InspectNetworkOptions, ListContainersOptionsBuilder, ListVolumesOptionsBuilder,
};
use jiff::Timestamp;

use super::client::{CallError, Client, LOOK, Lane, WRITE};
use crate::api::keys;
use crate::session::facts::{Engine, EngineId};

/// Name of the marker volume: fixed for ever.
pub(super) const MARKER: &str = "dillinger-engine";

/// The network that the daemon makes anew each time it starts.
const DAEMONS_OWN_NETWORK: &str = "bridge";

#[derive(Default)]
pub(super) struct Identity {
    /// The engine as it was last proved.
    last: Mutex<Option<Engine>>,
    /// The event stream stands, so that `last` is now.
    watched: Mutex<bool>,
    /// One proof at a time: two at once could make two ids.
    proving: tokio::sync::Mutex<()>,
}

impl Identity {
    /// The engine of now, from memory while the event stream stands.
    pub(super) async fn now(&self, client: &Client) -> Result<Engine, CallError> {
        if self.is_watched()
            && let Some(engine) = self.last()
        {
            return Ok(engine);
        }
        self.prove(client).await
    }

    /// The engine of now, asked now.
    pub(super) async fn prove(&self, client: &Client) -> Result<Engine, CallError> {
        let _one = self.proving.lock().await;
        let marker = client
            .call(Lane::Look, LOOK, |d| async move {
                d.inspect_volume(MARKER).await
            })
            .await;
        let id = match marker {
            Ok(volume) => id_of(&volume)?,
            Err(error) if error.is_not_found() => make_marker(client).await?,
            Err(error) => return Err(error),
        };
        if let Some(engine) = self.last()
            && engine.id == id
        {
            return Ok(engine);
        }
        let info = client
            .call(Lane::Look, LOOK, |d| async move { d.info().await })
            .await?;
        let engine = Engine {
            id,
            name: info.name.filter(|n| !n.is_empty()),
        };
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(engine.clone());
        Ok(engine)
    }

    pub(super) fn is_watched(&self) -> bool {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The event stream stands, or broke.
    pub(super) fn set_watched(&self, watched: bool) {
        *self.watched.lock().unwrap_or_else(PoisonError::into_inner) = watched;
    }

    fn last(&self) -> Option<Engine> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// When the daemon itself last started; None where the engine has no such network.
pub(super) async fn started(client: &Client) -> Result<Option<Timestamp>, CallError> {
    let network = client
        .call(Lane::Look, LOOK, |d| async move {
            d.inspect_network(DAEMONS_OWN_NETWORK, None::<InspectNetworkOptions>)
                .await
        })
        .await;
    match network {
        Ok(network) => Ok(network.created.and_then(|text| text.parse().ok())),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn id_of(marker: &Volume) -> Result<EngineId, CallError> {
    match marker.labels.get(keys::ENGINE) {
        Some(id) if is_id(id) => Ok(EngineId(id.clone())),
        Some(other) => Err(CallError::Garbled(format!(
            "volume {MARKER} has the label {}={other}, which is no engine id; remove or rename that volume",
            keys::ENGINE
        ))),
        None => Err(CallError::Garbled(format!(
            "volume {MARKER} has no label {}; somebody else made it, remove or rename it",
            keys::ENGINE
        ))),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// Makes the marker: with the id that our things on this engine carry, else with a new one.
async fn make_marker(client: &Client) -> Result<EngineId, CallError> {
    let filters = HashMap::from([("label", vec![keys::ENGINE])]);
    let containers = client
        .call(Lane::Look, LOOK, |d| {
            let options = ListContainersOptionsBuilder::new()
                .all(true)
                .filters(&filters)
                .build();
            async move { d.list_containers(Some(options)).await }
        })
        .await?;
    let volumes = client
        .call(Lane::Look, LOOK, |d| {
            let options = ListVolumesOptionsBuilder::new().filters(&filters).build();
            async move { d.list_volumes(Some(options)).await }
        })
        .await?;
    let traces = containers
        .into_iter()
        .filter_map(|c| c.labels)
        .chain(volumes.volumes.into_iter().flatten().map(|v| v.labels))
        .filter_map(|mut labels| labels.remove(keys::ENGINE));
    let id = match carried(traces) {
        Some(id) => id,
        None => random_id()?,
    };
    client
        .call(Lane::Free, WRITE, |d| {
            let request = VolumeCreateRequest {
                name: Some(MARKER.to_owned()),
                labels: Some(HashMap::from([(keys::ENGINE.to_owned(), id)])),
                ..VolumeCreateRequest::default()
            };
            async move { d.create_volume(request).await }
        })
        .await?;
    // Somebody else may have been first: a create of an existing volume answers like a success.
    let marker = client
        .call(Lane::Look, LOOK, |d| async move {
            d.inspect_volume(MARKER).await
        })
        .await?;
    id_of(&marker)
}

/// The id that most of our things carry. Several can only come from copied volumes or containers; those
/// of the smaller groups are then EngineMismatch, which destroys nothing.
fn carried(traces: impl Iterator<Item = String>) -> Option<String> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for id in traces.filter(|id| is_id(id)) {
        *counts.entry(id).or_default() += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(_, count)| *count)
        .map(|(id, _)| id)
}

fn random_id() -> Result<String, CallError> {
    let mut bytes = [0_u8; 16];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .map_err(|e| CallError::Garbled(format!("/dev/urandom gives no random bytes: {e}")))?;
    Ok(bytes.iter().map(|b| format!("{b:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{cases, text};

    const ONE: &str = "0123456789abcdef0123456789abcdef";
    const TWO: &str = "ffffffffffffffffffffffffffffffff";

    fn marker(label: Option<&str>) -> Volume {
        Volume {
            name: MARKER.to_owned(),
            labels: label
                .map(|id| (keys::ENGINE.to_owned(), id.to_owned()))
                .into_iter()
                .collect(),
            ..Volume::default()
        }
    }

    #[test]
    fn a_random_id_is_32_hex_digits_and_never_the_same() {
        let (a, b) = (random_id().expect("bytes"), random_id().expect("bytes"));
        assert!(is_id(&a) && is_id(&b), "{a} {b}");
        assert_ne!(a, b);
    }

    #[test]
    fn the_marker_says_which_engine_it_is() {
        assert_eq!(id_of(&marker(Some(ONE))).expect("an id").0, ONE);
    }

    #[test]
    fn a_strangers_volume_of_the_markers_name_is_doubt_and_not_an_engine() {
        for label in [None, Some(""), Some("mine")] {
            let error = id_of(&marker(label)).expect_err("no id");
            assert!(error.to_string().contains(MARKER), "{error}");
        }
    }

    #[test]
    fn a_pruned_marker_comes_back_with_the_id_that_our_things_carry() {
        assert_eq!(carried([ONE.to_owned()].into_iter()).as_deref(), Some(ONE));
        assert_eq!(
            carried([TWO, ONE, ONE, "junk"].map(str::to_owned).into_iter()).as_deref(),
            Some(ONE)
        );
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn whatever_stands_for_an_engines_id_it_is_32_hexadecimal_digits_or_none(
            label in prop_oneof![text(), "[0-9a-fA-F]{32}"],
            traces in proptest::collection::vec(prop_oneof![text(), "[0-9a-f]{32}"], 0..6),
        ) {
            let is_id = |text: &str| text.len() == 32 && text.chars().all(|c| c.is_ascii_hexdigit());
            prop_assert_eq!(id_of(&marker(Some(&label))).is_ok(), is_id(&label));
            let some = traces.iter().any(|trace| is_id(trace));
            let found = carried(traces.into_iter());
            prop_assert_eq!(found.is_some(), some);
            prop_assert!(found.is_none_or(|id| is_id(&id)));
        }
    }

    #[test]
    fn no_trace_of_us_is_another_engine() {
        assert_eq!(carried(std::iter::empty()), None);
        assert_eq!(carried(["junk".to_owned()].into_iter()), None);
    }
}
