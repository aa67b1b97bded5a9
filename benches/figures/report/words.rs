//! Figures in words: numbers, units and budgets as a reader sees them. Pure.

use crate::figure::{Budget, Figure, Spread, Unit};

/// Three digits that matter; whole numbers stay whole, thousands are set off.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if size < 1e-9 {
        return "0".to_owned();
    }
    let whole = (value - value.round()).abs() < 1e-9;
    if whole || size >= 99.95 {
        return thousands(value.round());
    }
    if size >= 9.995 {
        return format!("{value:.1}");
    }
    // Below ten, one decimal more for each digit that the number starts later.
    let later = (-size.log10().floor()).max(0.0) as usize;
    format!("{value:.*}", 2 + later)
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
    let numbers = [min, median, max].map(number).join(" / ");
    with_unit(&numbers, unit)
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
