//! A whole controller in virtual time, over the fake API server and the fake runtime of its own tests. One thread,
//! waits as they are without jitter: what it does is the same in every run, up to the order of hash maps.

use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::clock::Clock;
use dillinger_runner::controller::context::Context;
use dillinger_runner::controller::jitter::Jitter;
use dillinger_runner::controller::run::Setup;
use dillinger_runner::session::observation::Owner;
use dillinger_runner::telemetry::health::Health;
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio_util::sync::CancellationToken;

use super::fake_api::FakeApi;
use super::fake_runtime::{self, FakeRuntime, KIND};

/// Longer than anything that is still to be done, shorter than the slow clock.
const SETTLES: Duration = Duration::from_secs(30);

/// A controller that leads, and everything around it.
pub struct World {
    pub tokio: Runtime,
    pub api: FakeApi,
    pub ctx: Arc<Context>,
}

impl World {
    /// With so many sessions that run and need nothing.
    pub fn at_rest(sessions: usize) -> World {
        let tokio = Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a thread");
        let api = FakeApi::default();
        api.put("games", "wesnoth", |game| {
            game["spec"] = json!({
                "image": "example/wesnothd:1",
                "ports": [{"name": "game", "containerPort": 15000, "protocol": "TCP"}],
                "readiness": {"tcpSocket": {"port": "game"}},
            });
        });
        let ctx = tokio.block_on(async { begin(&api) });
        let world = World { tokio, api, ctx };
        for n in 0..sessions {
            world.session(&format!("s{n}"));
        }
        world.pass(SETTLES);
        for n in 0..sessions {
            assert!(world.is_ready(&format!("s{n}")), "s{n}");
        }
        world
    }

    /// So much virtual time passes.
    pub fn pass(&self, time: Duration) {
        self.tokio
            .block_on(async { tokio::time::sleep(time).await });
    }

    /// A user creates a session.
    pub fn session(&self, name: &str) {
        self.api.put("gamesessions", name, |session| {
            session["spec"] = json!({"gameRef": {"name": "wesnoth"}, "user": "alice"});
        });
    }

    pub fn is_ready(&self, name: &str) -> bool {
        let session = self.api.session(name);
        session.is_some_and(|session| session["status"]["phase"] == "Running")
    }
}

fn begin(api: &FakeApi) -> Arc<Context> {
    let began = tokio::time::Instant::now();
    let clock = Clock::new(move || {
        fake_runtime::start()
            .checked_add(jiff::SignedDuration::try_from(began.elapsed()).expect("minutes"))
            .expect("a year of four digits")
    });
    let setup = Setup {
        client: api.client(),
        runtime: Arc::new(FakeRuntime::new("ours")),
        kind: KIND,
        owner: Owner {
            cluster: "cluster".to_owned(),
            controller: "counts".to_owned(),
        },
        provision_deadline: Duration::from_secs(3600),
        namespaces: Vec::new(),
        lease_namespace: "default".to_owned(),
        elect: true,
        identity: "counts".to_owned(),
        clock,
        jitter: Jitter::none(),
        metrics: Arc::default(),
        health: Health::new(),
        ages: Default::default(),
        stops: None,
    };
    let parts = setup.parts();
    let ctx = parts.ctx.clone();
    tokio::spawn(parts.run(CancellationToken::new()));
    ctx
}
