//! `game check FILE`: what the Games of a manifest will do, what is wrong with them, and what is worth a thought. Needs no
//! cluster. Only [`file`] reads; the rest is pure.

mod misread;

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use regex::Regex;
use serde::Deserialize as _;
use serde_json::Value;

use self::misread::misread;
use crate::api::{Game, strict};
use crate::session::explained::{Explanation, explain};
use crate::session::quoted::plain;

/// Most of a file that is read: a manifest is some kilobytes.
const LARGEST: u64 = 8 * 1024 * 1024;
/// Width of the words before the sentences.
const WIDTH: usize = 11;

/// What was found in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    pub text: String,
    /// Things that an API server or a controller would refuse.
    pub mistakes: usize,
    pub games: usize,
}

/// Prints the report on a file; "-" is standard input.
///
/// # Errors
/// The file cannot be read, has no Game, or has a mistake.
pub fn file(path: &Path) -> anyhow::Result<()> {
    let shown = path.display();
    let mut text = String::new();
    let read = if path == Path::new("-") {
        std::io::stdin().take(LARGEST).read_to_string(&mut text)
    } else {
        let file =
            std::fs::File::open(path).with_context(|| format!("{shown}: cannot be opened"))?;
        file.take(LARGEST).read_to_string(&mut text)
    };
    read.with_context(|| format!("{shown}: cannot be read"))?;
    let report = report(&text);
    print!("{}", report.text);
    match (report.mistakes, report.games) {
        (0, 0) => bail!("{shown}: there is no Game in it"),
        (0, _) => Ok(()),
        (1, _) => bail!("{shown}: 1 mistake"),
        (mistakes, _) => bail!("{shown}: {mistakes} mistakes"),
    }
}

/// The report on a manifest of one or several documents.
pub fn report(text: &str) -> Report {
    let mut report = Report::default();
    for document in serde_yaml::Deserializer::from_str(text) {
        match Value::deserialize(document) {
            Ok(Value::Null) => {}
            Ok(manifest) => document_of(&manifest, text, &mut report),
            Err(error) => {
                report.wrong("This is no YAML", &[plain(&error.to_string(), 300)]);
                // Where one document cannot be read, the next has no beginning.
                break;
            }
        }
    }
    report
}

fn document_of(manifest: &Value, text: &str, report: &mut Report) {
    let kind = manifest["kind"].as_str().unwrap_or_default();
    let name = plain(
        manifest["metadata"]["name"]
            .as_str()
            .unwrap_or("without a name"),
        64,
    );
    match kind {
        "Game" => game(manifest, text, &name, report),
        "GameSession" => {
            let mut faults = strict::faults(kind, manifest);
            faults.extend(misread(manifest, text));
            report.line(&format!("GameSession {name}"));
            report.wrong("What is wrong", &faults);
            if faults.is_empty() {
                report.line("  its fields are right; whether they fit its Game, the controller says in its status");
            }
            report.line("");
        }
        other => report.line(&format!("{} {name} is passed over\n", plain(other, 64))),
    }
}

fn game(manifest: &Value, text: &str, name: &str, report: &mut Report) {
    report.games += 1;
    report.line(&format!("Game {name}"));
    let mut faults = strict::faults("Game", manifest);
    faults.extend(misread(manifest, text));
    if !is_label(manifest["metadata"]["name"].as_str().unwrap_or("a")) {
        faults.push(
            "metadata.name must be a DNS label: at most 63 lower-case letters, digits and '-'"
                .to_owned(),
        );
    }
    let read: Result<Game, _> = serde_json::from_value(manifest.clone());
    let explanation = match read {
        Ok(game) => explain(&game),
        Err(error) => {
            // The definitions have said so already, and better.
            if faults.is_empty() {
                faults.push(plain(&error.to_string(), 300));
            }
            Explanation::default()
        }
    };
    let Explanation {
        does,
        on_cluster,
        wrong,
        think,
    } = explanation;
    for (title, sentences) in [
        ("What it will do", does),
        ("What it will do on a cluster", on_cluster),
    ] {
        if !sentences.is_empty() {
            report.line(&format!("\n  {title}"));
        }
        for (word, sentence) in sentences {
            report.line(&format!("    {word:<WIDTH$} {sentence}"));
        }
    }
    // One mistake, told by the definitions and by the contract, is still one.
    if faults.is_empty() {
        faults.extend(wrong);
    }
    report.wrong("What is wrong", &faults);
    if !think.is_empty() {
        report.line("\n  What is worth a thought");
        for sentence in think {
            report.line(&format!("    - {sentence}"));
        }
    }
    report.line("");
}

/// As the definition's own rule for metadata.name.
fn is_label(name: &str) -> bool {
    let label = Regex::new("^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$").expect("a fixed pattern");
    label.is_match(name)
}

impl Report {
    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").expect("writing to a String never fails");
    }

    fn wrong(&mut self, title: &str, faults: &[String]) {
        if faults.is_empty() {
            return;
        }
        self.mistakes += faults.len();
        self.line(&format!("\n  {title}"));
        for fault in faults {
            self.line(&format!("    - {fault}"));
        }
    }
}

#[cfg(test)]
mod tests;
