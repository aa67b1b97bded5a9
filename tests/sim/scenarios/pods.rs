//! Sessions that run as Pods: every way in which a Pod comes, waits and ends, and what befalls its node.

use dillinger_runner::api::FINALIZER;
use serde_json::json;

use super::{Scenario, Scene, scenario};
use crate::engine::Play;

fn cordon(s: &Scene<'_>) {
    s.world.cluster().cordon(true);
}

fn uncordon(s: &Scene<'_>) {
    s.world.cluster().cordon(false);
}

fn power_fails(s: &Scene<'_>) {
    s.world.cluster().power_fails(&s.uid());
}

fn kubelet_stops(s: &Scene<'_>) {
    s.world.cluster().kubelet_stops(&s.uid());
}

fn kubelets_return(s: &Scene<'_>) {
    s.world.cluster().kubelets_return();
}

fn pod(name: &'static str) -> Scenario {
    scenario(name).on_a_cluster()
}

pub fn all() -> Vec<Scenario> {
    lives().into_iter().chain(ends()).chain(nodes()).collect()
}

/// As on an engine.
fn lives() -> Vec<Scenario> {
    let once_more = json!({"restartPolicy": "OnFailure", "backoffLimit": 1});
    vec![
        pod("Pod: cold start").phase("Running"),
        pod("Pod: late readiness")
            .plays(&[Play::ready_after(25)])
            .says("Starting", "WaitingForReady")
            .phase("Running"),
        pod("Pod: without readiness, ports and storage")
            .bare_game()
            .phase("Running"),
        pod("Pod: stop and resume with storage")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .resume()
            .attempt("Running", 1),
        pod("Pod: stop while starting")
            .plays(&[Play::ready_after(30)])
            .says("Starting", "WaitingForReady")
            .stop()
            .phase("Stopped"),
        pod("Pod: ignores the signal")
            .session(&json!({"terminationGracePeriodSeconds": 5}))
            .plays(&[Play::well().stubborn()])
            .phase("Running")
            .stop()
            .phase("Stopped"),
        pod("Pod: delete while running")
            .phase("Running")
            .delete()
            .gone(),
        pod("Pod: delete while starting")
            .plays(&[Play::ready_after(30)])
            .says("Starting", "WaitingForReady")
            .delete()
            .gone(),
        pod("Pod: delete with the finalizer that a client put in")
            .metadata(&json!({"finalizers": [FINALIZER]}))
            .phase("Running")
            .delete()
            .gone(),
        pod("Pod: delete while stopped")
            .phase("Running")
            .stop()
            .phase("Stopped")
            .delete()
            .gone(),
        pod("Pod: natural end")
            .plays(&[Play::ends(20, 0)])
            .phase("Succeeded"),
        pod("Pod: one crash, then well")
            .session(&once_more)
            .plays(&[Play::ends(20, 1), Play::well()])
            .attempt("Running", 1),
        pod("Pod: crashes until the budget is gone")
            .session(&once_more)
            .plays(&[Play::ends(5, 1)])
            .says("Failed", "Error"),
        pod("Pod: out of memory")
            .plays(&[Play {
                out_of_memory: true,
                ..Play::ends(5, 137)
            }])
            .says("Failed", "OOMKilled"),
        pod("Pod: start deadline")
            .session(&json!({"startDeadlineSeconds": 10}))
            .plays(&[Play::never_ready()])
            .says("Failed", "StartDeadlineExceeded"),
        pod("Pod: active deadline")
            .session(&json!({"activeDeadlineSeconds": 20}))
            .phase("TimedOut"),
        pod("Pod: made again under its name")
            .phase("Running")
            .delete()
            .gone()
            .create()
            .phase("Running"),
    ]
}

