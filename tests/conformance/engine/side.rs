//! One engine under a sequence: the same code does to both what an operation says, and shows what is seen of it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use dillinger_runner::runtime::{Hint, Look, Runtime, SessionKey};
use dillinger_runner::session::container;
use dillinger_runner::session::facts::EngineId;
use dillinger_runner::session::seen::Seen;
use futures::StreamExt;
use futures::stream::BoxStream;
use serde_json::{Value, json};

use super::games::{self, Game};
use super::normal::{self, Names};
use super::operations::{Act, Hand, Night, Operation, Which, Who};

/// The host port of everybody who does not let one be chosen.
pub const FIXED: u16 = 7001;
/// Host ports that may be chosen.
pub const RANGE: std::ops::RangeInclusive<u16> = 7000..=7002;
/// Session of a container whose renaming tells that all events before it were told.
pub const FENCE: &str = "fence";
/// Between two looks of one that waits.
pub(super) const STEP: Duration = Duration::from_millis(20);
/// Past it, what does not come never comes.
pub(super) const LIMIT: Duration = Duration::from_secs(60);

/// An engine as people and programs reach it. Answers are status codes.
#[allow(async_fn_in_trait)]
pub trait World {
    /// A new controller process's way to it.
    fn runtime(&mut self) -> Arc<dyn Runtime>;
    /// Containers that exist, the fence aside.
    async fn ids(&mut self) -> Vec<String>;
    async fn about_to_start(&mut self, id: &str);
    /// Waits until a game that was just started does as it was told.
    async fn until_up(&mut self, id: &str, says: Option<&str>);
    /// Waits until whatever an operation set off is over, where nobody knows what that is to be.
    async fn settle(&mut self, slow: bool);
    async fn by_hand(&mut self, hand: &Touch) -> u16;
    async fn night(&mut self, night: Night);
    async fn thaw(&mut self);
    /// Renames the fence.
    async fn fence(&mut self);
}

/// What is done by hand, by this side's own names.
#[derive(Clone, Debug)]
pub enum Touch {
    Start(String),
    Stop(String),
    Kill(String),
    Terminate(String),
    Pause(String),
    Unpause(String),
    Rename(String, String),
    Remove(String),
    KillProcess(String),
    CreateStranger(String, Option<u16>),
    CreateVolume(String),
    RemoveVolume(String),
    LoseMarker,
    HoldPort(bool),
    RemoveImage(&'static str),
}

#[derive(Clone, Debug)]
struct Known {
    id: String,
    /// None: a stranger's.
    of: Option<(Who, Game)>,
}

/// What one operation came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    pub answer: Value,
    /// What the looks show afterwards.
    pub picture: Value,
    /// Whom the hints woke.
    pub hints: Value,
}

impl Step {
    pub fn parts(&mut self) -> [&mut Value; 3] {
        [&mut self.answer, &mut self.picture, &mut self.hints]
    }
}

pub struct Side<W> {
    pub(super) world: W,
    pub(super) runtime: Arc<dyn Runtime>,
    pub(super) hints: BoxStream<'static, Hint>,
    pub(super) names: Names,
    known: Vec<Known>,
    keys: [SessionKey; 2],
    /// The last attempt of each session.
    pub(super) attempts: [Option<i32>; 2],
    pub(super) renamed: u32,
    pub(super) up: bool,
}

impl<W: World> Side<W> {
    /// `sequence` makes uids that no other sequence has.
    pub async fn begin(mut world: W, sequence: &str) -> Side<W> {
        let runtime = world.runtime();
        let key = |who: Who| {
            let uid = format!("u-{sequence}-{}", who.name());
            SessionKey {
                namespace: "default".to_owned(),
                name: who.name().to_owned(),
                container_name: container::name(who.name(), &uid),
                uid,
            }
        };
        let mut side = Side {
            hints: Arc::clone(&runtime).hints(),
            runtime,
            world,
            names: Names::default(),
            known: Vec::new(),
            keys: Who::ALL.map(key),
            attempts: [None, None],
            renamed: 0,
            up: true,
        };
        side.until_hint(&Hint::All).await;
        let engine = side.runtime.engine().await.expect("the engine answers");
        side.names.engine = Some(engine.id);
        side
    }

    pub fn end(self) -> W {
        self.world
    }

