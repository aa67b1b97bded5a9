//! CPU and memory: session over Game over the Game's default, within the Game's maximum.

use super::{Refusal, ScratchMount};
use crate::api::{GameSessionSpec, GameSpec, Quantity, QuantityError, ResourceList};
use crate::session::quoted::quoted;
use crate::session::reason::Reason;

/// Which of the two resources.
struct Kind {
    name: &'static str,
    of: fn(&ResourceList) -> Option<&Quantity>,
    read: fn(&Quantity) -> Result<i64, QuantityError>,
    /// As in the schema, for a list that holds only the other resource.
    default: &'static str,
    default_max: &'static str,
}

const CPU: Kind = Kind {
    name: "cpu",
    of: |list| list.cpu.as_ref(),
    read: Quantity::cpu_millis,
    default: "1",
    default_max: "4",
};

const MEMORY: Kind = Kind {
    name: "memory",
    of: |list| list.memory.as_ref(),
    read: Quantity::bytes,
    default: "512Mi",
    default_max: "4Gi",
};

/// Thousandths of a CPU.
pub(super) fn cpu_millis(wish: &GameSessionSpec, game: &GameSpec) -> Result<i64, Refusal> {
    limit(&CPU, wish, game)
}

/// Bytes, scratch included.
pub(super) fn memory_bytes(wish: &GameSessionSpec, game: &GameSpec) -> Result<i64, Refusal> {
    limit(&MEMORY, wish, game)
}

fn limit(kind: &Kind, wish: &GameSessionSpec, game: &GameSpec) -> Result<i64, Refusal> {
    let name = kind.name;
    let max_text =
        (kind.of)(&game.resources.max).map_or(kind.default_max, |quantity| quantity.0.as_str());
    let max = above_zero(kind, max_text).map_err(|why| {
        Refusal::game(format!(
            "resources.max.{name} {} {}",
            quoted(max_text),
            why.words()
        ))
    })?;
    let wished = wish
        .resources
        .as_ref()
        .and_then(|resources| (kind.of)(&resources.limits));
    if let Some(wished) = wished {
        let text = quoted(&wished.0);
        let value = above_zero(kind, &wished.0).map_err(|why| {
            Refusal::new(
                why.reason(),
                format!("resources.limits.{name} {text} {}", why.words()),
            )
        })?;
        if value > max {
            return Err(Refusal::new(
                Reason::ResourcesTooLarge,
                format!(
                    "resources.limits.{name} {text} is more than the game allows: at most {}",
                    quoted(max_text)
                ),
            ));
        }
        return Ok(value);
    }
    let text =
        (kind.of)(&game.resources.limits).map_or(kind.default, |quantity| quantity.0.as_str());
    let value = above_zero(kind, text).map_err(|why| {
        Refusal::game(format!(
            "resources.limits.{name} {} {}",
            quoted(text),
            why.words()
        ))
    })?;
    if value > max {
        return Err(Refusal::game(format!(
            "resources.limits.{name} {} of the game is more than its own resources.max.{name} {}",
            quoted(text),
            quoted(max_text)
        )));
    }
    Ok(value)
}

/// Why a text is no limit.
enum Unfit {
    NotAQuantity,
    NotAboveZero,
    TooLarge,
}

impl Unfit {
    fn words(&self) -> &'static str {
        match self {
            Unfit::NotAQuantity => {
                "is not a quantity: a number with an optional suffix such as m, k, Mi, Gi"
            }
            Unfit::NotAboveZero => "is not above zero",
            Unfit::TooLarge => "is larger than any machine",
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Unfit::NotAQuantity | Unfit::NotAboveZero => Reason::ParametersInvalid,
            Unfit::TooLarge => Reason::ResourcesTooLarge,
        }
    }
}

fn above_zero(kind: &Kind, text: &str) -> Result<i64, Unfit> {
    match (kind.read)(&Quantity(text.to_owned())) {
        Ok(value) if value > 0 => Ok(value),
        Ok(_) => Err(Unfit::NotAboveZero),
        Err(QuantityError::NotAQuantity(_)) => Err(Unfit::NotAQuantity),
        Err(QuantityError::TooLarge(_)) => Err(Unfit::TooLarge),
    }
}

/// Scratch lives in memory and counts in its limit: it must fit.
pub(super) fn check_scratch(
    wish: &GameSessionSpec,
    scratch: &[ScratchMount],
    memory_bytes: i64,
) -> Result<(), Refusal> {
    let sum = scratch
        .iter()
        .fold(0_i64, |sum, one| sum.saturating_add(one.size_bytes));
    if sum <= memory_bytes {
        return Ok(());
    }
    let wished = wish
        .resources
        .as_ref()
        .and_then(|resources| resources.limits.memory.as_ref());
    Err(match wished {
        Some(wished) => Refusal::parameters(format!(
            "resources.limits.memory {} is too little: the game's scratch folders alone may take {sum} bytes of it",
            quoted(&wished.0)
        )),
        None => Refusal::game(format!(
            "scratch: the sizes add up to {sum} bytes, more than the memory limit of {memory_bytes} bytes that they count in"
        )),
    })
}

/// A size of a mount, in bytes.
pub(super) fn size(field: &str, quantity: &Quantity) -> Result<i64, Refusal> {
    above_zero(&MEMORY, &quantity.0)
        .map_err(|why| Refusal::game(format!("{field} {} {}", quoted(&quantity.0), why.words())))
}
