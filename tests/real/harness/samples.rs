//! The samples as an administrator and a user apply them, on one runtime or the other and with no other line changed.

use kube::Client;
use serde_json::Value;

use super::ask;

/// A Game, a session of it, and what only the game that the two ask for can answer.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    pub game: &'static str,
    pub session: &'static str,
}

pub const SAMPLES: [Sample; 2] = [
    Sample {
        game: "wesnoth",
        session: "friday",
    },
    Sample {
        game: "teeworlds",
        session: "league",
    },
];

impl Sample {
    /// Creates the Game as its file has it, and the session as its file has it but for `runtime`.
    pub async fn apply(self, client: &Client, namespace: &str, runtime: &str) {
        let game = manifest(&format!("games/{}", self.game));
        let mut session = manifest(&format!("sessions/{}", self.session));
        session["spec"]["runtime"] = runtime.into();
        for (plural, manifest) in [("games", game), ("gamesessions", session)] {
            let path = format!(
                "/apis/dillinger.dev/v1alpha1/namespaces/{namespace}/{plural}?fieldValidation=Strict"
            );
            let request = http::Request::post(path)
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(serde_json::to_vec(&manifest).expect("a manifest is JSON"))
                .expect("a request");
            let created = client.request_text(request).await;
            created.unwrap_or_else(|error| panic!("{plural} of {self:?}: {error}"));
        }
    }

    /// Whether this very game is at this address: Wesnoth's greeting, Teeworlds with the name and the map of the session.
    pub async fn answers(self, address: &str) -> bool {
        match self.game {
            "wesnoth" => ask::wesnoth(address)
                .await
                .is_some_and(|(_, size)| size > 0),
            "teeworlds" => ask::teeworlds(address)
                .await
                .is_some_and(|info| info.contains("Thursday league") && info.contains("ctf2")),
            other => panic!("nobody knows how to ask {other}"),
        }
    }
}

/// The one document of a file in `deploy`.
fn manifest(name: &str) -> Value {
    let file = format!("{}/deploy/{name}.yaml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"));
    serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}
