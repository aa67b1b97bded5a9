//! The games and sessions under `deploy/` make contracts: no pattern, name or reference in them is wrong in a way
//! that only the controller would see.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use dillinger_runner::api::{Game, GameSession, RuntimeKind};
use dillinger_runner::session::contract::resolve;
use dillinger_runner::session::pattern;
use serde::de::DeserializeOwned;
use serde_json::json;

/// Every manifest in a folder, by file name.
fn manifests<K: DeserializeOwned>(folder: &str) -> BTreeMap<String, K> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let found: BTreeMap<String, K> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "yaml")
        })
        .map(|path| {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let manifest = serde_yaml::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (name, manifest)
        })
        .collect();
    assert!(!found.is_empty(), "no manifest in {}", folder.display());
    found
}

/// A session that sets what the Game requires and nothing else.
fn barest(file: &str, game: &Game) -> GameSession {
    let samples = ["abcdefghijkl", "1", &"A0".repeat(16)];
    let parameters: Vec<_> = game
        .spec
        .parameters
        .iter()
        .filter(|parameter| parameter.required)
        .map(|parameter| {
            let fits = |sample: &&str| {
                parameter.pattern.as_deref().is_none_or(|pattern| {
                    pattern::whole(pattern).is_ok_and(|whole| whole.is_match(sample.as_bytes()))
                })
            };
            let value = match &parameter.allowed {
                Some(allowed) => allowed[0].clone(),
                None => samples
                    .iter()
                    .copied()
                    .find(fits)
                    .unwrap_or_else(|| panic!("{file}: no sample for {}", parameter.name))
                    .to_owned(),
            };
            json!({"name": parameter.name, "value": value})
        })
        .collect();
    serde_json::from_value(json!({
        "apiVersion": "dillinger.dev/v1alpha1",
        "kind": "GameSession",
        "metadata": {"name": "bare", "namespace": "default"},
        "spec": {"gameRef": {"name": game.metadata.name}, "user": "alice", "parameters": parameters},
    }))
    .unwrap()
}

#[test]
fn every_game_runs_for_a_session_that_sets_only_what_is_required() {
    for (file, game) in manifests::<Game>("deploy/games") {
        let session = barest(&file, &game);
        if let Err(refusal) = resolve(&session, Some(&game), None, &[RuntimeKind::Docker]) {
            panic!("{file}: {refusal:?}");
        }
    }
}

#[test]
fn every_session_names_a_game_that_takes_it() {
    let games = manifests::<Game>("deploy/games");
    for (file, session) in manifests::<GameSession>("deploy/sessions") {
        let game = games
            .values()
            .find(|game| game.metadata.name.as_ref() == Some(&session.spec.game_ref.name));
        if let Err(refusal) = resolve(&session, game, None, &[RuntimeKind::Docker]) {
            panic!("{file}: {refusal:?}");
        }
    }
}