    pub(super) fn key(&self, who: Who) -> &SessionKey {
        &self.keys[who as usize]
    }

    pub(super) fn right_engine(&self) -> EngineId {
        self.names
            .engine
            .clone()
            .expect("it was asked at the start")
    }

    pub(super) fn id(&self, which: Which) -> String {
        let nobody = || "f".repeat(64);
        let of = |who: Who| {
            let own = |known: &&Known| known.of.is_some_and(|(owner, _)| owner == who);
            self.known.iter().rev().filter(own).collect::<Vec<_>>()
        };
        let found = match which {
            Which::Last(who) => of(who).first().copied(),
            Which::Former(who) => of(who).get(1).copied(),
            Which::Stranger => self.known.iter().rev().find(|known| known.of.is_none()),
            Which::Nobody => None,
        };
        found.map_or_else(nobody, |known| known.id.clone())
    }

    /// Does it. `enough`: whether this picture is what there is to wait for.
    pub async fn run(&mut self, operation: &Operation, enough: impl Fn(&Value) -> bool) -> Step {
        let answer = self.perform(operation).await;
        let slow = matches!(
            operation,
            Operation::Act {
                act: Act::Stop(..),
                ..
            } | Operation::Hand(Hand::Stop(_) | Hand::Terminate(_))
        );
        self.world.settle(slow).await;
        let mut picture = self.picture().await;
        let began = tokio::time::Instant::now();
        while !enough(&picture) && began.elapsed() < LIMIT {
            tokio::time::sleep(STEP).await;
            picture = self.picture().await;
        }
        let hints = self.hinted().await;
        Step {
            answer,
            picture,
            hints,
        }
    }

    pub(super) async fn until_up(&mut self, which: Which) {
        let id = self.id(which);
        let known = self.known.iter().find(|known| known.id == id);
        let says = match known.map(|known| known.of) {
            Some(Some((_, game))) => game.says(),
            Some(None) => Some("server ready"),
            None => return,
        };
        if self.up {
            self.world.until_up(&id, says).await;
        }
    }

    /// Containers that came since.
    pub(super) async fn learn(&mut self, of: Option<(Who, Game)>) {
        if !self.up {
            return;
        }
        for id in self.world.ids().await {
            if !self.names.ids.contains(&id) {
                self.names.ids.push(id.clone());
                self.known.push(Known { id, of });
            }
        }
    }

    pub(super) async fn look(
        &self,
        who: Who,
        attempt: Option<i32>,
        engine: Option<&EngineId>,
        probe: bool,
    ) -> Seen {
        let key = self.key(who);
        let look = Look {
            key,
            attempt,
            engine,
            id: None,
            probe,
        };
        self.runtime.look(look).await
    }

    /// What every look shows.
    async fn picture(&self) -> Value {
        let engine = self.right_engine();
        let mut picture = json!({});
        for who in Who::ALL {
            let attempt = self.attempts[who as usize];
            let seen = self.look(who, attempt, Some(&engine), false).await;
            let wanted = [games::volume_name(self.key(who))];
            let storage = self.runtime.storage(self.key(who), &wanted).await;
            picture[who.name()] =
                json!({"seen": self.names.seen(&seen), "storage": normal::storage(&storage.ok())});
        }
        picture["list"] = self.names.list(&self.runtime.list().await);
        let found = self.runtime.engine().await;
        picture["engine"] = self.names.engine(found.as_ref().map(|e| &e.id));
        picture
    }

    pub(super) async fn until_hint(&mut self, wanted: &Hint) {
        let wait = async { while self.hints.next().await.as_ref() != Some(wanted) {} };
        let came = tokio::time::timeout(LIMIT, wait).await;
        assert!(came.is_ok(), "the hint {wanted:?} does not come");
    }

    /// Whom hints woke until now.
    async fn hinted(&mut self) -> Value {
        let mut woken = BTreeSet::new();
        if !self.up {
            return json!(woken);
        }
        self.world.fence().await;
        loop {
            let next = tokio::time::timeout(LIMIT, self.hints.next()).await;
            match next.expect("the fence is told of") {
                Some(Hint::All) => woken.insert("all".to_owned()),
                Some(Hint::Session(uid)) if uid == FENCE => return json!(woken),
                Some(Hint::Session(uid)) => woken.insert(uid),
                None => panic!("the hints ended"),
            };
        }
    }
}
