//! The controller at work and at rest. What the fake API server does for its answers is counted with it.

use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::controller::context::Context;
use dillinger_runner::controller::named::Named;
use dillinger_runner::controller::reconcile;
use dillinger_runner::controller::triggers::Turn;
use gungraun::{library_benchmark, library_benchmark_group};

use super::world::World;

fn one_at_rest() -> (World, Arc<Context>, Turn) {
    let world = World::at_rest(1);
    let ctx = world.ctx.clone();
    let session = Named::new(Some("games"), "s0");
    let turn = Turn {
        session,
        fired: None,
    };
    (world, ctx, turn)
}

// One look at a session that runs and needs nothing: observe, plan, report, and nothing to write.
#[library_benchmark(setup = one_at_rest)]
#[bench::at_rest()]
fn look((world, ctx, turn): (World, Arc<Context>, Turn)) -> World {
    world.tokio.block_on(reconcile::reconcile(&turn, &ctx));
    world
}

// From a user's create to Ready: three writes, one container made and started.
#[library_benchmark(setup = World::at_rest)]
#[bench::cold(1)]
fn start(world: World) -> World {
    world.session("friday");
    world.tokio.block_on(async {
        while !world.is_ready("friday") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
    world
}

// A minute in which nothing happens to a hundred sessions that run.
#[library_benchmark(setup = World::at_rest)]
#[bench::of_100(100)]
fn idle_minute(world: World) -> World {
    let writes = world.api.writes().len();
    world.pass(Duration::from_secs(60));
    assert_eq!(world.api.writes().len(), writes, "nothing is written");
    world
}

library_benchmark_group!(name = looks, benchmarks = [look, start, idle_minute]);
