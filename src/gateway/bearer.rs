//! Clients of the API server that speak in the name of whoever's token they are given: they carry nothing of our own, no
//! certificate, no token, no impersonation. All share one connection. Building never blocks.

use std::sync::Arc;

use http::Request;
use http::header::{AUTHORIZATION, HeaderValue};
use kube::client::{Body, ConfigExt};
use kube::config::AuthInfo;
use kube::{Client, Config};
use tower::{BoxError, ServiceBuilder};

use crate::controller::client::{self, Bounded, ClientError, Hyper, WatchAges};

/// The way to the API server, without anybody's name.
#[derive(Clone)]
pub struct Anonymous {
    config: Arc<Config>,
    hyper: Hyper,
}

impl Anonymous {
    /// The API server that the environment names.
    pub async fn connect() -> Result<Self, ClientError> {
        let config = Config::infer().await.map_err(ClientError::NoConfig)?;
        Anonymous::to(config).map_err(ClientError::Unusable)
    }

    fn to(mut config: Config) -> Result<Self, kube::Error> {
        config.auth_info = AuthInfo::default();
        config.headers.clear();
        Ok(Anonymous {
            hyper: client::hyper(&config)?,
            config: Arc::new(config),
        })
    }

    /// A client with this token; None: the text cannot stand in a header.
    pub fn with_token(&self, token: &str) -> Option<Client> {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
        value.set_sensitive(true);
        let stack = ServiceBuilder::new()
            .layer(self.config.base_uri_layer())
            .map_request(move |mut request: Request<Body>| {
                request.headers_mut().insert(AUTHORIZATION, value.clone());
                request
            })
            .map_err(BoxError::from)
            .service(self.hyper.clone());
        let bounded = Bounded::new(stack, WatchAges::default());
        Some(Client::new(bounded, self.config.default_namespace.clone()))
    }
}
