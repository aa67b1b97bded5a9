//! What is done to both engines: calls of the runtime as the controller makes them, and what people, programs and
//! bad nights do beside it.

use dillinger_runner::api::ImagePullPolicy;
use proptest::prelude::*;
use proptest::sample::select;

use super::games::Game;

/// One of the two sessions of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    A,
    B,
}

impl Who {
    pub const ALL: [Who; 2] = [Who::A, Who::B];

    pub fn name(self) -> &'static str {
        match self {
            Who::A => "a",
            Who::B => "b",
        }
    }

    pub fn other(self) -> Who {
        match self {
            Who::A => Who::B,
            Who::B => Who::A,
        }
    }
}

/// A container, as each side knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The session's last, there or not.
    Last(Who),
    /// One before it.
    Former(Who),
    Stranger,
    /// No engine ever had it.
    Nobody,
}

/// Host ports of a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    None,
    /// As the runtime chooses.
    Chosen,
    /// The same for everybody.
    Fixed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    Present,
    Pullable,
    Nowhere,
}

impl Picture {
    pub fn name(self) -> &'static str {
        match self {
            Picture::Present => "dillinger/testgame:1",
            Picture::Pullable => "127.0.0.1:5000/dillinger/testgame:1",
            Picture::Nowhere => "127.0.0.1:1/nowhere:1",
        }
    }
}

/// One write through the runtime.
#[derive(Clone, Debug)]
pub enum Act {
    Pull(Picture, ImagePullPolicy),
    CreateStorage(Who),
    Create {
        who: Who,
        attempt: i32,
        game: Game,
        port: Port,
    },
    Start(Which),
    Stop(Which, i32),
    Kill(Which),
    Remove(Which),
    /// The storage of the second session, in the name of the first.
    RemoveStorage(Who, Who),
}

/// A port that a Game asks for.
#[derive(Clone, Copy, Debug)]
pub enum Wanted {
    Nothing,
    Dynamic,
    Both,
    Passthrough,
    Static,
}

/// What is done by hand.
#[derive(Clone, Copy, Debug)]
pub enum Hand {
    Start(Which),
    Stop(Which),
    Kill(Which),
    Terminate(Which),
    Pause(Which),
    Unpause(Which),
    /// To the name of this session's container, or to one that nobody else uses.
    Rename(Which, Option<Who>),
    RemoveByForce(Which),
    /// The kernel ends it, whether the daemon is there or not.
    KillProcess(Which),
    /// A container of nobody, by the name of this session's.
    CreateStranger(Who, Port),
    CreateStrangersVolume(Who),
    RemoveVolume(Who),
    LoseMarker,
    HoldPort(bool),
    RemoveImage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Night {
    ShutDown,
    Crash,
    StartUp {
        live_restore: bool,
    },
    /// It hangs during one look.
    Freeze(Who),
}

#[derive(Clone, Debug)]
pub enum Operation {
    Act {
        act: Act,
        wrong_engine: bool,
    },
    /// A look that differs from the two that follow every operation.
    Look {
        who: Who,
        attempt: Option<i32>,
        /// None: any engine will do. Some(false): another one than this.
        right_engine: Option<bool>,
    },
    /// Asks the game until it says what it will go on to say.
    Ask(Who),
    Image(Picture),
    Choose(Who, Wanted),
    Shun,
    Forget(Who),
    /// The process ends, and another one begins.
    Reborn,
    Hand(Hand),
    Night(Night),
}

impl Operation {
    pub fn verb(&self) -> String {
        let word = |debug: String| {
            let end = debug.find(|c: char| !c.is_alphanumeric());
            debug[..end.unwrap_or(debug.len())].to_owned()
        };
        match self {
            Operation::Act { act, .. } => word(format!("{act:?}")),
            Operation::Hand(hand) => format!("{} by hand", word(format!("{hand:?}"))),
            Operation::Night(night) => format!("engine {}", word(format!("{night:?}"))),
            other => word(format!("{other:?}")),
        }
    }
}

fn who() -> impl Strategy<Value = Who> {
    prop_oneof![3 => Just(Who::A), 1 => Just(Who::B)]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        20 => who().prop_map(Which::Last),
        3 => who().prop_map(Which::Former),
        1 => Just(Which::Nobody),
    ]
}

/// What somebody acts on by hand.
fn touched() -> impl Strategy<Value = Which> {
    prop_oneof![6 => which(), 1 => Just(Which::Stranger)]
}

fn picture() -> impl Strategy<Value = Picture> {
    select(vec![Picture::Present, Picture::Pullable, Picture::Nowhere])
}

fn port() -> impl Strategy<Value = Port> {
    prop_oneof![1 => Just(Port::None), 3 => Just(Port::Chosen), 2 => Just(Port::Fixed)]
}

