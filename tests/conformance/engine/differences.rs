//! Where the simulated engine is known to show otherwise than the real one, and why that is all right.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::operations::Operation;
use super::side::Step;

/// One known difference: makes both alike in what it is about, and says whether they differed in it.
struct Difference {
    name: &'static str,
    /// Why it cannot hide a fault of the controller.
    #[allow(unused)]
    why: &'static str,
    alike: fn(&Operation, simulated: &mut Step, real: &mut Step) -> bool,
}

const KNOWN: &[Difference] = &[
    Difference {
        name: "last lines of the log",
        why: "simulated games write no log; its lines are shown to people and decide nothing",
        alike: |_, simulated, real| {
            each_exit(simulated, real, |simulated, real| {
                let differs = simulated["lastLines"] == false && real["lastLines"] == true;
                if differs {
                    real["lastLines"] = json!(false);
                }
                differs
            })
        },
    },
    Difference {
        name: "an end by memory that the engine did not notice",
        why: "about one in twelve on a busy machine (Engine 20.10, cgroup v1): it looks like a kill from outside, which the \
              simulation plays too, and the fifth in a row counts as a failure",
        alike: |_, simulated, real| {
            each_exit(simulated, real, |simulated, real| {
                let differs = simulated["oomKilled"] == true
                    && real["oomKilled"] == false
                    && real["code"] == 137;
                if differs {
                    for key in ["oomKilled", "end"] {
                        real[key] = simulated[key].clone();
                    }
                }
                differs
            })
        },
    },
    Difference {
        name: "a list that stands for a look",
        why: "the simulated engine's list shows an end as soon as its events do, so that it stands for what happened just \
              before, too; the real one's does not, and is not asked to: a live look shows more and costs one call",
        alike: |_, simulated, real| {
            let pairs = simulated.parts().into_iter().zip(real.parts());
            pairs.fold(false, |done, (simulated, real)| {
                done | below("seen", simulated, real, |simulated, real| {
                    // A list does not say when a container was started, nor what its game answers.
                    let differs = simulated["running"].is_object()
                        && simulated["running"]["started"].is_null()
                        && real["running"]["started"].is_string();
                    if differs {
                        real["answer"] = simulated["answer"].clone();
                        real["running"]["started"] = Value::Null;
                    }
                    differs
                })
            })
        },
    },
];

/// Does it to each exit that both sides show in the same place; whether it was done to any.
fn each_exit(simulated: &mut Step, real: &mut Step, alike: fn(&Value, &mut Value) -> bool) -> bool {
    let pairs = simulated.parts().into_iter().zip(real.parts());
    pairs.fold(false, |done, (simulated, real)| {
        done | below("exit", simulated, real, alike)
    })
}

/// Does it to each pair of values under this key.
fn below(
    key: &str,
    simulated: &Value,
    real: &mut Value,
    alike: fn(&Value, &mut Value) -> bool,
) -> bool {
    let (Value::Object(simulated), Value::Object(real)) = (simulated, real) else {
        return false;
    };
    real.iter_mut().fold(false, |done, (name, real)| {
        let Some(simulated) = simulated.get(name) else {
            return done;
        };
        let did = if name == key {
            alike(simulated, real)
        } else {
            below(key, simulated, real, alike)
        };
        done | did
    })
}

/// How often each was met.
#[derive(Debug, Default)]
pub struct Differences {
    pub met: BTreeMap<&'static str, u64>,
}

/// Whether the two differ in known ways only; which they are.
pub fn explain(operation: &Operation, simulated: &Step, real: &Step) -> Option<Vec<&'static str>> {
    let (mut simulated, mut real) = (simulated.clone(), real.clone());
    let mut met = Vec::new();
    for known in KNOWN {
        if (known.alike)(operation, &mut simulated, &mut real) {
            met.push(known.name);
        }
    }
    (simulated == real).then_some(met)
}

/// Whether a picture is the one that is waited for, known differences aside.
pub fn alike(operation: &Operation, simulated: &Value, real: &Value) -> bool {
    let step = |picture: &Value| Step {
        answer: Value::Null,
        picture: picture.clone(),
        hints: Value::Null,
    };
    explain(operation, &step(simulated), &step(real)).is_some()
}
