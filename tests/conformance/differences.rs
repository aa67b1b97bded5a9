//! Where the simulated server is known to answer otherwise than the real one, and why that is all right.

use std::collections::BTreeMap;

use super::normal::Answer;
use super::operations::Operation;

/// One known difference.
struct Difference {
    name: &'static str,
    /// Why it cannot hide a fault of the controller.
    #[allow(unused)]
    why: &'static str,
    explains: fn(&Operation, simulated: &Answer, real: &Answer) -> bool,
}

/// How often each was met.
#[derive(Debug, Default)]
pub struct Differences {
    pub met: BTreeMap<&'static str, u64>,
}

const KNOWN: &[Difference] = &[Difference {
    name: "a fraction for an integer",
    why: "the real server names the field twice, once as a part of its parent; both refuse with 422",
    explains: |_, simulated, real| {
        simulated.code == 422
            && real.code == 422
            && real.raw.contains("Checked value must be of type")
    },
}];

impl Differences {
    /// Whether the two answers differ in a known way only.
    pub fn explain(&mut self, operation: &Operation, simulated: &Answer, real: &Answer) -> bool {
        let known = KNOWN
            .iter()
            .find(|known| (known.explains)(operation, simulated, real));
        if let Some(known) = known {
            *self.met.entry(known.name).or_default() += 1;
        }
        known.is_some()
    }
}
