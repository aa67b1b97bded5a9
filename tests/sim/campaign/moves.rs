//! The edits of a walk, and the specs that they lead to.

use serde_json::{Value, json};

pub const GAME: &str = "wesnoth";

/// One edit.
#[derive(Clone, Debug)]
pub enum Move {
    /// Fields of the session's spec, null to take one away.
    Session(Value),
    /// Fields that the API refuses.
    Refused(Value),
    Game(Value),
    RefusedGame(Value),
    DeleteGame,
    CreateGame,
}

/// What is wished for.
#[derive(Clone, Debug)]
pub struct Specs {
    pub session: Value,
    /// None: deleted.
    pub game: Option<Value>,
    /// As it was when it was deleted.
    pub last_game: Value,
}

pub fn game(spec: &Value) -> Value {
    json!({"apiVersion": "dillinger.dev/v1alpha1", "kind": "Game", "metadata": {"name": GAME}, "spec": spec})
}

pub fn session(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession", "metadata": {"name": name}, "spec": spec})
}

/// Edits of a session that leave something to choose from; the first of each field is good.
fn session_moves() -> Vec<Vec<Value>> {
    vec![
        vec![
            json!({"desiredState": "Running"}),
            json!({"desiredState": "Stopped"}),
        ],
        vec![
            json!({"activeDeadlineSeconds": null}),
            json!({"activeDeadlineSeconds": 200_000}),
            // Too long where the Game has a maximum.
            json!({"activeDeadlineSeconds": 900_000}),
        ],
        vec![
            json!({"terminationGracePeriodSeconds": null}),
            json!({"terminationGracePeriodSeconds": 3}),
        ],
        vec![
            json!({"startDeadlineSeconds": null}),
            json!({"startDeadlineSeconds": 900}),
        ],
        vec![
            json!({"ttlSecondsAfterFinished": null}),
            json!({"ttlSecondsAfterFinished": 30}),
        ],
        vec![json!({"backoffLimit": 3}), json!({"backoffLimit": 0})],
    ]
}

fn refused() -> Vec<Value> {
    vec![
        json!({"gameRef": {"name": "another"}}),
        json!({"user": "mallory"}),
        json!({"parameters": null}),
        json!({"parameters": [{"name": "MAP", "value": "large"}]}),
        json!({"runtime": "Docker"}),
        json!({"resources": {"limits": {"memory": "2Gi"}}}),
        json!({"restartPolicy": "OnFailure"}),
        json!({"desiredState": "Paused"}),
        json!({"activeDeadlineSeconds": 0}),
        json!({"terminationGracePeriodSeconds": -1}),
        json!({"backoffLimit": 21}),
    ]
}

/// Edits of a Game, by field; the first of each field is good.
fn game_moves() -> Vec<Vec<Value>> {
    vec![
        vec![
            json!({"readiness": {"log": {"pattern": "ready"}}}),
            json!({"readiness": {"log": {"pattern": "("}}}),
            json!({"readiness": {"log": {"pattern": "done"}}}),
            json!({"readiness": null}),
        ],
        vec![
            json!({"parameters": [{"name": "MAP", "enum": ["small", "large"]}]}),
            json!({"parameters": [{"name": "MAP", "enum": ["large"]}]}),
            json!({"parameters": [{"name": "MAP", "pattern": "("}]}),
            json!({"parameters": [{"name": "MAPS"}]}),
            json!({"parameters": null}),
            json!({"parameters": [{"name": "MAP"}, {"name": "MODE", "required": true}]}),
            json!({"parameters": [{"name": "MAP"}, {"name": "MODE", "default": "fast"}]}),
        ],
        vec![
            json!({"env": null}),
            json!({"env": [{"name": "MODE", "value": "2"}]}),
            json!({"env": [{"name": "MODE", "value": "$(NOWHERE)"}]}),
        ],
        vec![json!({"image": "example:1"}), json!({"image": "example:2"})],
        vec![
            json!({"maxActiveDeadlineSeconds": null}),
            json!({"maxActiveDeadlineSeconds": 500_000}),
        ],
        vec![
            json!({"resources": {"max": {"memory": "4Gi", "cpu": "4"}}}),
            // Less than the session has.
            json!({"resources": {"max": {"memory": "512Mi", "cpu": "4"}}}),
        ],
        vec![
            json!({"runtimes": ["Docker", "Pod"]}),
            json!({"runtimes": ["Pod"]}),
            json!({"runtimes": ["Docker"]}),
        ],
    ]
}

