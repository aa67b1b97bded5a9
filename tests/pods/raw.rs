//! Pods without a session, in a namespace of their own, and all that a watch tells of them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::StreamExt;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{DeleteParams, PostParams};
use kube::runtime::watcher::{Config, Event, watcher};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::told::Telling;
use crate::wait::{LIMIT, poll, until};

pub struct RawPods {
    client: Client,
    namespace: String,
    pub pods: Api<Pod>,
    telling: Arc<Mutex<Telling>>,
    task: tokio::task::JoinHandle<()>,
}

fn json_of(pod: &Pod) -> Value {
    serde_json::to_value(pod).expect("a Pod is JSON")
}

impl RawPods {
    pub async fn open(client: &Client, prefix: &str) -> RawPods {
        let namespaces: Api<Namespace> = Api::all(client.clone());
        let wanted = json!({"metadata": {"generateName": format!("{prefix}-")}});
        let wanted = serde_json::from_value(wanted).expect("a namespace");
        let made = namespaces.create(&PostParams::default(), &wanted).await;
        let made = made.unwrap_or_else(|error| panic!("namespace {prefix}: {error}"));
        let namespace = made.metadata.name.expect("the API server names it");
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
        until("the namespace has its ServiceAccount", || async {
            accounts.get_opt("default").await.ok()?
        })
        .await;
        let pods: Api<Pod> = Api::namespaced(client.clone(), &namespace);
        let telling: Arc<Mutex<Telling>> = Arc::default();
        let (begun, begins) = tokio::sync::oneshot::channel();
        let task = tokio::spawn(listen(pods.clone(), telling.clone(), begun));
        begins.await.expect("the watch begins");
        RawPods {
            client: client.clone(),
            namespace,
            pods,
            telling,
            task,
        }
    }

    pub fn name(&self) -> &str {
        &self.namespace
    }

    pub fn telling(&self) -> MutexGuard<'_, Telling> {
        self.telling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub async fn make(&self, pod: &Value) {
        let typed: Pod = serde_json::from_value(pod.clone()).expect("a Pod");
        let made = self.pods.create(&PostParams::default(), &typed).await;
        made.unwrap_or_else(|error| panic!("{pod}: {error}"));
    }

    pub async fn delete(&self, pod: &str) {
        let deleted = self.pods.delete(pod, &DeleteParams::default()).await;
        deleted.unwrap_or_else(|error| panic!("DELETE of {pod}: {error}"));
    }

    /// Waits until the Pod comes to be so.
    pub async fn says(&self, pod: &str, state: &str) {
        let look = || async { self.telling().comes_to(pod, state).then_some(()) };
        if poll(LIMIT, look).await.is_none() {
            panic!("{}", self.telling().differs(pod, state));
        }
    }

    /// The Pod came to be so, and then so.
    pub async fn says_after(&self, pod: &str, passing: &str, state: &str) {
        let at = || async { self.telling().told(pod, state).then_some(()) };
        if poll(LIMIT, at).await.is_none() {
            panic!("{}", self.telling().differs(pod, state));
        }
        self.telling().passes(pod, passing);
        self.says(pod, state).await;
    }

    /// The Pod is so now.
    pub async fn is(&self, pod: &str, state: &str) {
        let found = self.pods.get(pod).await;
        let found = found.unwrap_or_else(|error| panic!("GET of {pod}: {error}"));
        self.telling().assert_is(&json_of(&found), state);
    }

    pub async fn close(self) {
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let gone = namespaces
            .delete(&self.namespace, &DeleteParams::background())
            .await;
        gone.unwrap_or_else(|error| panic!("DELETE of {}: {error}", self.namespace));
        until("the namespace is gone", || async {
            let found = namespaces.get_opt(&self.namespace).await.ok()?;
            found.is_none().then_some(())
        })
        .await;
    }
}

impl Drop for RawPods {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn listen(
    pods: Api<Pod>,
    telling: Arc<Mutex<Telling>>,
    begun: tokio::sync::oneshot::Sender<()>,
) {
    let mut begun = Some(begun);
    let mut events = watcher(pods, Config::default()).boxed();
    // An error is followed by a list, which tells all that is there.
    while let Some(event) = events.next().await {
        let add = |pod: &Pod, gone: bool| {
            let mut telling = telling.lock().unwrap_or_else(PoisonError::into_inner);
            telling.add(&json_of(pod), gone);
        };
        match event {
            Ok(Event::Apply(pod) | Event::InitApply(pod)) => add(&pod, false),
            Ok(Event::Delete(pod)) => add(&pod, true),
            Ok(Event::InitDone) => {
                let _ = begun.take().map(|begun| begun.send(()));
            }
            Ok(Event::Init) | Err(_) => {}
        }
    }
}