/// What the cluster does to a Pod.
fn ends() -> Vec<Scenario> {
    vec![
        pod("Pod: no node takes it, then one does")
            .first("all nodes are cordoned", cordon)
            .says("Starting", "Unschedulable")
            .wait(20)
            .world("they are open again", uncordon)
            .phase("Running"),
        pod("Pod: stop while no node takes it")
            .first("all nodes are cordoned", cordon)
            .says("Starting", "Unschedulable")
            .stop()
            .phase("Stopped"),
        pod("Pod: delete while no node takes it")
            .first("all nodes are cordoned", cordon)
            .says("Starting", "Unschedulable")
            .delete()
            .gone(),
        pod("Pod: image not found, then pushed")
            .first("the registry has no such image", |s| {
                s.world.cluster().no_image("example:1", true);
            })
            .says("Starting", "ImagePullFailed")
            .wait(15)
            .world("somebody pushes it", |s| {
                s.world.cluster().no_image("example:1", false);
            })
            .phase("Running"),
        pod("Pod: deleted by hand")
            .phase("Running")
            .world("kubectl delete pod", |s| {
                s.world.cluster().delete_pods(&s.uid(), None);
            })
            .attempt("Running", 1)
            .shows("/status/interruptions", &json!(1)),
        pod("Pod: deleted by hand before it is ready")
            .plays(&[Play::ready_after(20)])
            .says("Starting", "WaitingForReady")
            .world("kubectl delete pod", |s| {
                s.world.cluster().delete_pods(&s.uid(), None);
            })
            // Where nobody saw it go, nothing says that there was one: the attempt is made again.
            .phase("Running")
            .open(),
        pod("Pod: deleted by force")
            .phase("Running")
            .world("kubectl delete pod --force", |s| {
                s.world.cluster().delete_pods(&s.uid(), Some(0));
            })
            .attempt("Running", 1)
            .shows("/status/restarts", &json!(0))
            .forced(),
        pod("Pod: drained")
            .phase("Running")
            .world("kubectl drain", |s| s.world.cluster().evict(&s.uid()))
            .attempt("Running", 1)
            .shows("/status/restarts", &json!(0)),
        pod("Pod: preempted")
            .phase("Running")
            .world("a higher priority", |s| s.world.cluster().preempt(&s.uid()))
            .attempt("Running", 1)
            .shows("/status/restarts", &json!(0)),
        pod("Pod: evicted by its kubelet")
            .phase("Running")
            .world("the node runs out of memory", |s| {
                s.world.cluster().evict_by_kubelet(&s.uid());
            })
            .attempt("Running", 1)
            .shows("/status/restarts", &json!(0)),
        pod("Pod: refused by its kubelet")
            .first("all nodes are cordoned", cordon)
            .says("Starting", "Unschedulable")
            .world("its kubelet has no room", |s| {
                s.world.cluster().next_is_refused(&s.uid());
            })
            .world("the nodes are open again", uncordon)
            .attempt("Running", 1)
            .shows("/status/restarts", &json!(0)),
        pod("Pod: drained while it stops")
            .plays(&[Play {
                on_term: (std::time::Duration::from_secs(8), 0),
                ..Play::well()
            }])
            .phase("Running")
            .stop()
            .phase("Stopping")
            .world("kubectl drain", |s| s.world.cluster().evict(&s.uid()))
            .phase("Stopped"),
    ]
}

/// A node counts as lost after 40 s without a word, and people take 20 s more.
const NODE_LOST: u32 = 120;
/// And the collector of Pods waits 40 s, in case that it comes back.
const NODE_DELETED: u32 = 160;

/// What befalls its node.
fn nodes() -> Vec<Scenario> {
    vec![
        pod("Pod: kubelet away, and back")
            .phase("Running")
            .world("the kubelet stops", kubelet_stops)
            .says("Unknown", "NodeLost")
            .wait(20)
            .world("it is back", kubelets_return)
            .attempt("Running", 0)
            .within(NODE_LOST),
        pod("Pod: kubelet restarted")
            .phase("Running")
            .world("the kubelet stops", kubelet_stops)
            .wait(3)
            .world("it is back", kubelets_return)
            .wait(5)
            .attempt("Running", 0),
        pod("Pod: stop while its kubelet is away")
            .phase("Running")
            .world("the kubelet stops", kubelet_stops)
            .says("Unknown", "NodeLost")
            .stop()
            .wait(20)
            .world("it is back", kubelets_return)
            .phase("Stopped")
            // Whether the wish or its node ended it hangs on which was seen first.
            .open()
            .within(NODE_LOST),
        pod("Pod: delete while its kubelet is away")
            .phase("Running")
            .world("the kubelet stops", kubelet_stops)
            .says("Unknown", "NodeLost")
            .delete()
            .wait(20)
            .world("it is back", kubelets_return)
            .gone()
            .within(NODE_LOST),
        pod("Pod: kubelet away for longer than is tolerated")
            .phase("Running")
            .world("the kubelet stops", kubelet_stops)
            .says("Unknown", "NodeLost")
            .wait(320)
            .world("it is back", kubelets_return)
            .attempt("Running", 1)
            .shows("/status/restarts", &json!(0))
            .within(460),
        pod("Pod: power failure, and the node comes back")
            .phase("Running")
            .world("the power fails", power_fails)
            .says("Unknown", "NodeLost")
            .wait(20)
            .world("it is back", kubelets_return)
            .attempt("Running", 1)
            .shows("/status/restarts", &json!(0))
            .within(NODE_LOST),
        pod("Pod: power failure, and a person says that the node is off")
            .phase("Running")
            .world("the power fails", power_fails)
            .says("Unknown", "NodeLost")
            .wait(20)
            .world("the taint that says so", |s| {
                s.world.cluster().out_of_service();
            })
            .attempt("Running", 1)
            .shows("/status/restarts", &json!(0))
            .within(NODE_LOST),
        pod("Pod: power failure, and a person deletes the node")
            .phase("Running")
            .world("the power fails", power_fails)
            .says("Unknown", "NodeLost")
            .wait(20)
            .world("kubectl delete node", |s| {
                s.world.cluster().delete_nodes_that_are_off();
            })
            .attempt("Running", 1)
            .shows("/status/restarts", &json!(0))
            .within(NODE_DELETED),
        pod("Pod: power failure for longer than is tolerated, stuck until a person says so")
            .phase("Running")
            .world("the power fails", power_fails)
            .says("Unknown", "NodeLost")
            .wait(330)
            .says("Unknown", "NodeLost")
            .world("the taint that says so", |s| {
                s.world.cluster().out_of_service();
            })
            .attempt("Running", 1)
            .within(460),
        pod("Pod: stop while its node is off, and a person says so")
            .phase("Running")
            .world("the power fails", power_fails)
            .says("Unknown", "NodeLost")
            .stop()
            .wait(20)
            .world("the taint that says so", |s| {
                s.world.cluster().out_of_service();
            })
            .phase("Stopped")
            .open()
            .within(NODE_LOST),
    ]
}
