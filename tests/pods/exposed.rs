//! How a game on a cluster reaches its players.

use dillinger_runner::api::{Exposure, PortProtocol};
use k8s_openapi::api::core::v1::{Namespace, Pod, Service};
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::bed::{Bed, Play, message};
use crate::make::{GameMaker, session, testgame};

/// Its kubelet asks whether it is ready: nobody here reaches a Pod or a load balancer.
fn inside(name: &str, exposure: Exposure) -> GameMaker {
    GameMaker::bare(name)
        .args(&["--tcp", "7777"])
        .port("game", 7777, PortProtocol::TCP)
        .readiness(json!({"tcpSocket": {"port": "game"}}))
        .edit(|s| s.exposure = Some(exposure))
}

async fn services(bed: &Bed) -> Vec<Service> {
    let services: Api<Service> = bed.of();
    let listed = services.list(&ListParams::default()).await;
    listed.expect("Services are listed").items
}

#[tokio::test]
async fn a_service_keeps_the_number_of_a_session_over_a_stop() {
    let bed = Bed::open("pods-node-port").await;
    let game = testgame("arena")
        .no_storage()
        .edit(|s| s.exposure = Some(Exposure::NodePort));
    bed.game(&game).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    assert_eq!(play.ask("ping").await, "pong:ping");
    let address = play.address().await;
    let number: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
    assert!((30_000..=32_767).contains(&number), "{address}");
    play.stop().await;
    play.until_phase("Stopped").await;
    play.until_no_pod().await;
    play.resume().await;
    play.until_ready_in(1).await;
    assert_eq!(play.address().await, address);
    assert_eq!(play.ask("ping").await, "pong:ping");
    bed.close().await;
}

/// What a cloud does: it gives the session's Service an address.
async fn balance(bed: &Bed, play: &Play<'_>, address: &str) {
    let services: Api<Service> = bed.of();
    let name = play
        .until_seen("has a Service", || async {
            let listed = services.list(&ListParams::default()).await.ok()?;
            Some(listed.items.first()?.name_any())
        })
        .await;
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}});
    services
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(status))
        .await
        .expect("the Service gets an address");
}

#[tokio::test]
async fn behind_a_load_balancer_a_session_is_ready_once_players_have_an_address() {
    let bed = Bed::open("pods-balanced").await;
    bed.game(&inside("arena", Exposure::LoadBalancer)).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until("waits for its load balancer", |s| {
        let ready = crate::bed::cond(s, "Ready");
        ready.is_some_and(|c| c.message.contains("load balancer has no address"))
    })
    .await;
    balance(&bed, &play, "192.0.2.7").await;
    play.until_ready().await;
    assert_eq!(play.address().await, "192.0.2.7:7777");
    let pod = play.pod().await.metadata.uid;
    // A new address is told, and is no reason to touch a game.
    balance(&bed, &play, "192.0.2.8").await;
    play.until("has the new address", |s| {
        let address = s.status.as_ref().and_then(|s| s.address.as_deref());
        address == Some("192.0.2.8:7777")
    })
    .await;
    assert_eq!(play.pod().await.metadata.uid, pod);
    play.delete().await;
    play.until_no_pod().await;
    play.until_seen("leaves no Service", || async {
        services(&bed).await.is_empty().then_some(())
    })
    .await;
    bed.close().await;
}

#[tokio::test]
async fn a_game_that_is_not_exposed_is_at_the_address_of_its_pod() {
    let bed = Bed::open("pods-inside").await;
    bed.game(&inside("arena", Exposure::None)).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    let pod = play.pod().await;
    let address = pod.status.and_then(|status| status.pod_ip);
    let address = address.expect("the Pod has an address");
    assert_eq!(play.address().await, format!("{address}:7777"));
    let ports = &pod.spec.expect("a spec").containers[0].ports;
    assert!(ports.iter().flatten().all(|port| port.host_port.is_none()));
    assert!(services(&bed).await.is_empty());
    bed.close().await;
}

#[tokio::test]
async fn a_service_that_the_game_needs_no_more_goes_with_the_next_attempt() {
    let bed = Bed::open("pods-unexposed").await;
    bed.game(&inside("arena", Exposure::NodePort)).await;
    let play = bed.session(&session("friday", "arena")).await;
    play.until_ready().await;
    assert_eq!(services(&bed).await.len(), 1);
    play.stop().await;
    play.until_phase("Stopped").await;
    play.until_no_pod().await;
    bed.game(&inside("arena", Exposure::None)).await;
    play.resume().await;
    play.until_ready_in(1).await;
    assert!(services(&bed).await.is_empty());
    bed.close().await;
}

#[tokio::test]
async fn where_restricted_is_enforced_every_game_runs_but_one_with_host_ports() {
    let bed = Bed::open("pods-restricted").await;
    let namespaces: Api<Namespace> = Api::all(bed.client.clone());
    let level =
        json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    namespaces
        .patch(
            &bed.namespace,
            &PatchParams::default(),
            &Patch::Merge(level),
        )
        .await
        .expect("the namespace gets its level");
    // Admission hears of it a moment later.
    let pods: Api<Pod> = bed.of();
    let plain = json!({"metadata": {"name": "plain"}, "spec": {"containers": [{"name": "a", "image": "a"}]}});
    let plain: Pod = serde_json::from_value(plain).expect("a Pod");
    let tried = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    crate::wait::until("the level is enforced", || async {
        pods.create(&tried, &plain).await.is_err().then_some(())
    })
    .await;
    bed.game(&inside("closed", Exposure::None)).await;
    bed.game(&inside("open", Exposure::HostPort)).await;
    let closed = bed.session(&session("closed", "closed")).await;
    closed.until_ready().await;
    let open = bed.session(&session("open", "open")).await;
    let failed = open.until_finished("PodRejected").await;
    let words = message(&failed, "Finished");
    assert!(words.contains("hostPort"), "{words}");
    bed.close().await;
}