fn act() -> impl Strategy<Value = Act> {
    let policy = select(vec![ImagePullPolicy::IfNotPresent, ImagePullPolicy::Always]);
    prop_oneof![
        1 => (picture(), policy).prop_map(|(picture, policy)| Act::Pull(picture, policy)),
        2 => who().prop_map(Act::CreateStorage),
        10 => (who(), 0..3, super::games::game(), port())
            .prop_map(|(who, attempt, game, port)| Act::Create { who, attempt, game, port }),
        10 => which().prop_map(Act::Start),
        4 => (which(), select(vec![3, 3, 3600])).prop_map(|(which, grace)| Act::Stop(which, grace)),
        4 => which().prop_map(Act::Kill),
        7 => which().prop_map(Act::Remove),
        2 => (who(), who()).prop_map(|(who, whose)| Act::RemoveStorage(who, whose)),
    ]
}

fn hand() -> impl Strategy<Value = Hand> {
    let name = prop_oneof![2 => Just(None), 1 => who().prop_map(Some)];
    prop_oneof![
        4 => touched().prop_map(Hand::Start),
        2 => touched().prop_map(Hand::Stop),
        2 => touched().prop_map(Hand::Kill),
        2 => touched().prop_map(Hand::Terminate),
        4 => touched().prop_map(Hand::Pause),
        2 => touched().prop_map(Hand::Unpause),
        4 => (touched(), name).prop_map(|(which, name)| Hand::Rename(which, name)),
        3 => touched().prop_map(Hand::RemoveByForce),
        2 => which().prop_map(Hand::KillProcess),
        2 => (who(), port()).prop_map(|(who, port)| Hand::CreateStranger(who, port)),
        1 => who().prop_map(Hand::CreateStrangersVolume),
        2 => who().prop_map(Hand::RemoveVolume),
        1 => Just(Hand::LoseMarker),
        2 => any::<bool>().prop_map(Hand::HoldPort),
        1 => Just(Hand::RemoveImage),
    ]
}

fn wanted() -> impl Strategy<Value = Wanted> {
    select(vec![
        Wanted::Nothing,
        Wanted::Dynamic,
        Wanted::Both,
        Wanted::Passthrough,
        Wanted::Static,
    ])
}

/// Anything while the engine is there.
pub fn by_day() -> impl Strategy<Value = Operation> {
    let right_engine = select(vec![None, Some(true), Some(true), Some(false)]);
    let attempt = prop_oneof![1 => Just(None), 3 => (0..3).prop_map(Some)];
    prop_oneof![
        40 => (act(), prop::bool::weighted(0.04))
            .prop_map(|(act, wrong_engine)| Operation::Act { act, wrong_engine }),
        3 => (who(), attempt, right_engine)
            .prop_map(|(who, attempt, right_engine)| Operation::Look { who, attempt, right_engine }),
        3 => who().prop_map(Operation::Ask),
        1 => picture().prop_map(Operation::Image),
        5 => (who(), wanted()).prop_map(|(who, wanted)| Operation::Choose(who, wanted)),
        1 => Just(Operation::Shun),
        1 => who().prop_map(Operation::Forget),
        2 => Just(Operation::Reborn),
        16 => hand().prop_map(Operation::Hand),
    ]
}

/// A game that was made and started.
fn alive(who: Who) -> impl Strategy<Value = Vec<Operation>> {
    (super::games::game(), port()).prop_map(move |(game, port)| {
        let create = Act::Create {
            who,
            attempt: 0,
            game,
            port,
        };
        let start = Act::Start(Which::Last(who));
        [create, start]
            .map(|act| Operation::Act {
                act,
                wrong_engine: false,
            })
            .into()
    })
}

/// Both sessions have a game, mostly.
fn beginning() -> impl Strategy<Value = Vec<Operation>> {
    let some = |who| prop_oneof![3 => alive(who), 1 => Just(Vec::new())];
    (some(Who::A), some(Who::B)).prop_map(|(first, second)| [first, second].concat())
}

/// A sequence in which the engine stays.
pub fn day() -> impl Strategy<Value = Vec<Operation>> {
    let rest = prop::collection::vec(by_day(), 8..28);
    (beginning(), rest).prop_map(|(first, rest)| [first, rest].concat())
}

/// A sequence in which it goes and comes back, or hangs.
pub fn night() -> impl Strategy<Value = Vec<Operation>> {
    let down = select(vec![Night::ShutDown, Night::Crash]);
    let outage = (down, prop::collection::vec(by_day(), 0..4), any::<bool>()).prop_map(
        |(down, meanwhile, live_restore)| {
            let up = Operation::Night(Night::StartUp { live_restore });
            [vec![Operation::Night(down)], meanwhile, vec![up]].concat()
        },
    );
    let hang = who().prop_map(|who| vec![Operation::Night(Night::Freeze(who))]);
    let trouble = prop_oneof![5 => outage, 1 => hang];
    let part = || prop::collection::vec(by_day(), 1..7);
    (beginning(), part(), trouble, part())
        .prop_map(|(first, before, trouble, after)| [first, before, trouble, after].concat())
}
