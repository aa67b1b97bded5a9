//! A Kubernetes quantity as it stands in a manifest: `500m`, `1.5Gi`, `2`.
//!
//! Kept as written; read with checked integer arithmetic, rounded up as Kubernetes does. No text panics.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A quantity, kept as written; an integer in the manifest is its decimal text.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Quantity(pub String);

/// Why a text is no quantity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    /// Not a number with one of the suffixes of Kubernetes.
    #[error("{0:?} is not a quantity (a number with an optional suffix such as m, k, Mi, G)")]
    NotAQuantity(String),
    /// Larger than what a 64-bit number of the unit holds, or more than 20 significant digits.
    #[error("{0:?} is too large")]
    TooLarge(String),
}

/// What a text says: digits × 10^ten × 2^two.
struct Parsed {
    negative: bool,
    digits: i128,
    ten: i64,
    two: u32,
}

/// So that digits × 2^60 fits 128 bits; the schema allows 20 characters in all.
const MOST_DIGITS: usize = 20;

impl Quantity {
    /// As thousandths of a CPU, rounded up.
    ///
    /// # Errors
    /// The text is no quantity, or more than 64 bits hold.
    pub fn cpu_millis(&self) -> Result<i64, QuantityError> {
        self.whole(3)
    }

    /// As bytes, rounded up.
    ///
    /// # Errors
    /// The text is no quantity, or more than 64 bits hold.
    pub fn bytes(&self) -> Result<i64, QuantityError> {
        self.whole(0)
    }

    /// The value × 10^`scale`, rounded away from zero to a whole number.
    fn whole(&self, scale: i64) -> Result<i64, QuantityError> {
        let parsed = parse(&self.0)?;
        let too_large = || QuantityError::TooLarge(cut(&self.0));
        if parsed.digits == 0 {
            return Ok(0);
        }
        let ten = parsed.ten.saturating_add(scale);
        let value = parsed
            .digits
            .checked_mul(1_i128 << parsed.two)
            .ok_or_else(too_large)?;
        let power = u32::try_from(ten.unsigned_abs())
            .ok()
            .and_then(|power| 10_i128.checked_pow(power));
        let value = match (ten < 0, power) {
            (false, Some(factor)) => value.checked_mul(factor).ok_or_else(too_large)?,
            (false, None) => return Err(too_large()),
            (true, Some(divisor)) => value / divisor + i128::from(value % divisor != 0),
            // Less than one of the unit: rounded up.
            (true, None) => 1,
        };
        let value = i64::try_from(value).map_err(|_| too_large())?;
        Ok(if parsed.negative { -value } else { value })
    }
}

fn cut(text: &str) -> String {
    text.chars().take(32).collect()
}

fn parse(text: &str) -> Result<Parsed, QuantityError> {
    let wrong = || QuantityError::NotAQuantity(cut(text));
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let number_end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, suffix) = rest.split_at(number_end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return Err(wrong());
    }
    let (ten, two) = suffix_value(suffix).ok_or_else(wrong)?;
    let all = format!("{whole}{fraction}");
    let significant = all.trim_start_matches('0');
    let kept = significant.trim_end_matches('0');
    let fraction_len = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let dropped = i64::try_from(significant.len() - kept.len()).unwrap_or(i64::MAX);
    if kept.len() > MOST_DIGITS {
        return Err(QuantityError::TooLarge(cut(text)));
    }
    let digits = if kept.is_empty() {
        0
    } else {
        kept.parse::<i128>().map_err(|_| wrong())?
    };
    Ok(Parsed {
        negative,
        digits,
        ten: ten.saturating_sub(fraction_len).saturating_add(dropped),
        two,
    })
}

/// (power of ten, power of two) of a suffix.
fn suffix_value(suffix: &str) -> Option<(i64, u32)> {
    Some(match suffix {
        "" => (0, 0),
        "n" => (-9, 0),
        "u" => (-6, 0),
        "m" => (-3, 0),
        "k" => (3, 0),
        "M" => (6, 0),
        "G" => (9, 0),
        "T" => (12, 0),
        "P" => (15, 0),
        "E" => (18, 0),
        "Ki" => (0, 10),
        "Mi" => (0, 20),
        "Gi" => (0, 30),
        "Ti" => (0, 40),
        "Pi" => (0, 50),
        "Ei" => (0, 60),
        _ => (exponent(suffix)?, 0),
    })
}

