//! Odd answers of the engine: 304, 400, 404, 409 and 500 where nobody expects them.

use serde_json::json;

use super::{Scenario, Scene, scenario};
use crate::engine::Call;

/// So many times the engine answers this. None: always, since a controller that dies asks again, and is to hear the same.
fn answers(scene: &Scene<'_>, call: Call, status: u16, times: Option<u32>) {
    let words = match status {
        400 => "invalid reference format",
        404 => "No such container",
        409 => "conflict: the container is busy",
        _ => "no space left on device",
    };
    scene.world.engine.answer(call, status, words, times);
}

pub fn all() -> Vec<Scenario> {
    let starting = vec![
        scenario("create refused for its content")
            .game(&json!({"resources": {"limits": {"cpu": "16", "memory": "512Mi"}, "max": {"cpu": "16", "memory": "4Gi"}}}))
            .says("Failed", "StartFailed"),
        scenario("create refused with 400 by an engine that is out of its mind")
            .first("400", |s| answers(s, Call::Create, 400, None))
            .says("Failed", "StartFailed"),
        scenario("create fails for a passing reason")
            .first("500", |s| answers(s, Call::Create, 500, Some(3)))
            .phase("Running"),
        scenario("create finds its image gone")
            .first("404", |s| answers(s, Call::Create, 404, Some(1)))
            .phase("Running"),
        scenario("create finds its name taken, and it is not")
            .first("409", |s| answers(s, Call::Create, 409, Some(2)))
            .phase("Running"),
        scenario("start fails for a passing reason")
            .first("500", |s| answers(s, Call::Start, 500, Some(3)))
            .phase("Running"),
        scenario("start finds nothing")
            .first("404", |s| answers(s, Call::Start, 404, Some(1)))
            .phase("Running"),
        scenario("start says that it runs, and it does not")
            .first("304", |s| answers(s, Call::Start, 304, Some(2)))
            .phase("Running"),
        scenario("volumes cannot be made for a while")
            .first("500", |s| answers(s, Call::CreateVolume, 500, Some(3)))
            .phase("Running"),
    ];
    let stopping = |name: &'static str, hand: fn(&Scene<'_>)| {
        scenario(name)
            .session(&json!({"terminationGracePeriodSeconds": 5}))
            .phase("Running")
            .world("the engine answers oddly", hand)
            .stop()
            .phase("Stopped")
    };
    let ending = vec![
        stopping("stop says that it has stopped, and it has not", |s| {
            answers(s, Call::Stop, 304, None);
        }),
        stopping("stop finds nothing", |s| answers(s, Call::Stop, 404, None)),
        stopping("stop is refused as busy", |s| {
            answers(s, Call::Stop, 409, Some(1));
        }),
        stopping("stop fails for a passing reason", |s| {
            answers(s, Call::Stop, 500, Some(3));
        }),
        stopping("removal is refused as busy", |s| {
            answers(s, Call::Remove, 409, Some(2));
        }),
        stopping("removal fails for a passing reason", |s| {
            answers(s, Call::Remove, 500, Some(3));
        }),
    ];
    [starting, ending].concat()
}
