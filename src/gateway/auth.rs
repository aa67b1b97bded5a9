//! Who calls, and what they may do. Three ways: nobody is asked (loopback only), the bearer token is reviewed by the API
//! server and each right asked of it (`kubernetes`), or the caller's own token does everything (`passthrough`).
//!
//! Answers of the API server are remembered for [`REMEMBERED`]; a doubt is never remembered and lets nobody in.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, header};
use k8s_openapi::api::authentication::v1::{
    SelfSubjectReview, TokenReview, TokenReviewSpec, UserInfo,
};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec, SubjectAccessReview,
    SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::bearer::Anonymous;
use super::limits::Limits;
use super::problem::Problem;
use super::rights::Right;

/// How long a yes or a no holds: a right that is taken away acts within this.
const REMEMBERED: Duration = Duration::from_secs(10);
/// Tokens that are remembered, whoever sends how many.
const MOST: usize = 10_000;
/// Longest token that is looked at.
const LONGEST: usize = 16 * 1024;

/// How callers are known.
pub enum Mode {
    /// Nobody is asked; the gateway does it all in its own name.
    Open(Client),
    /// TokenReview and SubjectAccessReview; the gateway does it in its own name.
    Kubernetes { client: Client, audience: String },
    /// The caller's token does it.
    Passthrough(Box<Anonymous>),
}

/// One caller, known until the answer is too old.
pub struct Caller {
    /// None: nobody was asked.
    pub user: Option<Arc<str>>,
    /// What speaks to the API server for this caller.
    pub client: Client,
    /// Sent with a SubjectAccessReview; None where the caller's own client asks.
    info: Option<UserInfo>,
    until: Instant,
    rights: Mutex<HashMap<Right, bool>>,
}

/// A token's caller, or that it is nobody's.
type Known = Result<Arc<Caller>, Instant>;

pub struct Auth {
    mode: Mode,
    namespace: String,
    limits: Limits,
    /// By the digest of the token.
    known: Mutex<HashMap<[u8; 32], Known>>,
}

const FAILED: &str = "Failed to ask who is calling";

impl Auth {
    pub fn new(mode: Mode, namespace: String, limits: Limits) -> Self {
        Auth {
            mode,
            namespace,
            limits,
            known: Mutex::default(),
        }
    }

    /// Nobody is asked.
    pub fn is_open(&self) -> bool {
        match self.mode {
            Mode::Open(_) => true,
            Mode::Kubernetes { .. } | Mode::Passthrough(_) => false,
        }
    }

