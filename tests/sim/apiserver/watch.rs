//! Watches: newline-separated JSON that goes on until its time is up, with bookmarks, and with the faults of the script.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use super::answer::{Answered, Refused};
use super::kinds::Kind;
use super::list::Selector;
use super::request::Request;
use super::store::{Change, ChangeKind, Store};
use super::{Line, Mode, Server, is_controller};
use crate::faults::Fate;
use crate::process::Process;

/// A watch without a timeout of its own ends after this.
const LONGEST: Duration = Duration::from_secs(1800);
/// Between two bookmarks.
const BOOKMARKS: Duration = Duration::from_secs(60);
/// The last bookmark comes this long before the end.
const LAST_BOOKMARK: Duration = Duration::from_secs(2);
/// An event that waits for a following one waits no longer.
const SWAPPED: Duration = Duration::from_secs(1);
const HELD: Duration = Duration::from_secs(10);

/// One open watch.
struct Watch {
    server: Arc<Server>,
    process: Process,
    kind: Arc<Kind>,
    resource: String,
    namespace: String,
    selector: Selector,
    bookmarks: bool,
    /// Changes up to here were looked at.
    seen: u64,
    /// A watch that begins beyond the present shows nothing until the present has caught up.
    from: u64,
    ready: VecDeque<Bytes>,
    /// Waits for the next event.
    swapped: Option<(Bytes, Instant)>,
    /// Waits for so many more, or until then.
    held: Option<(VecDeque<Bytes>, usize, Instant)>,
    not_before: Instant,
    frozen: bool,
    ended: bool,
    until: Instant,
    next_bookmark: Instant,
    revision: watch::Receiver<u64>,
    line: watch::Receiver<Line>,
    /// Of the connection.
    epoch: u32,
}

/// Begins a watch.
pub fn open(
    server: &Arc<Server>,
    process: &Process,
    kind: Arc<Kind>,
    request: &Request,
) -> Answered<impl Stream<Item = Result<Bytes, io::Error>> + Send + use<>> {
    let selector = Selector::parse(&kind, &request.query)?;
    let get = |key: &str| {
        request
            .query
            .get(key)
            .map(String::as_str)
            .unwrap_or_default()
    };
    let flag = |key: &str| ["true", "1"].contains(&get(key));
    let asked = match get("resourceVersion") {
        "" | "0" => None,
        text => Some(text.parse::<u64>().map_err(|_| {
            let message = format!("Invalid value: {text:?}: invalid resource version");
            Refused::bad_request(message)
        })?),
    };
    let timeout = get("timeoutSeconds")
        .parse()
        .map_or(LONGEST, Duration::from_secs);
    let now = Instant::now();
    let memory = server.memory();
    let mut watch = Watch {
        server: server.clone(),
        process: process.clone(),
        resource: super::object::resource(&kind.plural, &kind.group),
        kind,
        namespace: request.namespace.clone(),
        selector,
        bookmarks: flag("allowWatchBookmarks"),
        seen: asked.unwrap_or(memory.store.revision()),
        from: asked.unwrap_or_default(),
        ready: VecDeque::new(),
        swapped: None,
        held: None,
        not_before: now,
        frozen: false,
        ended: false,
        until: now + timeout,
        next_bookmark: now + BOOKMARKS.min(timeout.saturating_sub(LAST_BOOKMARK)),
        revision: server.revision.subscribe(),
        epoch: server.line.borrow().epoch,
        line: server.line.subscribe(),
    };
    watch.revision.mark_unchanged();
    let gone = is_controller(process.name()) && server.striking.start_is_gone(&watch.kind.plural);
    let oldest = memory.store.compacted();
    if gone || asked.is_some_and(|asked| asked < oldest) {
        watch.gone(&format!(
            "too old resource version: {} ({oldest})",
            asked.unwrap_or_default()
        ));
    } else if asked.is_none() {
        watch.show_all(&memory.store, flag("sendInitialEvents"));
    } else {
        watch.seen = watch.seen.min(memory.store.revision());
    }
    drop(memory);
    Ok(futures::stream::unfold(watch, |mut watch| async move {
        let line = watch.next().await?;
        Some((line, watch))
    }))
}

