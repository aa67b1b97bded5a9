//! An effect that did not go through is not sent again before its session's wait is over, whoever names the session
//! meanwhile: an engine tells of each create that failed, and so would ask for the next one. What changed before our
//! eyes is answered at once. Never blocks.

use crate::api::keys;
use crate::session::container::ContainerSpec;
use crate::session::plan::Effect;
use crate::session::seen::Seen;

/// The effect that did not go through, and what was seen when it was sent.
#[derive(Clone, Debug)]
pub struct Tried {
    effect: Effect,
    seen: Seen,
}

impl Tried {
    pub fn new(effect: &Effect, seen: &Seen) -> Self {
        Tried {
            effect: effect.clone(),
            seen: seen.clone(),
        }
    }

    /// It would be the same once more.
    pub fn is(&self, effect: &Effect, seen: &Seen) -> bool {
        self.seen == *seen
            && match (&self.effect, effect) {
                (Effect::Create(before), Effect::Create(now)) => timeless(before) == timeless(now),
                (before, now) => before == now,
            }
    }
}

/// Without the label that says when it was asked for.
fn timeless(spec: &ContainerSpec) -> ContainerSpec {
    let mut spec = spec.clone();
    spec.labels.remove(keys::OLD_CREATED);
    spec
}
