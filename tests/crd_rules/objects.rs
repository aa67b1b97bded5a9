//! Objects that hold every field of the definitions between them, all valid.

use serde_json::{Value, json};

/// Games, each with another way to tell that the game is ready.
pub fn games() -> Vec<Value> {
    [
        json!({"periodSeconds": 2, "timeoutSeconds": 2, "log": {"pattern": "ready"}}),
        json!({"tcpSocket": {"port": "last"}}),
        json!({"httpGet": {"port": "last", "path": "/health"}}),
        json!({"exec": {"command": ["/bin/probe", "now"]}}),
        json!({"exchange": {"port": "last", "send": "ping", "expect": "pong"}}),
        json!({"exchange": {"port": "last", "sendHex": "00ff", "expect": "."}}),
    ]
    .into_iter()
    .map(|readiness| {
        let mut game = game();
        game["spec"]["readiness"] = readiness;
        game
    })
    .collect()
}

/// One Game; probes speak of its last port, so that the others can be varied.
pub fn game() -> Value {
    json!({
        "apiVersion": "dillinger.dev/v1alpha1",
        "kind": "Game",
        "metadata": {"name": "a-game"},
        "spec": {
            "title": "A game",
            "image": "example/game:1",
            "imagePullPolicy": "Always",
            "command": ["/bin/game"],
            "args": ["--map", "$(MAP)"],
            "env": [{"name": "MODE", "value": "$(MODE)"}],
            "parameters": [
                {"name": "MAP", "description": "The map.", "default": "dm1", "required": false, "pattern": "[a-z0-9]+"},
                {"name": "MODE", "enum": ["easy", "hard"]},
            ],
            "ports": [
                {"name": "game", "containerPort": 8303, "protocol": "UDP", "portPolicy": "Dynamic"},
                {"name": "fixed", "containerPort": 8304, "protocol": "TCPUDP", "portPolicy": "Static", "hostPort": 27015},
                {"name": "same", "protocol": "UDP", "portPolicy": "Passthrough"},
                {"name": "last", "containerPort": 8305, "protocol": "TCP"},
            ],
            "initProcess": false,
            "runtimes": ["Docker"],
            "startDeadlineSeconds": 60,
            "maxActiveDeadlineSeconds": 3600,
            "terminationGracePeriodSeconds": 10,
            "resources": {"limits": {"cpu": "2", "memory": "1Gi"}, "max": {"cpu": "8", "memory": "8Gi"}},
            "securityContext": {"runAsUser": 1001, "runAsGroup": 1002, "readOnlyRootFilesystem": false},
            "scratch": [{"mountPath": "/tmp", "sizeLimit": "64Mi"}],
            "storage": [{"name": "world", "mountPath": "/data", "size": "2Gi"}],
            "exposure": "HostPort",
            "nodeSelector": {"pool": "games"},
            "tolerations": [
                {"key": "games", "operator": "Exists", "effect": "NoSchedule"},
                {"key": "spot", "operator": "Equal", "value": "yes", "effect": "PreferNoSchedule"},
                {"key": "spot", "value": "yes", "effect": "NoExecute", "tolerationSeconds": 60},
            ],
            "affinity": affinity(),
            "topologySpreadConstraints": [{
                "maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": labels(),
            }],
            "priorityClassName": "players",
            "runtimeClassName": "gvisor",
            "imagePullSecrets": [{"name": "registry"}],
            "hostUsers": false,
            "storageClassName": "fast",
        },
    })
}

fn affinity() -> Value {
    let term = json!({"matchExpressions": [
        {"key": "pool", "operator": "In", "values": ["games", "more"]},
        {"key": "pool", "operator": "NotIn", "values": ["old"]},
        {"key": "cores", "operator": "Gt", "values": ["8"]},
        {"key": "cores", "operator": "Lt", "values": ["64"]},
        {"key": "ssd", "operator": "Exists"},
        {"key": "slow", "operator": "DoesNotExist"},
    ]});
    let pods = json!({"topologyKey": "kubernetes.io/hostname", "labelSelector": labels()});
    let neighbours = json!({
        "requiredDuringSchedulingIgnoredDuringExecution": [pods],
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 10, "podAffinityTerm": pods}],
    });
    json!({
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
            "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 10, "preference": term}],
        },
        "podAffinity": neighbours,
        "podAntiAffinity": neighbours,
    })
}

fn labels() -> Value {
    json!({
        "matchLabels": {"app": "proxy"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["live"]},
            {"key": "tier", "operator": "NotIn", "values": ["test"]},
            {"key": "a", "operator": "Exists"},
            {"key": "b", "operator": "DoesNotExist"},
        ],
    })
}

/// One session, without status.
pub fn session(name: &str) -> Value {
    json!({
        "apiVersion": "dillinger.dev/v1alpha1",
        "kind": "GameSession",
        "metadata": {"name": name},
        "spec": {
            "gameRef": {"name": "a-game"},
            "user": "alice",
            "runtime": "Docker",
            "desiredState": "Running",
            "parameters": [{"name": "MAP", "value": "ctf1"}],
            "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}},
            "startDeadlineSeconds": 60,
            "activeDeadlineSeconds": 600,
            "terminationGracePeriodSeconds": 5,
            "ttlSecondsAfterFinished": 60,
            "restartPolicy": "OnFailure",
            "backoffLimit": 2,
        },
    })
}

/// A status with every field.
pub fn status() -> Value {
    let time = "2026-01-02T03:04:05Z";
    json!({
        "observedGeneration": 1,
        "phase": "Running",
        "address": "game.example:7001",
        "runtime": "Docker",
        "engine": {"id": "0123456789abcdef0123456789abcdef", "name": "host"},
        "attempt": 1,
        "attemptTime": time,
        "restarts": 1,
        "interruptions": 1,
        "startTime": time,
        "finishTime": time,
        "game": {"uid": "u", "generation": 1},
        "container": {
            "name": "friday-0123456789", "id": "c", "image": "example/game:1", "imageID": "sha256:0",
            "nodeName": "host", "startTime": time, "readyTime": time,
        },
        "stop": {"attempt": 0, "reason": "Requested", "time": time},
        "lastExit": {
            "attempt": 0, "reason": "Error", "exitCode": 1, "signal": 9, "oomKilled": false,
            "startTime": time, "finishTime": time,
        },
        "endpoints": [{"name": "game", "protocol": "UDP", "host": "game.example", "port": 7001}],
        "conditions": [{
            "type": "Ready", "status": "True", "reason": "Ready", "message": "", "lastTransitionTime": time,
            "observedGeneration": 1,
        }],
    })
}
