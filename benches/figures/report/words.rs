//! Figures in words: numbers, units and budgets as a reader sees them. Pure.

use crate::figure::{Budget, Figure, Spread, Unit};

/// Three digits that matter; whole numbers stay whole, thousands are set off.
pub fn number(value: f64) -> String {
    rounded(value, decimals(&[value]))
}

/// The same for numbers that stand beside each other, all with the decimals that the largest deserves.
pub fn numbers(values: &[f64]) -> String {
    let decimals = decimals(values);
    let words = values.iter().map(|value| rounded(*value, decimals));
    words.collect::<Vec<_>>().join(" / ")
}

fn decimals(values: &[f64]) -> usize {
    let whole = values.iter().all(|v| (v - v.round()).abs() < 1e-9);
    let size = values
        .iter()
        .fold(0.0_f64, |most, value| most.max(value.abs()));
    if whole || size >= 99.95 {
        0
    } else if size >= 9.995 {
        1
    } else {
        // Below ten, one decimal more for each digit that the number starts later.
        2 + (-size.log10().floor()).max(0.0) as usize
    }
}

fn rounded(value: f64, decimals: usize) -> String {
    if decimals == 0 {
        thousands(value.round())
    } else {
        format!("{value:.decimals$}").replace('-', "−")
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    if value < 0.0 {
        text.insert(0, '−');
    }
    text
}

/// A number with its unit.
pub fn amount(value: f64, unit: Unit) -> String {
    with_unit(&number(value), unit)
}

/// The runs of a figure.
pub fn spread(spread: Spread, unit: Unit) -> String {
    let Spread { min, median, max } = spread;
    with_unit(&numbers(&[min, median, max]), unit)
}

fn with_unit(numbers: &str, unit: Unit) -> String {
    match unit {
        Unit::Count => numbers.to_owned(),
        Unit::PerSecond => format!("{numbers}{}", unit.symbol()),
        Unit::Milliseconds | Unit::Seconds | Unit::Mebibytes => {
            format!("{numbers} {}", unit.symbol())
        }
    }
}

/// What the figure is held to; nothing without a budget.
pub fn budget(figure: &Figure) -> String {
    match figure.budget {
        Some(Budget::AtMost(most)) => format!("≤ {}", amount(most, figure.unit)),
        Some(Budget::AtLeast(least)) => format!("≥ {}", amount(least, figure.unit)),
        None => String::new(),
    }
}

/// How much a median changed: per cent, or the values themselves where it was nothing before.
pub fn change(before: f64, after: f64) -> String {
    if before == after {
        return "±0".to_owned();
    }
    if before == 0.0 {
        return format!("0 → {}", number(after));
    }
    let percent = (after - before) / before.abs() * 100.0;
    let sign = if percent < 0.0 { '−' } else { '+' };
    format!("{sign}{:.1} %", percent.abs())
}
