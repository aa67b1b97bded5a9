//! Stops that an engine refused after they had been taken for sent: they were none. Never blocks.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// The engine's words, by session uid, until somebody takes them.
#[derive(Default)]
pub(super) struct Refusals(Mutex<HashMap<String, String>>);

impl Refusals {
    pub(super) fn note(&self, uid: &str, words: String) {
        self.locked(|all| all.insert(uid.to_owned(), words));
    }

    pub(super) fn take(&self, uid: &str) -> Option<String> {
        self.locked(|all| all.remove(uid))
    }

    fn locked<T>(&self, f: impl FnOnce(&mut HashMap<String, String>) -> T) -> T {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::response::IntoResponse;
    use http::{StatusCode, Uri};
    use serde_json::json;
    use tokio::sync::Semaphore;

    use super::super::strangers::{ENGINE, Told, holding, response};
    use crate::runtime::{Hint, Outcome, Runtime, SessionKey};
    use crate::session::facts::EngineId;
    use crate::session::plan::Effect;
    use crate::session::seen::ContainerId;

    #[tokio::test]
    async fn a_stop_that_is_refused_when_nobody_waits_any_more_is_told_once_and_names_its_session()
    {
        let busy = Arc::new(Semaphore::new(0));
        let engine = {
            let busy = Arc::clone(&busy);
            Told::serve(axum::Router::new().fallback(move |uri: Uri| {
                let busy = Arc::clone(&busy);
                async move {
                    if !uri.path().ends_with("/stop") {
                        return response(&holding(Vec::new(), Vec::new()), &uri);
                    }
                    let _is = busy.acquire().await.expect("it is open");
                    let words = axum::Json(json!({"message": "the daemon is busy"}));
                    (StatusCode::INTERNAL_SERVER_ERROR, words).into_response()
                }
            }))
        };
        let runtime = engine.runtime();
        let mut hints = runtime.hints.take().expect("nobody has taken them");
        let key = SessionKey {
            namespace: "games".to_owned(),
            name: "friday".to_owned(),
            uid: "u-1".to_owned(),
            container_name: "friday-0".to_owned(),
        };
        let stop = Effect::Stop(ContainerId("c1".to_owned()), 30);
        let sent = runtime.act(&key, &EngineId(ENGINE.to_owned()), &stop).await;
        assert_eq!(sent.expect("it is sent"), Outcome::Done);
        assert_eq!(runtime.refused_since("u-1"), None);
        busy.add_permits(1);
        let named = Hint::Session("u-1".to_owned());
        assert_eq!(hints.recv().await, Some(named));
        let words = runtime.refused_since("u-1");
        assert_eq!(words.as_deref(), Some("the daemon is busy"));
        assert_eq!(runtime.refused_since("u-1"), None);
    }
}
