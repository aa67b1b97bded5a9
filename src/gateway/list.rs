//! Which sessions a list shows, in which order, and where its next page begins. Pure.

use jiff::Timestamp;
use kube::ResourceExt;
use serde::Deserialize;
use utoipa::IntoParams;

use super::old::{Status, created};
use super::problem::Problem;
use crate::api::GameSession;
use crate::session::quoted::quoted;

/// Most sessions of one page; the old runner had no pages, so that without a limit all come.
const LARGEST_PAGE: usize = 1_000;

/// The query of `GET /sessions`, as written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// Only this user's.
    pub user: Option<String>,
    /// Only of the Game of this name.
    pub game: Option<String>,
    /// starting, running, stopping, stopped or error; several, separated by commas.
    #[param(
        pattern = "^(starting|running|stopping|stopped|error)(,(starting|running|stopping|stopped|error))*$"
    )]
    pub status: Option<String>,
    /// At most so many, 1 to 1000. Default: all.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000)]
    pub limit: Option<String>,
    /// What `X-Continue` of the page before said.
    #[serde(rename = "continue")]
    #[param(pattern = r"^[0-9]{1,10}\..+$")]
    pub after: Option<String>,
}

/// The query, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    user: Option<String>,
    game: Option<String>,
    status: Option<Vec<Status>>,
    limit: Option<usize>,
    after: Option<Place>,
}

/// Where a session stands in the order: newest first, names decide between equals.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place(std::cmp::Reverse<i64>, String);

impl Place {
    fn of(session: &GameSession) -> Place {
        Place(
            std::cmp::Reverse(created(session).as_second()),
            session.name_any(),
        )
    }

    fn parse(text: &str) -> Option<Place> {
        let (second, name) = text.split_once('.')?;
        let second: i64 = second.parse().ok()?;
        Timestamp::from_second(second).ok()?;
        (!name.is_empty()).then(|| Place(std::cmp::Reverse(second), name.to_owned()))
    }

    fn text(&self) -> String {
        let Place(std::cmp::Reverse(second), name) = self;
        format!("{second}.{name}")
    }
}

/// One page.
#[derive(Clone, Debug)]
pub struct Page<T> {
    pub sessions: Vec<T>,
    /// Where the next one begins; None: this is the last.
    pub next: Option<String>,
}

impl Query {
    /// Reads the query.
    ///
    /// # Errors
    /// 400 with the parameter, its value and the rule.
    pub fn read(self) -> Result<Wanted, Problem> {
        let status = self
            .status
            .map(|words| words.split(',').map(status).collect());
        let limit = self.limit.map(|text| match text.parse() {
            Ok(limit @ 1..=LARGEST_PAGE) => Ok(limit),
            Ok(_) | Err(_) => Err(Problem::bad_request(format!(
                "limit: {} is not a number from 1 to {LARGEST_PAGE}",
                quoted(&text)
            ))),
        });
        let after = self.after.map(|text| {
            let words = || format!("continue: {} is none that this service gave", quoted(&text));
            Place::parse(&text).ok_or_else(|| Problem::bad_request(words()))
        });
        Ok(Wanted {
            user: self.user,
            game: self.game,
            status: status.transpose()?,
            limit: limit.transpose()?,
            after: after.transpose()?,
        })
    }
}

fn status(word: &str) -> Result<Status, Problem> {
    let known = Status::ALL
        .into_iter()
        .find(|status| status.as_str() == word.trim());
    known.ok_or_else(|| {
        let words = Status::ALL.map(Status::as_str).join(", ");
        Problem::bad_request(format!(
            "status: {} is not one of {words}",
            quoted(word.trim())
        ))
    })
}