fn exponent(suffix: &str) -> Option<i64> {
    let text = suffix.strip_prefix(['e', 'E'])?;
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    // An exponent past 64 bits is as far off as any: the sign says in which direction.
    let size = digits.parse::<i64>().unwrap_or(i64::MAX);
    Some(if text.starts_with('-') { -size } else { size })
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IntegerOrText;

        impl Visitor<'_> for IntegerOrText {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an integer or a quantity in text")
            }
            fn visit_i64<E: Error>(self, value: i64) -> Result<Quantity, E> {
                Ok(Quantity(value.to_string()))
            }
            fn visit_u64<E: Error>(self, value: u64) -> Result<Quantity, E> {
                Ok(Quantity(value.to_string()))
            }
            fn visit_str<E: Error>(self, value: &str) -> Result<Quantity, E> {
                Ok(Quantity(value.to_owned()))
            }
        }

        deserializer.deserialize_any(IntegerOrText)
    }
}

impl schemars::JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "x-kubernetes-int-or-string": true,
            "anyOf": [{"type": "integer"}, {"type": "string"}],
            "maxLength": 20,
            "x-kubernetes-validations": [{
                "rule": "type(self) == int ? self > 0 : (isQuantity(self) && quantity(self).isGreaterThan(quantity('0')))",
                "message": "must be a quantity above zero",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hostile::{any_json, cases, text};

    fn bytes(text: &str) -> Result<i64, QuantityError> {
        Quantity(text.to_owned()).bytes()
    }

    fn millis(text: &str) -> Result<i64, QuantityError> {
        Quantity(text.to_owned()).cpu_millis()
    }

    #[test]
    fn every_suffix_of_kubernetes_is_read() {
        for (text, want) in [
            ("0", 0),
            ("1", 1),
            ("+3", 3),
            ("-3", -3),
            ("128974848", 128_974_848),
            ("1n", 1),
            ("1u", 1),
            ("1m", 1),
            ("1000m", 1),
            ("1001m", 2),
            ("129e6", 129_000_000),
            ("1.5e3", 1_500),
            ("1E3", 1_000),
            ("1e+2", 100),
            ("12e-1", 2),
            ("1k", 1_000),
            ("129M", 129_000_000),
            ("1G", 1_000_000_000),
            ("1T", 1_000_000_000_000),
            ("1P", 1_000_000_000_000_000),
            ("1E", 1_000_000_000_000_000_000),
            ("1Ki", 1_024),
            ("123Mi", 128_974_848),
            ("1.5Gi", 1_610_612_736),
            ("1Ti", 1 << 40),
            ("1Pi", 1 << 50),
            ("7Ei", 7 << 60),
            (".5Ki", 512),
            ("5.", 5),
            (
                "000000000000000000000000001.500000000000000000000000000Ki",
                1_536,
            ),
        ] {
            assert_eq!(bytes(text), Ok(want), "{text}");
        }
        for (text, want) in [
            ("1", 1_000),
            ("500m", 500),
            ("0.1", 100),
            ("1u", 1),
            ("1n", 1),
            ("2.0005", 2_001),
            ("1k", 1_000_000),
            ("1e-400", 1),
            ("1e-99999999999999999999", 1),
            ("0e99999999999999999999", 0),
        ] {
            assert_eq!(millis(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_with_a_suffix_is_refused() {
        for text in [
            "", " ", ".", "-", "+", "1 ", " 1", "K", "1K", "1kk", "1ki", "1.2.3", "1e", "1e+",
            "1e1Ki", "1Mib", "0x10", "١", "1_000", "--1", "NaN", "1e1.5", "1\0",
        ] {
            assert!(
                matches!(bytes(text), Err(QuantityError::NotAQuantity(_))),
                "{text:?}"
            );
        }
    }

    #[test]
    fn what_64_bits_do_not_hold_is_too_large() {
        for text in [
            "8Ei",
            "9223372036854775808",
            "1e19",
            "10E",
            "1e99999999999999999999",
            "1234567890.123456789012",
        ] {
            assert!(
                matches!(bytes(text), Err(QuantityError::TooLarge(_))),
                "{text}"
            );
        }
        assert_eq!(bytes("9223372036854775807"), Ok(i64::MAX));
        assert!(matches!(
            millis("9223372036854775807"),
            Err(QuantityError::TooLarge(_))
        ));
    }

    #[test]
    fn an_integer_and_a_text_are_both_read_and_a_float_is_not() {
        assert_eq!(
            serde_json::from_str::<Quantity>("2").unwrap(),
            Quantity("2".into())
        );
        assert_eq!(
            serde_json::from_str::<Quantity>("\"2Gi\"").unwrap(),
            Quantity("2Gi".into())
        );
        assert!(serde_json::from_str::<Quantity>("0.5").is_err());
        assert!(serde_json::from_str::<Quantity>("null").is_err());
        assert_eq!(
            serde_json::to_string(&Quantity("2".into())).unwrap(),
            "\"2\""
        );
    }

    proptest! {
        #![proptest_config(cases(256))]

        #[test]
        fn whatever_the_text_it_is_a_quantity_or_told_apart_in_few_words(text in prop_oneof![".*", text()]) {
            for read in [bytes(&text), millis(&text)] {
                if let Err(why) = read {
                    prop_assert!(why.to_string().chars().count() <= 32 * 10 + 128, "{}", why);
                }
            }
        }

        #[test]
        fn whatever_the_json_it_is_a_quantity_of_that_text_or_none(value in any_json()) {
            let read = serde_json::from_value::<Quantity>(value.clone()).ok();
            let is = match &value {
                serde_json::Value::String(text) => Some(text.clone()),
                serde_json::Value::Number(number) if !number.is_f64() => Some(number.to_string()),
                _ => None,
            };
            prop_assert_eq!(read.map(|quantity| quantity.0), is);
        }

        #[test]
        fn whatever_the_digits_and_suffix_the_value_is_the_one_of_exact_arithmetic(
            whole in "[0-9]{0,9}",
            fraction in "[0-9]{0,9}",
            suffix in proptest::sample::select(&["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti"][..]),
        ) {
            prop_assume!(!(whole.is_empty() && fraction.is_empty()));
            let power = |letters: &str, base: i128| letters.find(suffix).map(|at| base.pow(u32::try_from(at).unwrap()));
            let binary = suffix.strip_suffix('i');
            // In units of 10^-18, so that every one of them is whole.
            let unit = match (suffix, binary) {
                ("", _) => 10_i128.pow(18),
                ("n", _) => 10_i128.pow(9),
                ("u", _) => 10_i128.pow(12),
                ("m", _) => 10_i128.pow(15),
                (_, Some(letter)) => 1024 * 1024_i128.pow(u32::try_from("KMGT".find(letter).unwrap()).unwrap()) * 10_i128.pow(18),
                (_, None) => 1000 * power("kMGTPE", 1000).unwrap() * 10_i128.pow(18),
            };
            let digits: i128 = format!("0{whole}{fraction}").parse().unwrap();
            let scale = 10_i128.pow(u32::try_from(fraction.len()).unwrap());
            let Some(exact) = digits.checked_mul(unit) else { return Ok(()) };
            let up = |value: i128, by: i128| value / by + i128::from(value % by != 0);
            let want = i64::try_from(up(exact, scale * 10_i128.pow(18)));
            prop_assert_eq!(bytes(&format!("{whole}.{fraction}{suffix}")).ok(), want.ok());
        }

        #[test]
        fn no_text_that_looks_like_a_number_panics(text in "[-+]?[0-9.]{0,50}([eE][-+]?[0-9]{0,25}|[numkMGTPE]i?)?") {
            if let (Ok(small), Ok(large)) = (bytes(&text), millis(&text)) {
                prop_assert!(large.abs() >= small.abs());
            }
        }

        #[test]
        fn a_whole_number_is_itself(value in any::<i64>()) {
            prop_assert_eq!(bytes(&value.to_string()), if value == i64::MIN {
                Err(QuantityError::TooLarge(value.to_string()))
            } else {
                Ok(value)
            });
        }

        #[test]
        fn binary_suffixes_multiply_by_powers_of_1024(value in 0_i64..8192, power in 0_usize..5) {
            let suffix = ["", "Ki", "Mi", "Gi", "Ti"][power];
            prop_assert_eq!(bytes(&format!("{value}{suffix}")), Ok(value << (10 * power)));
        }

        #[test]
        fn a_fraction_is_rounded_up(milli in 0_i64..10_000_000) {
            prop_assert_eq!(bytes(&format!("{milli}m")), Ok((milli + 999) / 1000));
            prop_assert_eq!(bytes(&format!("{}.{:03}", milli / 1000, milli % 1000)), Ok((milli + 999) / 1000));
        }
    }
}
