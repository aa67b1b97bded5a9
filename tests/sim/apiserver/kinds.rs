//! The kinds that the server serves: ours from `crds/`, and the few built-in ones that a controller uses.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use serde_json::Value;

use super::object::resource;
use super::schema::Schema;

/// One kind, and the rules of its storage.
pub struct Kind {
    pub group: String,
    pub version: String,
    pub kind: String,
    pub plural: String,
    pub namespaced: bool,
    /// Has the status subresource: `/status` takes status alone, the main endpoint everything else.
    pub status: bool,
    /// Counts changes of its spec.
    pub generation: bool,
    /// A PUT may leave out the resourceVersion.
    pub unconditional_update: bool,
    /// A PUT may create.
    pub create_on_update: bool,
    /// None: taken as it comes.
    pub schema: Option<Schema>,
    /// Paths that field selectors may name, beside metadata.name and metadata.namespace.
    pub selectable: Vec<String>,
}

impl Kind {
    pub fn api_version(&self) -> String {
        if self.group.is_empty() {
            self.version.clone()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    fn built_in(group: &str, version: &str, kind: &str, plural: &str) -> Kind {
        Kind {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            plural: plural.to_owned(),
            namespaced: true,
            status: false,
            generation: false,
            unconditional_update: true,
            create_on_update: false,
            schema: None,
            selectable: Vec::new(),
        }
    }

    /// A custom kind as its definition says.
    pub fn custom(crd: &Value) -> Kind {
        let spec = &crd["spec"];
        let version = &spec["versions"][0];
        let text = |value: &Value| value.as_str().expect("a CRD names its parts").to_owned();
        let selectable = version["selectableFields"].as_array().cloned();
        Kind {
            group: text(&spec["group"]),
            version: text(&version["name"]),
            kind: text(&spec["names"]["kind"]),
            plural: text(&spec["names"]["plural"]),
            namespaced: spec["scope"] == "Namespaced",
            status: version["subresources"]["status"].is_object(),
            generation: true,
            unconditional_update: false,
            create_on_update: false,
            schema: Some(Schema::new(version["schema"]["openAPIV3Schema"].clone())),
            selectable: selectable
                .unwrap_or_default()
                .iter()
                .map(|field| text(&field["jsonPath"]).trim_start_matches('.').to_owned())
                .collect(),
        }
    }
}

/// The custom resource definitions of this package.
pub fn definitions() -> &'static [Value] {
    static READ: LazyLock<Vec<Value>> = LazyLock::new(read_definitions);
    &READ
}

fn read_definitions() -> Vec<Value> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/crds");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .expect("the package has its CRDs")
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|end| end == "yaml"))
        .collect();
    found.sort();
    let text: Vec<String> = found
        .iter()
        .map(|path| std::fs::read_to_string(path).expect("a readable file"))
        .collect();
    let definitions: Vec<Value> = text
        .iter()
        .flat_map(|text| serde_yaml::Deserializer::from_str(text))
        .map(|document| serde::Deserialize::deserialize(document).expect("a CRD is YAML"))
        .collect();
    assert_eq!(definitions.len(), 2, "Game and GameSession");
    definitions
}

/// Everything that is served, by the store's name of the resource. Made once: rules take long to compile.
pub static ALL: LazyLock<BTreeMap<String, Arc<Kind>>> = LazyLock::new(|| {
    let name = |kind: &Kind| resource(&kind.plural, &kind.group);
    all()
        .into_iter()
        .map(|kind| (name(&kind), Arc::new(kind)))
        .collect()
});

fn all() -> Vec<Kind> {
    let mut kinds: Vec<Kind> = definitions().iter().map(Kind::custom).collect();
    kinds.push(Kind {
        namespaced: false,
        status: true,
        ..Kind::built_in("", "v1", "Namespace", "namespaces")
    });
    kinds.push(Kind::built_in("", "v1", "Event", "events"));
    kinds.push(Kind::built_in("events.k8s.io", "v1", "Event", "events"));
    kinds.push(Kind::built_in("", "v1", "ConfigMap", "configmaps"));
    for (kind, plural) in [
        ("Pod", "pods"),
        ("Service", "services"),
        ("PersistentVolumeClaim", "persistentvolumeclaims"),
    ] {
        kinds.push(Kind {
            status: true,
            ..Kind::built_in("", "v1", kind, plural)
        });
    }
    kinds.push(Kind {
        namespaced: false,
        status: true,
        ..Kind::built_in("", "v1", "Node", "nodes")
    });
    kinds.push(Kind {
        unconditional_update: false,
        create_on_update: true,
        ..Kind::built_in("coordination.k8s.io", "v1", "Lease", "leases")
    });
    kinds.push(Kind {
        namespaced: false,
        status: true,
        generation: true,
        ..Kind::built_in(
            "apiextensions.k8s.io",
            "v1",
            "CustomResourceDefinition",
            "customresourcedefinitions",
        )
    });
    kinds
}