impl Wanted {
    fn fits(&self, session: &GameSession) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|w| w == value);
        is(&self.user, &session.spec.user)
            && is(&self.game, &session.spec.game_ref.name)
            && self
                .status
                .as_ref()
                .is_none_or(|wanted| wanted.contains(&Status::of(session)))
    }

    /// The page of these sessions that is wanted. A session that comes or goes between two pages moves no other.
    pub fn page<T: AsRef<GameSession>>(&self, sessions: Vec<T>) -> Page<T> {
        let mut placed: Vec<(Place, T)> = sessions
            .into_iter()
            .filter(|session| self.fits(session.as_ref()))
            .map(|session| (Place::of(session.as_ref()), session))
            .filter(|(place, _)| self.after.as_ref().is_none_or(|after| place > after))
            .collect();
        placed.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let limit = self.limit.unwrap_or(usize::MAX);
        let more = placed.len() > limit;
        placed.truncate(limit);
        let next = placed
            .last()
            .filter(|_| more)
            .map(|(place, _)| place.text());
        Page {
            sessions: placed.into_iter().map(|(_, session)| session).collect(),
            next,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn session(name: &str, second: i64, user: &str, phase: &str) -> Arc<GameSession> {
        let session = json!({
            "apiVersion": "dillinger.dev/v1alpha1", "kind": "GameSession",
            "metadata": {"name": name, "creationTimestamp": Timestamp::from_second(second).unwrap().to_string()},
            "spec": {"gameRef": {"name": "chess"}, "user": user},
            "status": {"phase": phase},
        });
        Arc::new(serde_json::from_value(session).unwrap())
    }

    fn wanted(query: &[(&str, &str)]) -> Wanted {
        let get = |name: &str| {
            let pair = query.iter().find(|(key, _)| *key == name);
            pair.map(|(_, value)| (*value).to_owned())
        };
        let query = Query {
            user: get("user"),
            game: get("game"),
            status: get("status"),
            limit: get("limit"),
            after: get("continue"),
        };
        query.read().unwrap()
    }

    fn names(page: &Page<Arc<GameSession>>) -> Vec<String> {
        page.sessions
            .iter()
            .map(|session| session.name_any())
            .collect()
    }

    fn some() -> Vec<Arc<GameSession>> {
        vec![
            session("b", 10, "ann", "Running"),
            session("c", 30, "bob", "Failed"),
            session("a", 10, "bob", "Stopped"),
            session("d", 20, "ann", "Starting"),
        ]
    }

    #[test]
    fn the_newest_come_first_and_names_decide_between_equals() {
        let page = wanted(&[]).page(some());
        assert_eq!(names(&page), ["c", "d", "a", "b"]);
        assert_eq!(page.next, None);
    }

    #[test]
    fn filters_hold_together() {
        assert_eq!(names(&wanted(&[("user", "ann")]).page(some())), ["d", "b"]);
        let both = wanted(&[("user", "bob"), ("status", "stopped,error")]);
        assert_eq!(names(&both.page(some())), ["c", "a"]);
        assert!(names(&wanted(&[("game", "go")]).page(some())).is_empty());
    }

    #[test]
    fn pages_hold_each_session_once_though_others_come_and_go_between_them() {
        let first = wanted(&[("limit", "2")]).page(some());
        assert_eq!(names(&first), ["c", "d"]);
        let next = first.next.unwrap();
        let mut later = some();
        later.push(session("e", 40, "ann", "Pending"));
        later.retain(|session| session.name_any() != "d");
        let second = wanted(&[("limit", "2"), ("continue", &next)]).page(later);
        assert_eq!(names(&second), ["a", "b"]);
        assert_eq!(second.next, None);
    }

    #[test]
    fn a_query_that_cannot_be_used_names_the_parameter_the_value_and_the_rule() {
        let refused = |query: Query| query.read().unwrap_err().error;
        let limit = |text: &str| Query {
            limit: Some(text.to_owned()),
            ..Query::default()
        };
        for text in ["0", "1001", "-1", "many"] {
            assert_eq!(
                refused(limit(text)),
                format!("limit: \"{text}\" is not a number from 1 to 1000")
            );
        }
        let status = Query {
            status: Some("running,ready".to_owned()),
            ..Query::default()
        };
        assert_eq!(
            refused(status),
            "status: \"ready\" is not one of starting, running, stopping, stopped, error"
        );
        let after = Query {
            after: Some("x".to_owned()),
            ..Query::default()
        };
        assert_eq!(
            refused(after),
            "continue: \"x\" is none that this service gave"
        );
    }
}