fn refused_games() -> Vec<Value> {
    vec![
        json!({"image": null}),
        json!({"readiness": {"log": null, "tcpSocket": {"port": "nowhere"}}}),
        json!({"runtimes": []}),
        json!({"ports": [{"name": "game"}]}),
        json!({"env": [{"name": "USER_ID", "value": "x"}]}),
        json!({"terminationGracePeriodSeconds": -1}),
        json!({"imagePullPolicy": "Sometimes"}),
    ]
}

/// One of them.
fn any<T: Clone>(random: &mut fastrand::Rng, of: &[T]) -> T {
    of[random.usize(..of.len())].clone()
}

/// As RFC 7386 says.
fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    let fields = into.as_object_mut().expect("made so above");
    for (key, value) in patch {
        if value.is_null() {
            fields.remove(key);
        } else {
            merge(fields.entry(key).or_insert(Value::Null), value);
        }
    }
}

impl Specs {
    /// With these the game runs.
    pub fn good() -> Specs {
        let mut game = json!({
            "ports": [{"name": "game", "containerPort": 15000, "protocol": "TCP"}],
            "storage": [{"name": "world", "mountPath": "/data"}],
        });
        for field in game_moves() {
            merge(&mut game, &field[0]);
        }
        let mut session = json!({
            "gameRef": {"name": GAME}, "user": "alice",
            "parameters": [{"name": "MAP", "value": "small"}],
            "resources": {"limits": {"memory": "1Gi"}},
        });
        for field in session_moves() {
            merge(&mut session, &field[0]);
        }
        Specs {
            session,
            game: Some(game.clone()),
            last_game: game,
        }
    }

    pub fn stopped(&self) -> bool {
        self.session["desiredState"] == "Stopped"
    }

    pub fn choose(&self, random: &mut fastrand::Rng) -> Move {
        if self.game.is_none() && random.u8(..3) > 0 {
            return Move::CreateGame;
        }
        let field = |random: &mut fastrand::Rng, of: &[Vec<Value>]| {
            let field = any(random, of);
            any(random, &field)
        };
        match (random.u8(..20), &self.game) {
            (0..8, _) => Move::Session(field(random, &session_moves())),
            (8..10, _) | (_, None) => Move::Refused(any(random, &refused())),
            (10..18, Some(_)) => Move::Game(field(random, &game_moves())),
            (18, Some(_)) => Move::RefusedGame(any(random, &refused_games())),
            (_, Some(_)) => Move::DeleteGame,
        }
    }

    pub fn go(&mut self, way: &Move) {
        match way {
            Move::Session(patch) => merge(&mut self.session, patch),
            Move::Game(patch) => merge(self.game.as_mut().expect("it is there"), patch),
            Move::Refused(_) | Move::RefusedGame(_) => {}
            Move::DeleteGame => self.last_game = self.game.take().expect("it is there"),
            Move::CreateGame => self.game = Some(self.last_game.clone()),
        }
    }

    /// The edits that lead back to the good specs.
    pub fn back(&self) -> Vec<Move> {
        let mut ways = Vec::new();
        if self.game.is_none() {
            ways.push(Move::CreateGame);
        }
        let all = |fields: Vec<Vec<Value>>| {
            let mut all = json!({});
            for field in fields {
                for (key, value) in field[0].as_object().expect("a map") {
                    all[key] = value.clone();
                }
            }
            all
        };
        ways.push(Move::Game(all(game_moves())));
        ways.push(Move::Session(all(session_moves())));
        ways
    }
}
