//! `engine show` and `engine abandon`: the way out for an engine that is lost.
//!
//! Talks to the API server and the engine, asks the person, and ends. Every call is bounded.

use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::time::Duration;

use anyhow::{Context as _, bail};
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;

use super::client::{self, WatchAges};
use super::guard::Guarded;
use super::start::docker_to_ask;
use crate::api::{ABANDON_ENGINE, GameSession};
use crate::config::{EngineCommand, EngineFlags};
use crate::runtime::Runtime;
use crate::session::facts::Engine;
use crate::session::observation::Owner;

/// Longest wait for one answer.
const CALL: Duration = Duration::from_secs(10);
const PAGE: u32 = 100;

/// Runs one of the two commands.
pub async fn engine(command: EngineCommand) -> anyhow::Result<()> {
    match command {
        EngineCommand::Show(flags) => show(&flags).await,
        EngineCommand::Abandon { id, yes, flags } => abandon(&id, yes, &flags).await,
    }
}

/// A session as these commands need it.
struct Recorded {
    namespace: String,
    name: String,
    engine: String,
    abandoned: bool,
}

async fn show(flags: &EngineFlags) -> anyhow::Result<()> {
    let client = client::connect(&WatchAges::default()).await?;
    match engine_now(&client, flags).await? {
        Some(Engine { id, name }) => {
            println!("engine   {}", id.0);
            println!("host     {}", name.unwrap_or_else(|| "-".to_owned()));
        }
        None => println!("engine   does not answer"),
    }
    let mut by_engine: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for session in recorded(&client, flags).await? {
        let counts = by_engine.entry(session.engine).or_default();
        counts.0 += 1;
        counts.1 += usize::from(session.abandoned);
    }
    println!("sessions by recorded engine:");
    if by_engine.is_empty() {
        println!("  none");
    }
    for (engine, (all, abandoned)) in by_engine {
        println!("  {engine}  {all} sessions, {abandoned} of them declared abandoned");
    }
    Ok(())
}

async fn abandon(id: &str, yes: bool, flags: &EngineFlags) -> anyhow::Result<()> {
    let client = client::connect(&WatchAges::default()).await?;
    let sessions: Vec<_> = recorded(&client, flags)
        .await?
        .into_iter()
        .filter(|session| session.engine == id)
        .collect();
    if sessions.is_empty() {
        bail!("no session is recorded on engine {id}; `engine show` lists the engines that are");
    }
    if let Some(engine) = engine_now(&client, flags).await?
        && engine.id.0 == id
    {
        bail!("engine {id} answers: it is not lost, and its sessions are served by it");
    }
    println!("Engine {id} holds {} sessions:", sessions.len());
    for session in &sessions {
        println!("  {}/{}", session.namespace, session.name);
    }
    println!(
        "Abandoned, they lose their containers and their storage on it for good; those that should run start anew."
    );
    if !yes && !confirmed(id, &mut std::io::stdin().lock())? {
        bail!("nothing was changed");
    }
    let patch = json!({"metadata": {"annotations": {ABANDON_ENGINE: id}}});
    for session in sessions.iter().filter(|session| !session.abandoned) {
        let api: Api<GameSession> = Api::namespaced(client.clone(), &session.namespace);
        let (params, patch) = (PatchParams::default(), Patch::Merge(&patch));
        let call = api.patch_metadata(&session.name, &params, &patch);
        match tokio::time::timeout(CALL, call)
            .await
            .context("no answer in time")?
        {
            Ok(_) => println!("abandoned {}/{}", session.namespace, session.name),
            Err(kube::Error::Api(status)) if status.is_not_found() => {}
            Err(error) => {
                let what = format!("{}/{}", session.namespace, session.name);
                return Err(error).context(what);
            }
        }
    }
    Ok(())
}

/// Asks for the id itself: a bare "y" is typed too easily.
fn confirmed(id: &str, answers: &mut impl BufRead) -> anyhow::Result<bool> {
    print!("Type the id of the engine to go on: ");
    std::io::stdout()
        .flush()
        .context("the question cannot be shown")?;
    let mut answer = String::new();
    answers
        .read_line(&mut answer)
        .context("no answer can be read")?;
    Ok(answer.trim() == id)
}

async fn engine_now(client: &Client, flags: &EngineFlags) -> anyhow::Result<Option<Engine>> {
    let api: Api<Namespace> = Api::all(client.clone());
    let system = tokio::time::timeout(CALL, api.get("kube-system")).await;
    let system = system.context("the API server does not answer")?;
    let cluster = system
        .context("namespace kube-system")?
        .uid()
        .unwrap_or_default();
    let owner = Owner {
        cluster,
        controller: flags.controller_name.clone(),
    };
    let runtime = docker_to_ask(flags.docker_host()?, owner);
    Ok(tokio::time::timeout(CALL, runtime.engine())
        .await
        .unwrap_or(None))
}

async fn recorded(client: &Client, flags: &EngineFlags) -> anyhow::Result<Vec<Recorded>> {
    let namespaces = flags.namespaces()?;
    let apis: Vec<Api<Guarded<GameSession>>> = if namespaces.is_empty() {
        vec![Api::all(client.clone())]
    } else {
        let of = |namespace: &String| Api::namespaced(client.clone(), namespace);
        namespaces.iter().map(of).collect()
    };
    let mut found = Vec::new();
    for api in apis {
        let mut params = ListParams::default().limit(PAGE);
        loop {
            let page = tokio::time::timeout(CALL, api.list(&params)).await;
            let page = page.context("the API server does not answer")?;
            let page = page.context("the sessions cannot be listed")?;
            found.extend(page.items.iter().filter_map(recorded_on));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => break,
            }
        }
    }
    Ok(found)
}

fn recorded_on(object: &Guarded<GameSession>) -> Option<Recorded> {
    let engine = object
        .read()?
        .status
        .as_ref()?
        .engine
        .as_ref()?
        .id
        .clone()?;
    Some(Recorded {
        namespace: object.namespace().unwrap_or_default(),
        name: object.name_any(),
        abandoned: object.annotations().get(ABANDON_ENGINE) == Some(&engine),
        engine,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_id_itself_confirms() {
        let answer = |text: &str| confirmed("abc", &mut text.as_bytes()).unwrap();
        assert!(answer("abc\n"));
        for no in ["", "y\n", "yes\n", "ab\n", "abcd\n"] {
            assert!(!answer(no), "{no:?}");
        }
    }
}