impl Watch {
    async fn next(&mut self) -> Option<Result<Bytes, io::Error>> {
        loop {
            self.process.alive().await;
            if self.frozen {
                // A dead connection: nothing comes, not even the end.
                std::future::pending::<()>().await;
            }
            let at = *self.line.borrow_and_update();
            if at.epoch != self.epoch {
                return Some(Err(io::Error::new(
                    io::ErrorKind::ConnectionReset,
                    "connection reset by peer",
                )));
            }
            if at.mode == Mode::Frozen {
                if self.line.changed().await.is_err() {
                    return None;
                }
                continue;
            }
            if !self.ended {
                self.revision.mark_unchanged();
                self.take_in();
            }
            let now = Instant::now();
            if self.not_before <= now
                && let Some(line) = self.ready.pop_front()
            {
                return Some(Ok(line));
            }
            if self.ready.is_empty() && self.ended {
                return None;
            }
            if now >= self.until {
                return None;
            }
            self.release(now);
            if self.ready.is_empty() && self.bookmarks && now >= self.next_bookmark && !self.lags()
            {
                self.bookmark(false);
                continue;
            }
            if !self.ready.is_empty() && self.not_before <= now {
                continue;
            }
            let wake = self.wake();
            tokio::select! {
                _ = self.revision.changed(), if !self.ended => {}
                _ = self.line.changed() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
        }
    }

    /// Something is withheld: a bookmark now would jump over it.
    fn lags(&self) -> bool {
        self.swapped.is_some() || self.held.is_some() || self.not_before > Instant::now()
    }

    /// When to look again if nothing happens.
    fn wake(&self) -> Instant {
        let now = Instant::now();
        let mut times = vec![self.until];
        times.extend(self.swapped.as_ref().map(|(_, at)| *at));
        times.extend(self.held.as_ref().map(|(_, _, at)| *at));
        if self.not_before > now {
            times.push(self.not_before);
        }
        if self.bookmarks && !self.lags() && self.next_bookmark > now {
            times.push(self.next_bookmark);
        }
        times.into_iter().min().expect("the end is among them")
    }

    /// Everything of now, as events.
    fn show_all(&mut self, store: &Store, mark_end: bool) {
        let present: Vec<&Arc<Value>> = store
            .iter()
            .filter(|(key, _)| key.resource == self.resource)
            .filter(|(key, _)| self.namespace.is_empty() || key.namespace == self.namespace)
            .filter(|(_, object)| self.selector.matches(object))
            .map(|(_, object)| object)
            .collect();
        for object in present {
            self.deliver(line(ChangeKind::Added.as_str(), object));
        }
        if mark_end {
            self.bookmark(true);
        }
    }

    /// Takes in the changes since the last time.
    fn take_in(&mut self) {
        let server = self.server.clone();
        let memory = server.memory();
        if self.seen < memory.store.compacted() {
            let message = format!(
                "too old resource version: {} ({})",
                self.seen,
                memory.store.compacted()
            );
            self.gone(&message);
            return;
        }
        let changes = memory.store.since(self.seen);
        let newest = changes.last().map(|change| change.revision);
        let mine = changes.iter().filter(|change| self.is_mine(change));
        let mine: Vec<Change> = mine.cloned().collect();
        drop(memory);
        for change in mine {
            if self.ended || self.frozen {
                return;
            }
            self.seen = change.revision;
            if change.revision > self.from
                && let Some(line) = self.shown(&change)
            {
                self.deliver(line);
            }
        }
        if !self.ended && !self.frozen {
            self.seen = newest.unwrap_or(self.seen);
        }
    }

    fn is_mine(&self, change: &Change) -> bool {
        change.key.resource == self.resource
            && (self.namespace.is_empty() || change.key.namespace == self.namespace)
    }

    /// The change as this watch shows it.
    fn shown(&self, change: &Change) -> Option<Bytes> {
        let before = change
            .before
            .as_ref()
            .is_some_and(|old| self.selector.matches(old));
        let after = change.kind != ChangeKind::Deleted && self.selector.matches(&change.object);
        let kind = match (before, after) {
            (false, true) => ChangeKind::Added,
            (true, true) => ChangeKind::Modified,
            (true, false) => ChangeKind::Deleted,
            (false, false) => return None,
        };
        if kind == ChangeKind::Deleted
            && let Some(before) = &change.before
        {
            let mut last = Value::clone(before);
            last["metadata"]["resourceVersion"] = json!(change.revision.to_string());
            return Some(line(kind.as_str(), &last));
        }
        Some(line(kind.as_str(), &change.object))
    }

    /// One event goes out, unless the script says otherwise.
    fn deliver(&mut self, line: Bytes) {
        let fate = match is_controller(self.process.name()) {
            true => self.server.striking.event(&self.kind.plural),
            false => None,
        };
        let now = Instant::now();
        match fate {
            None => self.push(line),
            Some(Fate::Drop) => {}
            Some(Fate::Double) => {
                self.push(line.clone());
                self.push(line);
            }
            Some(Fate::Swap) => self.swapped = Some((line, now + SWAPPED)),
            Some(Fate::Freeze) => self.frozen = true,
            Some(Fate::Gone) => self.gone("too old resource version: scripted"),
            Some(Fate::Delay { ms }) => {
                self.not_before = now + Duration::from_millis(ms);
                self.push(line);
            }
            Some(Fate::Hold { more }) => {
                self.held = Some((VecDeque::from([line]), more as usize, now + HELD));
            }
        }
    }

    fn push(&mut self, line: Bytes) {
        match &mut self.held {
            Some((lines, more, _)) => {
                lines.push_back(line);
                *more = more.saturating_sub(1);
                if *more == 0 {
                    self.ready.append(lines);
                    self.held = None;
                }
            }
            None => self.ready.push_back(line),
        }
        if let Some((swapped, _)) = self.swapped.take() {
            self.ready.push_back(swapped);
        }
    }

    /// What waited long enough goes out.
    fn release(&mut self, now: Instant) {
        if let Some((line, _)) = self.swapped.take_if(|(_, at)| *at <= now) {
            self.ready.push_back(line);
        }
        if let Some((mut lines, _, _)) = self.held.take_if(|(_, _, at)| *at <= now) {
            self.ready.append(&mut lines);
        }
    }

    fn bookmark(&mut self, ends_initial: bool) {
        let now = Instant::now();
        let last = self.until - LAST_BOOKMARK.min(self.until - now);
        self.next_bookmark = match now + BOOKMARKS < last || now >= last {
            true => now + BOOKMARKS,
            false => last,
        };
        if is_controller(self.process.name())
            && self.server.striking.bookmark_is_gone(&self.kind.plural)
        {
            self.gone("too old resource version: scripted");
            return;
        }
        let mut metadata = json!({ "resourceVersion": self.seen.max(self.from).to_string() });
        if ends_initial {
            metadata["annotations"] = json!({ "k8s.io/initial-events-end": "true" });
        }
        let object = json!({
            "kind": self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": metadata,
        });
        self.ready.push_back(line("BOOKMARK", &object));
    }

    /// The version is no longer there: one last event says so.
    fn gone(&mut self, message: &str) {
        let status = Refused::expired(message).status();
        self.ready.push_back(line("ERROR", &status));
        self.ended = true;
    }
}

fn line(kind: &str, object: &Value) -> Bytes {
    // In this order, as the real server has it: a reader may rely on it.
    let mut text = format!("{{\"type\":\"{kind}\",\"object\":").into_bytes();
    serde_json::to_writer(&mut text, object).expect("it is plain data");
    text.extend_from_slice(b"}\n");
    text.into()
}
