//! One listener of `GET /events`.

use serde_json::Value;
use tokio::io::AsyncBufReadExt;

use crate::client::{Rest, begin, begin_narrow, call};
use crate::harness::LIMIT;

/// One event.
#[derive(Debug)]
pub struct Event {
    pub name: String,
    pub id: u64,
    pub data: Value,
}

pub struct Listener(Rest);

impl Listener {
    pub async fn at(port: u16, token: Option<&str>) -> Listener {
        let mut listen = call("GET /events");
        if let Some(token) = token {
            listen = listen.token(token);
        }
        let (head, rest) = begin(port, &listen).await.expect("an answer");
        assert_eq!(head.status, 200, "{head:?}");
        assert_eq!(head.headers["content-type"], "text/event-stream");
        Listener(rest)
    }

    /// One that takes a few kilobytes, and then nothing until it reads on.
    pub async fn narrow(port: u16) -> Listener {
        let (head, rest) = begin_narrow(port, &call("GET /events"))
            .await
            .expect("an answer");
        assert_eq!(head.status, 200, "{head:?}");
        Listener(rest)
    }

    /// The next event; None once the stream has ended.
    pub async fn next(&mut self) -> Option<Event> {
        let read = tokio::time::timeout(LIMIT, self.read());
        read.await.expect("an event, or a sign of life")
    }

    async fn read(&mut self) -> Option<Event> {
        let (mut name, mut id, mut data) = (String::new(), 0, String::new());
        let mut line = String::new();
        loop {
            line.clear();
            if self.0.read_line(&mut line).await.ok()? == 0 {
                return None;
            }
            match line.trim_end_matches('\n').split_once(": ") {
                Some(("event", text)) => name = text.to_owned(),
                Some(("id", text)) => id = text.parse().expect("a number"),
                Some(("data", text)) => data.push_str(text),
                Some(_) => {}
                None if line == "\n" && !name.is_empty() => {
                    let data = serde_json::from_str(&data).expect("JSON");
                    return Some(Event { name, id, data });
                }
                None => {}
            }
        }
    }

    /// Reads until an event fits.
    pub async fn until(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = self
                .next()
                .await
                .unwrap_or_else(|| panic!("the stream ended before {what}"));
            if fits(&event) {
                return event;
            }
        }
    }
}