    /// Who calls.
    ///
    /// # Errors
    /// 401 for no token or one that is nobody's, 429 for too many requests, 503 where nobody can tell.
    pub async fn caller(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Arc<Caller>, Problem> {
        if let Mode::Open(client) = &self.mode {
            self.limits.count(&peer.to_string())?;
            return Ok(Arc::new(Caller::new(None, client.clone(), None)));
        }
        let token = bearer(headers)?;
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let caller = match self.remembered(&digest) {
            Some(known) => known,
            None => {
                // Only here does a stranger cost the API server a request.
                self.limits.count(&format!("peer {peer}"))?;
                let asked = self.ask(token).await?;
                self.remember(digest, &asked);
                asked
            }
        };
        let caller = caller.map_err(|_| Problem::unauthorized("the token is not valid here"))?;
        self.limits.count(&format!(
            "user {}",
            caller.user.as_deref().unwrap_or_default()
        ))?;
        Ok(caller)
    }

    /// # Errors
    /// 403 without the right, 503 where nobody can tell.
    pub async fn allow(&self, caller: &Caller, right: Right) -> Result<(), Problem> {
        if caller.user.is_none() {
            return Ok(());
        }
        let known = caller.rights().get(&right).copied();
        let allowed = match known {
            Some(allowed) => allowed,
            None => {
                let allowed = self.may(caller, right).await?;
                caller.rights().insert(right, allowed);
                allowed
            }
        };
        if allowed {
            return Ok(());
        }
        let user = caller.user.as_deref().unwrap_or_default();
        Err(Problem::forbidden(format!(
            "\"{user}\" may not {right} in the namespace \"{}\"",
            self.namespace
        )))
    }

    async fn ask(&self, token: &str) -> Result<Known, Problem> {
        let refused = || Err(Instant::now() + REMEMBERED);
        match &self.mode {
            Mode::Open(client) => Ok(Ok(Arc::new(Caller::new(None, client.clone(), None)))),
            Mode::Kubernetes { client, audience } => {
                let review = TokenReview {
                    spec: TokenReviewSpec {
                        audiences: Some(vec![audience.clone()]),
                        token: token.to_owned(),
                    },
                    ..TokenReview::default()
                };
                let reviews: Api<TokenReview> = Api::all(client.clone());
                let reviewed = reviews.create(&PostParams::default(), &review).await;
                let status = reviewed
                    .map_err(|error| doubt(&error))?
                    .status
                    .unwrap_or_default();
                let ours = status.audiences.iter().flatten().any(|one| one == audience);
                let name = status.user.as_ref().and_then(|user| user.username.clone());
                Ok(match name {
                    Some(name) if status.authenticated == Some(true) && ours => Ok(Arc::new(
                        Caller::new(Some(name), client.clone(), status.user),
                    )),
                    _ => refused(),
                })
            }
            Mode::Passthrough(anonymous) => {
                let Some(client) = anonymous.with_token(token) else {
                    return Ok(refused());
                };
                let reviews: Api<SelfSubjectReview> = Api::all(client.clone());
                let params = PostParams::default();
                let reviewed = match reviews.create(&params, &SelfSubjectReview::default()).await {
                    Ok(reviewed) => reviewed,
                    Err(kube::Error::Api(status)) if [401, 403].contains(&status.code) => {
                        return Ok(refused());
                    }
                    Err(error) => return Err(doubt(&error)),
                };
                let user = reviewed.status.and_then(|status| status.user_info);
                let name = user.and_then(|user| user.username);
                Ok(match name {
                    Some(name) if name != "system:anonymous" => {
                        Ok(Arc::new(Caller::new(Some(name), client, None)))
                    }
                    _ => refused(),
                })
            }
        }
    }

    async fn may(&self, caller: &Caller, right: Right) -> Result<bool, Problem> {
        let Right {
            verb,
            group,
            resource,
            subresource,
        } = right;
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let attributes = ResourceAttributes {
            namespace: Some(self.namespace.clone()),
            verb: some(verb),
            group: some(group),
            resource: some(resource),
            subresource: some(subresource),
            ..ResourceAttributes::default()
        };
        let params = PostParams::default();
        let status = match &caller.info {
            Some(info) => {
                let review = SubjectAccessReview {
                    spec: SubjectAccessReviewSpec {
                        user: info.username.clone(),
                        groups: info.groups.clone(),
                        uid: info.uid.clone(),
                        extra: info.extra.clone(),
                        resource_attributes: Some(attributes),
                        ..SubjectAccessReviewSpec::default()
                    },
                    ..SubjectAccessReview::default()
                };
                let reviews: Api<SubjectAccessReview> = Api::all(caller.client.clone());
                reviews
                    .create(&params, &review)
                    .await
                    .map(|reviewed| reviewed.status)
            }
            None => {
                let review = SelfSubjectAccessReview {
                    spec: SelfSubjectAccessReviewSpec {
                        resource_attributes: Some(attributes),
                        ..SelfSubjectAccessReviewSpec::default()
                    },
                    ..SelfSubjectAccessReview::default()
                };
                let reviews: Api<SelfSubjectAccessReview> = Api::all(caller.client.clone());
                reviews
                    .create(&params, &review)
                    .await
                    .map(|reviewed| reviewed.status)
            }
        };
        let status = status.map_err(|error| doubt(&error))?;
        Ok(status.is_some_and(|status| status.allowed && status.denied != Some(true)))
    }

    fn remembered(&self, digest: &[u8; 32]) -> Option<Known> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known
            .get(digest)
            .filter(|one| until(one) > Instant::now())
            .cloned()
    }

    fn remember(&self, digest: [u8; 32], asked: &Known) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            let now = Instant::now();
            known.retain(|_, one| until(one) > now);
            if known.len() >= MOST {
                known.clear();
            }
        }
        known.insert(digest, asked.clone());
    }
}

impl Caller {
    fn new(user: Option<String>, client: Client, info: Option<UserInfo>) -> Self {
        Caller {
            user: user.map(Arc::from),
            client,
            info,
            until: Instant::now() + REMEMBERED,
            rights: Mutex::default(),
        }
    }

    fn rights(&self) -> std::sync::MutexGuard<'_, HashMap<Right, bool>> {
        self.rights.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn until(known: &Known) -> Instant {
    match known {
        Ok(caller) => caller.until,
        Err(until) => *until,
    }
}

/// What the API server could not say. Its own refusals here are of the gateway's rights, and so no fault of the caller.
fn doubt(error: &kube::Error) -> Problem {
    match error {
        kube::Error::Api(status) if status.code == 403 => Problem::unavailable(
            FAILED,
            format!("the gateway may not ask: {}", status.message),
        ),
        other => Problem::of_api(FAILED, other),
    }
}

/// The token of the header `Authorization`.
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let Some(value) = headers.get(header::AUTHORIZATION) else {
        return Err(Problem::unauthorized("a bearer token is needed"));
    };
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    match token {
        Some(token) if !token.is_empty() && token.len() <= LONGEST => Ok(token),
        Some(_) | None => Err(Problem::unauthorized(
            "Authorization is not \"Bearer TOKEN\"",
        )),
    }
}

#[cfg(test)]
mod tests;
