//! The API server of the world, asked over plain requests so that nothing between hides an answer.

use dillinger_runner::api;
use http::Request;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

/// Which of the two kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Game,
    Session,
}

impl Kind {
    pub fn plural(self) -> &'static str {
        match self {
            Kind::Game => "games",
            Kind::Session => "gamesessions",
        }
    }
}

/// One reason of a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Path of the field, or "<nil>" for the whole object.
    pub field: String,
    pub message: String,
}

/// One namespace on the API server, with both definitions in place.
pub struct Server {
    client: Client,
    namespace: String,
}

static DEFINED: OnceCell<()> = OnceCell::const_new();

impl Server {
    /// Fails loudly outside of a world.
    pub async fn with_namespace(prefix: &str) -> Server {
        for name in ["DILLINGER_WORLD", "KUBECONFIG"] {
            assert!(
                std::env::var_os(name).is_some(),
                "{name} is not set: these tests run inside tests/world"
            );
        }
        let client = Client::try_default()
            .await
            .expect("KUBECONFIG of the world");
        let mut server = Server {
            client,
            namespace: String::new(),
        };
        DEFINED.get_or_init(|| server.define()).await;
        server.namespace = server.create_namespace(prefix).await;
        server
    }

    async fn define(&self) {
        for crd in api::crds() {
            let name = crd.metadata.name.clone().unwrap();
            let warnings = self.apply_definition(&name, &crd).await;
            assert_eq!(warnings, Vec::<String>::new(), "warnings for {name}");
            self.until_established(&name).await;
        }
    }

    /// Applies one definition and returns the warnings that the API server gives for it.
    pub async fn apply_definition(&self, name: &str, crd: &impl serde::Serialize) -> Vec<String> {
        let uri = format!(
            "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?fieldManager=crd-rules&force=true&fieldValidation=Strict"
        );
        let request = Request::patch(uri)
            .header("content-type", "application/apply-patch+yaml")
            .body(Body::from(serde_json::to_vec(crd).unwrap()))
            .unwrap();
        let response = self.client.send(request).await.unwrap();
        let status = response.status();
        let warnings = response
            .headers()
            .get_all("warning")
            .iter()
            .map(|value| value.to_str().unwrap().to_owned())
            .collect();
        let body = response.into_body().collect_bytes().await.unwrap();
        assert!(
            status.is_success(),
            "{name}: {status} {}",
            String::from_utf8_lossy(&body)
        );
        warnings
    }

    async fn until_established(&self, name: &str) {
        let definitions: kube::Api<
            k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
        > = kube::Api::all(self.client.clone());
        let established = kube::runtime::wait::await_condition(
            definitions,
            name,
            kube::runtime::wait::conditions::is_crd_established(),
        );
        tokio::time::timeout(std::time::Duration::from_secs(60), established)
            .await
            .expect("a definition is served within a minute")
            .unwrap();
    }

    async fn create_namespace(&self, prefix: &str) -> String {
        let body = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"generateName": format!("{prefix}-")},
        });
        let made = self
            .send("POST", "/api/v1/namespaces", &body)
            .await
            .expect("a namespace of this test alone");
        made["metadata"]["name"].as_str().unwrap().to_owned()
    }

    /// Removes the namespace with all that is in it; the API server goes on with it by itself.
    pub async fn end(self) {
        let uri = format!("/api/v1/namespaces/{}", self.namespace);
        self.send("DELETE", &uri, &json!({}))
            .await
            .expect("the namespace of this test");
    }

    fn collection(&self, kind: Kind) -> String {
        format!(
            "/apis/dillinger.dev/v1alpha1/namespaces/{}/{}",
            self.namespace,
            kind.plural()
        )
    }

    async fn send(&self, method: &str, uri: &str, body: &Value) -> Result<Value, Vec<Cause>> {
        let content_type = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header("content-type", content_type)
            .body(serde_json::to_vec(body).unwrap())
            .unwrap();
        match self.client.request::<Value>(request).await {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) if status.code == 422 => {
                let causes = status.details.map(|details| details.causes);
                Err(causes
                    .unwrap_or_default()
                    .into_iter()
                    .map(|cause| Cause {
                        field: cause.field,
                        message: cause.message,
                    })
                    .collect())
            }
            Err(other) => panic!("{method} {uri}: {other}\n{body}"),
        }
    }

    /// Asks whether an object would be created; nothing is kept.
    pub async fn try_create(&self, kind: Kind, object: &Value) -> Result<Value, Vec<Cause>> {
        let uri = format!(
            "{}?dryRun=All&fieldValidation=Strict",
            self.collection(kind)
        );
        self.send("POST", &uri, object).await
    }

    /// Creates an object and keeps it.
    pub async fn create(&self, kind: Kind, object: &Value) -> Value {
        let uri = format!("{}?fieldValidation=Strict", self.collection(kind));
        self.send("POST", &uri, object)
            .await
            .expect("an object that the table calls valid")
    }

    /// Asks whether a merge patch would be taken; `part` is "" or "/status".
    pub async fn try_patch(
        &self,
        kind: Kind,
        name: &str,
        part: &str,
        patch: &Value,
    ) -> Result<Value, Vec<Cause>> {
        let uri = format!(
            "{}/{name}{part}?dryRun=All&fieldValidation=Strict",
            self.collection(kind)
        );
        self.send("PATCH", &uri, patch).await
    }

    /// Patches for good.
    pub async fn patch(&self, kind: Kind, name: &str, part: &str, patch: &Value) -> Value {
        let uri = format!(
            "{}/{name}{part}?fieldValidation=Strict",
            self.collection(kind)
        );
        self.send("PATCH", &uri, patch)
            .await
            .expect("a patch that the table calls valid")
    }
}

/// The answer is a refusal for this field with these words in it.
#[track_caller]
pub fn assert_refused(
    what: &str,
    answer: &Result<Value, Vec<Cause>>,
    field: Option<&str>,
    words: &str,
) {
    match answer {
        Ok(_) => panic!("{what}: accepted, and should be refused with {words:?}"),
        Err(causes) => assert!(
            causes
                .iter()
                .any(|cause| field.is_none_or(|field| cause.field == field)
                    && cause.message.contains(words)),
            "{what}: refused, but not at {field:?} with {words:?}: {causes:#?}"
        ),
    }
}

#[track_caller]
pub fn assert_accepted(what: &str, answer: &Result<Value, Vec<Cause>>) {
    if let Err(causes) = answer {
        panic!("{what}: refused: {causes:#?}");
    }
}
