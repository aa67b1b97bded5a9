//! What the controller reads of a Pod, without what differs each time, and what it is to be: states.yaml. One piece of code
//! for the simulated cluster and for the real ones, so that the two are held against the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The one container of our Pods.
const GAME: &str = "game";

/// Who holds a state against a real cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    Pods,
    Nodes,
    Nobody,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub by: By,
    /// Nobody's reason.
    pub why: Option<String>,
    #[serde(default)]
    pub passing: bool,
    #[serde(rename = "not simulated")]
    pub not_simulated: Option<String>,
    pub pod: Value,
}

/// By their names.
pub fn states() -> &'static BTreeMap<String, State> {
    static STATES: LazyLock<BTreeMap<String, State>> = LazyLock::new(read);
    &STATES
}

fn read() -> BTreeMap<String, State> {
    let mut file: serde_yaml::Value =
        serde_yaml::from_str(include_str!("states.yaml")).expect("states.yaml is YAML");
    // What is merged may merge something itself.
    let mut before = serde_yaml::Value::Null;
    while before != file {
        before = file.clone();
        file.apply_merge().expect("what it merges is there");
    }
    let states: BTreeMap<String, State> =
        serde_yaml::from_value(file).expect("states.yaml holds states");
    for (name, state) in &states {
        let why = state.why.is_some();
        assert_eq!(why, state.by == By::Nobody, "{name}: a reason if nobody");
    }
    states
}

/// Everything that was told of each Pod, in this order, and what of it a test has met.
#[derive(Default)]
pub struct Telling {
    words: BTreeMap<String, Vec<Value>>,
    /// How many words of each Pod were before the state that it was found in last.
    passed: BTreeMap<String, usize>,
    met: BTreeSet<String>,
}

impl Telling {
    pub fn add(&mut self, pod: &Value, gone: bool) {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default();
        let words = self.words.entry(name.to_owned()).or_default();
        let word = said(pod, gone);
        // Changes of what nobody reads.
        if words.last() != Some(&word) {
            words.push(word);
        }
    }

    /// Whether the Pod came to be so after what it was found in last.
    pub fn comes_to(&mut self, pod: &str, state: &str) -> bool {
        let wanted = &wanted(state).pod;
        let passed = self.passed.get(pod).copied().unwrap_or(0);
        let words = self.words.get(pod).map_or(&[][..], Vec::as_slice);
        let found = words.iter().skip(passed).position(|word| word == wanted);
        if let Some(found) = found {
            self.passed.insert(pod.to_owned(), passed + found);
            self.met.insert(state.to_owned());
        }
        found.is_some()
    }

    /// Whether it was told of the Pod, before or after.
    pub fn told(&self, pod: &str, state: &str) -> bool {
        let words = self.words.get(pod).map_or(&[][..], Vec::as_slice);
        words.contains(&wanted(state).pod)
    }

    /// The Pod is so, or its kubelet left the word out.
    pub fn passes(&mut self, pod: &str, state: &str) {
        assert!(wanted(state).passing, "{state} is no passing state");
        if !self.comes_to(pod, state) {
            println!("{pod}: never said that it is {state:?}");
            self.met.insert(state.to_owned());
        }
    }

    /// The Pod is so now.
    pub fn assert_is(&mut self, pod: &Value, state: &str) {
        assert_eq!(said(pod, false), wanted(state).pod, "{state}");
        self.met.insert(state.to_owned());
    }

    /// What was told of a Pod beside what it should have come to.
    pub fn differs(&self, pod: &str, state: &str) -> String {
        let passed = self.passed.get(pod).copied().unwrap_or(0);
        let words = self.words.get(pod).map_or(&[][..], Vec::as_slice);
        let told: Vec<String> = words.iter().skip(passed).map(Value::to_string).collect();
        format!(
            "Pod {pod} is not {state:?}\nwanted: {}\nsaid:   {}",
            wanted(state).pod,
            told.join("\n        ")
        )
    }

    /// Every state that is so was met.
    pub fn assert_met(&self, is_so: impl Fn(&State) -> bool) {
        let missed: Vec<&String> = states()
            .iter()
            .filter(|(name, state)| is_so(state) && !self.met.contains(*name))
            .map(|(name, _)| name)
            .collect();
        assert!(missed.is_empty(), "nobody made these: {missed:?}");
    }

    pub fn met(&self) -> &BTreeSet<String> {
        &self.met
    }

    pub fn words(&self) -> impl Iterator<Item = (&str, &Value)> {
        let all = self.words.iter();
        all.flat_map(|(pod, words)| words.iter().map(move |word| (pod.as_str(), word)))
    }
}

fn wanted(state: &str) -> &'static State {
    let found = states().get(state);
    found.unwrap_or_else(|| panic!("states.yaml has no state {state:?}"))
}

