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
    /// The two servers hold different objects from here on: the sequence ends.
    diverges: bool,
}

/// How often each was met.
#[derive(Debug, Default)]
pub struct Differences {
    pub met: BTreeMap<&'static str, u64>,
}

const KNOWN: &[Difference] = &[
    Difference {
        name: "a fraction for an integer",
        diverges: false,
        why: "the real server names the field twice, once as a part of its parent; both refuse with 422",
        explains: |_, simulated, real| {
            both(422, simulated, real) && real.raw.contains("Checked value must be of type")
        },
    },
    Difference {
        name: "a whole fraction in a rule",
        diverges: false,
        why: "the real server's rules see 2.0 as a double, which equals no integer; the controller never sends one, \
              and both refuse with 422",
        explains: |_, simulated, real| both(422, simulated, real) && real.asked.contains(":2.0"),
    },
    Difference {
        name: "a list for a time",
        diverges: true,
        why: "the real server takes an empty list where a date-time belongs; the simulated one refuses it, and the \
              controller sends times as text",
        explains: |_, simulated, real| {
            (simulated.code, real.code / 100) == (422, 2) && real.asked.contains("ime\":[]")
        },
    },
    Difference {
        name: "a deletionTimestamp for what is being deleted",
        diverges: true,
        why: "the real server puts it back and counts that as a change; nobody but the server sets it",
        explains: |_, simulated, real| {
            let still = |answer: &Answer| {
                let mut body = answer.body.clone();
                body["metadata"]["resourceVersion"].take();
                body
            };
            both(200, simulated, real)
                && real.asked.contains("deletionTimestamp")
                && still(simulated) == still(real)
        },
    },
];

fn both(code: u16, simulated: &Answer, real: &Answer) -> bool {
    (simulated.code, real.code) == (code, code)
}

/// What a difference means for the sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Unknown,
    Goes,
    Ends,
}

impl Differences {
    /// Whether the two answers differ in a known way only.
    pub fn explain(&mut self, operation: &Operation, simulated: &Answer, real: &Answer) -> Verdict {
        let known = KNOWN
            .iter()
            .find(|known| (known.explains)(operation, simulated, real));
        let Some(known) = known else {
            return Verdict::Unknown;
        };
        *self.met.entry(known.name).or_default() += 1;
        if known.diverges {
            Verdict::Ends
        } else {
            Verdict::Goes
        }
    }
}
