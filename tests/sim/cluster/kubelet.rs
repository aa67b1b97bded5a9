//! What a kubelet does with a Pod that is bound to its node, and what it says of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::scheduler::host_ports;
use super::{Cluster, End, Game, PODS, PULL_AGAIN, START, SUMMED_UP, Stage, key_of, stamp};
use crate::history::{Life, What};

const KILLED: i32 = 137;
/// Its two words for an image that it cannot get, in turns.
const NO_IMAGE: &str = "ErrImagePull";
const BACK_OFF: &str = "ImagePullBackOff";
/// What it calls any image.
const IMAGE: &str = "sha256:1";
const DEFAULT_GRACE: i64 = 30;

fn id_of(pod: &Value) -> String {
    pod["metadata"]["uid"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

fn image_of(pod: &Value) -> &str {
    pod["spec"]["containers"][0]["image"]
        .as_str()
        .unwrap_or_default()
}

impl Cluster {
    /// The kubelet of its node looks at this Pod.
    pub(super) fn tend(self: &Arc<Self>, pod: &Arc<Value>) {
        let id = id_of(pod);
        let deleted = pod["metadata"]["deletionTimestamp"].is_string();
        let game = {
            let mut state = self.lock();
            let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
            if !state
                .nodes
                .get(node)
                .is_some_and(|node| node.on && node.reports)
            {
                return;
            }
            match state.games.get(&id) {
                Some(game) => game.clone(),
                None => {
                    let room = state.nodes[node].room;
                    let ends =
                        |game: &Game| matches!(game.stage, Stage::Ended { .. } | Stage::Failed(..));
                    let all = state.games.values();
                    let here: Vec<&Game> = all
                        .filter(|game| game.node == node && !ends(game))
                        .collect();
                    let ports = host_ports(pod);
                    let held = |game: &&Game| !host_ports(&game.pod).is_disjoint(&ports);
                    let refused = |words: &str| format!("Pod was rejected: {words}");
                    let stage = if deleted {
                        Stage::Failed("", String::new())
                    } else if here.len() >= room {
                        let words = "Node didn't have enough resource: pods";
                        Stage::Failed("OutOfpods", refused(words))
                    } else if here.iter().any(held) {
                        let words = "Predicate NodePorts failed: node(s) didn't have free ports";
                        Stage::Failed("NodePorts", refused(words))
                    } else {
                        Stage::Starting
                    };
                    let game = Game {
                        node: node.to_owned(),
                        key: key_of(pod, PODS),
                        pod: pod.clone(),
                        maker: self.maker(&id),
                        stage,
                        told: false,
                    };
                    state.games.insert(id.clone(), game.clone());
                    drop(state);
                    let started = id.clone();
                    self.later(START, move |cluster| cluster.start_game(&started));
                    game
                }
            }
        };
        self.report(pod, &game);
        if deleted {
            self.end_game(pod, &game);
        }
    }

    /// Who made this Pod, by the history.
    fn maker(&self, id: &str) -> String {
        let made = |what: &What| matches!(what, What::Container { id: of, state: Life::Created, .. } if of == id);
        self.history.who_last(made).unwrap_or_default()
    }

    pub(super) fn start_game(self: &Arc<Self>, id: &str) {
        let mut state = self.lock();
        let at = state.starts.min(state.plays.len() - 1);
        let play = state.plays[at];
        let run = state.starts + 1;
        let Some(game) = state.games.get(id).cloned() else {
            return;
        };
        let up = state
            .nodes
            .get(&game.node)
            .is_some_and(|node| node.on && node.reports);
        let begins = matches!(game.stage, Stage::Starting | Stage::Waiting(..)) && !game.told;
        if !up || !begins {
            return;
        }
        let image = image_of(&game.pod).to_owned();
        let stage = if state.missing.contains(&image) {
            let words = format!("failed to pull and unpack image \"{image}\": not found");
            match game.stage {
                Stage::Waiting(BACK_OFF, _) | Stage::Starting => Stage::Waiting(NO_IMAGE, words),
                _ => Stage::Waiting(BACK_OFF, format!("Back-off pulling image: {words}")),
            }
        } else if let Some(words) = play.refused {
            state.starts = run;
            Stage::Ended {
                end: End {
                    code: 128,
                    reason: "StartError",
                    message: Some(words.to_owned()),
                    started: Some(Timestamp::UNIX_EPOCH),
                    finished: Some(self.clock.now()),
                },
                summed_up: false,
            }
        } else {
            state.starts = run;
            Stage::Running {
                started: self.clock.now(),
                ready: !game.pod["spec"]["containers"][0]["startupProbe"].is_object(),
                run,
            }
        };
        let (waits, runs) = (
            matches!(stage, Stage::Waiting(..)),
            matches!(stage, Stage::Running { .. }),
        );
        let game = state.games.get_mut(id).expect("it was found above");
        game.stage = stage;
        let game = game.clone();
        drop(state);
        let again = id.to_owned();
        if waits {
            self.later(PULL_AGAIN, move |cluster| cluster.start_game(&again));
        } else if !runs {
            self.later(SUMMED_UP, move |cluster| cluster.sum_up(&again));
        } else {
            self.note(&game.maker, &game, Life::Running);
            self.plays_on(&again, run, play);
        }
        self.look();
    }

    /// What comes of a run by itself.
    fn plays_on(self: &Arc<Self>, id: &str, run: usize, play: crate::engine::Play) {
        if let Some(after) = play.ready_after {
            let id = id.to_owned();
            self.later(after, move |cluster| {
                let mut state = cluster.lock();
                if let Some(Stage::Running { ready, run: of, .. }) =
                    state.games.get_mut(&id).map(|game| &mut game.stage)
                    && *of == run
                {
                    *ready = true;
                }
                drop(state);
                cluster.look();
            });
        }
        if let Some((after, code)) = play.ends {
            let id = id.to_owned();
            let reason = match (play.out_of_memory, code) {
                (true, _) => "OOMKilled",
                (false, 0) => "Completed",
                (false, _) => "Error",
            };
            self.later(after, move |cluster| {
                cluster.exit(&id, Some(run), code, reason, "node");
            });
        }
    }

    /// The process ends; `run`: only if this is the run that still goes.
    pub(super) fn exit(
        self: &Arc<Self>,
        id: &str,
        run: Option<usize>,
        code: i32,
        reason: &'static str,
        who: &str,
    ) {
        let mut state = self.lock();
        let Some(game) = state.games.get_mut(id) else {
            return;
        };
        let started = match &game.stage {
            Stage::Running {
                run: of, started, ..
            } if run.is_none_or(|run| run == *of) => *started,
            _ => return,
        };
        game.stage = Stage::Ended {
            end: End {
                code,
                reason,
                message: None,
                started: Some(started),
                finished: Some(self.clock.now()),
            },
            // Of a Pod that it was told to end it says both at once.
            summed_up: game.told,
        };
        let game = game.clone();
        drop(state);
        self.note(who, &game, Life::Exited(code));
        if !game.told {
            let id = id.to_owned();
            self.later(SUMMED_UP, move |cluster| cluster.sum_up(&id));
        }
        self.look();
    }

    /// The phase of a Pod follows its container.
    pub(super) fn sum_up(self: &Arc<Self>, id: &str) {
        if let Some(game) = self.lock().games.get_mut(id)
            && let Stage::Ended { summed_up, .. } = &mut game.stage
        {
            *summed_up = true;
        }
        self.look();
    }

    /// The kubelet's part in a deletion.
    fn end_game(self: &Arc<Self>, pod: &Arc<Value>, game: &Game) {
        let id = id_of(pod);
        match &game.stage {
            Stage::Running { run, .. } if !game.told => {
                let (run, grace) = (*run, grace_of(pod));
                let (wait, code) = {
                    let mut state = self.lock();
                    if let Some(game) = state.games.get_mut(&id) {
                        game.told = true;
                    }
                    let at = (run - 1).min(state.plays.len() - 1);
                    let (takes, code) = state.plays[at].on_term;
                    if takes > grace {
                        (grace, KILLED)
                    } else {
                        (takes, code)
                    }
                };
                let reason = if code == 0 { "Completed" } else { "Error" };
                self.later(wait, move |cluster| {
                    cluster.exit(&id, Some(run), code, reason, "node");
                });
            }
            Stage::Running { .. } => {}
            Stage::Starting | Stage::Waiting(..) => {
                let end = End {
                    code: KILLED,
                    reason: "ContainerStatusUnknown",
                    message: Some(
                        "The container could not be located when the pod was terminated".to_owned(),
                    ),
                    started: None,
                    finished: None,
                };
                self.end_summed_up(pod, &id, end);
            }
            Stage::Ended {
                end,
                summed_up: false,
            } => self.end_summed_up(pod, &id, end.clone()),
            Stage::Ended {
                summed_up: true, ..
            }
            | Stage::Failed(..) => {
                self.write_deletion("kubelet", &game.key, &id, Some(0));
            }
        }
    }

    /// The last word about a Pod that goes, and it is gone.
    fn end_summed_up(&self, pod: &Arc<Value>, id: &str, end: End) {
        let mut state = self.lock();
        let Some(game) = state.games.get_mut(id) else {
            return;
        };
        game.told = true;
        game.stage = Stage::Ended {
            end,
            summed_up: true,
        };
        let game = game.clone();
        drop(state);
        self.report(pod, &game);
        self.write_deletion("kubelet", &game.key, id, Some(0));
    }

    /// Writes what the status does not say yet.
    fn report(&self, pod: &Arc<Value>, game: &Game) {
        let status = said_of(game);
        let same = status.as_object().is_some_and(|fields| {
            fields
                .iter()
                .all(|(key, value)| pod["status"][key] == *value)
        });
        if !same {
            self.write_status("kubelet", &game.key, &status);
        }
    }

    /// Games of Pods that are not stored any more: their kubelets end them; what ended is gone for good.
    pub(super) fn clear_away(self: &Arc<Self>, pods: &[Arc<Value>]) {
        let stored = |game: &Game| pods.iter().any(|pod| id_of(pod) == game.id());
        let lost: Vec<(String, Game, bool)> = {
            let state = self.lock();
            let lost = state.games.iter().filter(|(_, game)| !stored(game));
            lost.map(|(id, game)| {
                let node = state.nodes.get(&game.node);
                let up = node.is_some_and(|node| node.on && node.reports);
                (id.clone(), game.clone(), up)
            })
            .collect()
        };
        for (id, game, up) in lost {
            if !game.is_live() {
                self.lock().games.remove(&id);
                self.note("node", &game, Life::Removed);
            } else if up && !game.told {
                let pod = game.pod.clone();
                self.end_game(&pod, &game);
            }
        }
    }
}

fn grace_of(pod: &Value) -> Duration {
    let asked = pod["metadata"]["deletionGracePeriodSeconds"].as_i64();
    let own = pod["spec"]["terminationGracePeriodSeconds"].as_i64();
    let grace = asked.or(own).unwrap_or(DEFAULT_GRACE);
    Duration::from_secs(u64::try_from(grace).unwrap_or(0))
}

/// The fields of a Pod's status that its kubelet keeps.
fn said_of(game: &Game) -> Value {
    let address = format!("10.202.{}.7", game.node.trim_start_matches("node"));
    let container = |state: Value, ready: bool, image_id: &str| {
        json!([{
            "name": "game", "image": image_of(&game.pod), "imageID": image_id, "restartCount": 0,
            "ready": ready, "started": ready, "state": state,
        }])
    };
    match &game.stage {
        Stage::Starting => json!({
            "phase": "Pending",
            "containerStatuses":
                container(json!({"waiting": {"reason": "ContainerCreating"}}), false, ""),
        }),
        Stage::Waiting(reason, message) => json!({
            "phase": "Pending", "podIP": address,
            "containerStatuses":
                container(json!({"waiting": {"reason": reason, "message": message}}), false, ""),
        }),
        Stage::Running { started, ready, .. } => json!({
            "phase": "Running", "podIP": address,
            "containerStatuses":
                container(json!({"running": {"startedAt": stamp(*started)}}), *ready, IMAGE),
        }),
        Stage::Ended { end, summed_up } => {
            let began = end.started.is_some_and(|at| at > Timestamp::UNIX_EPOCH);
            let phase = match (summed_up, began, end.code) {
                (true, _, 0) => "Succeeded",
                (true, ..) => "Failed",
                (false, true, _) => "Running",
                (false, false, _) => "Pending",
            };
            let mut terminated = json!({"exitCode": end.code, "reason": end.reason});
            for (field, time) in [("startedAt", end.started), ("finishedAt", end.finished)] {
                terminated[field] = time.map(stamp).into();
            }
            if let Some(words) = &end.message {
                terminated["message"] = json!(words);
            }
            let image = if end.started.is_some() { IMAGE } else { "" };
            let mut said = json!({
                "phase": phase,
                "containerStatuses": container(json!({"terminated": terminated}), false, image),
            });
            // What its runtime lost with the power, its sandbox had too.
            let lost = end.reason == "Unknown";
            if lost || end.started.is_some() {
                said["podIP"] = if lost { Value::Null } else { json!(address) };
            }
            said
        }
        Stage::Failed("", _) => json!({}),
        Stage::Failed("Evicted", message) => json!({
            "phase": "Failed", "reason": "Evicted", "message": message,
        }),
        // Of what it never took it tells this and nothing else.
        Stage::Failed(reason, message) => json!({
            "phase": "Failed", "reason": reason, "message": message, "conditions": [],
        }),
    }
}