/// What is read of a Pod.
pub fn said(pod: &Value, gone: bool) -> Value {
    let (meta, status) = (&pod["metadata"], &pod["status"]);
    let mut said = Map::new();
    let mut add = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            said.insert(name.to_owned(), value);
        }
    };
    let word = |value: &Value, word: &str| {
        value
            .as_str()
            .filter(|t| !t.is_empty())
            .map(|_| json!(word))
    };
    add("gone", gone.then_some(json!(true)));
    add(
        "deletionTimestamp",
        meta["deletionTimestamp"].as_str().map(time),
    );
    let grace = meta["deletionGracePeriodSeconds"].as_i64();
    add(
        "deletionGracePeriodSeconds",
        grace.map(|s| if s == 0 { json!(0) } else { json!("SECONDS") }),
    );
    add("nodeName", word(&pod["spec"]["nodeName"], "NODE"));
    add("phase", status["phase"].as_str().map(Value::from));
    add("reason", status["reason"].as_str().map(Value::from));
    add("message", word(&status["message"], "TEXT"));
    add("podIP", word(&status["podIP"], "ADDRESS"));
    for kind in ["PodScheduled", "DisruptionTarget"] {
        let mut all = status["conditions"].as_array().into_iter().flatten();
        add(
            kind,
            all.find(|condition| condition["type"] == kind)
                .map(condition),
        );
    }
    let mut games = status["containerStatuses"].as_array().into_iter().flatten();
    if let Some(game) = games.find(|container| container["name"] == GAME) {
        add("ready", game["ready"].as_bool().map(Value::from));
        add("started", game["started"].as_bool().map(Value::from));
        add("imageID", word(&game["imageID"], "TEXT"));
        for stage in ["waiting", "running", "terminated"] {
            let fields = game["state"][stage].as_object();
            add(stage, fields.map(|_| of_stage(&game["state"][stage])));
        }
    }
    Value::Object(said)
}

/// Status, reason and message of a condition; of the message the words that the controller knows.
fn condition(condition: &Value) -> Value {
    let text = |field: &str| condition[field].as_str().unwrap_or_default();
    let message = match text("message") {
        "" => "",
        words if words.contains("free ports") => "TEXT (free ports)",
        _ => "TEXT",
    };
    let words = [text("status"), text("reason"), message];
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    json!(words.join(" "))
}

fn of_stage(stage: &Value) -> Value {
    let mut said = Map::new();
    for field in ["exitCode", "reason"] {
        if !stage[field].is_null() {
            said.insert(field.to_owned(), stage[field].clone());
        }
    }
    if stage["message"]
        .as_str()
        .is_some_and(|text| !text.is_empty())
    {
        said.insert("message".to_owned(), json!("TEXT"));
    }
    for field in ["startedAt", "finishedAt"] {
        if let Some(text) = stage[field].as_str() {
            said.insert(field.to_owned(), time(text));
        }
    }
    Value::Object(said)
}

/// A kubelet tells 1970 of what never ran.
fn time(text: &str) -> Value {
    json!(if text.starts_with("1970-") {
        "1970"
    } else {
        "TIME"
    })
}

/// A Pod as the controller makes them, with the image of the test game and what its container and its spec have besides.
pub fn pod(name: &str, args: &[&str], container: &Value, spec: &Value) -> Value {
    let mut game = json!({
        "name": GAME, "image": "dillinger/testgame:1", "imagePullPolicy": "IfNotPresent", "args": args,
        "resources": {
            "limits": {"cpu": "200m", "memory": "64Mi"}, "requests": {"cpu": "20m", "memory": "32Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": false, "privileged": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        },
    });
    put_in(&mut game, container);
    let mut wanted = json!({
        "containers": [game], "restartPolicy": "Never", "automountServiceAccountToken": false,
        "enableServiceLinks": false, "terminationGracePeriodSeconds": 5,
        "securityContext": {
            "runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000, "fsGroup": 1000,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    });
    put_in(&mut wanted, spec);
    let label = dillinger_runner::api::keys::UID;
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {label: name}}, "spec": wanted,
    })
}

fn put_in(object: &mut Value, fields: &Value) {
    for (name, value) in fields.as_object().into_iter().flatten() {
        object[name] = value.clone();
    }
}

/// The kubelet's part in readiness: whether it can connect to this port.
pub fn probe(port: u16) -> Value {
    json!({"startupProbe": {
        "tcpSocket": {"port": port}, "periodSeconds": 1, "timeoutSeconds": 1, "failureThreshold": i32::MAX,
    }})
}

/// A port of the test game at the node.
pub fn at_node(port: u16) -> Value {
    json!({"ports": [{"containerPort": 7777, "hostPort": port, "protocol": "TCP"}]})
}
