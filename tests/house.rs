//! The rules of the house that a compiler does not hold: what may be named where, how long a file may be,
//! and which words are no names.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Longest file of hand-written source, in lines.
const MOST_LINES: usize = 500;

/// One source file, with its path below the root of the repository.
struct Source {
    path: String,
    text: String,
}

impl Source {
    fn is_test(&self) -> bool {
        self.path.starts_with("tests/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("/fixtures.rs")
    }

    /// The lines that are compiled into the product, with their numbers: no comments, no tests.
    fn code(&self) -> Vec<(usize, String)> {
        if self.is_test() {
            return Vec::new();
        }
        let comment = Regex::new(r"//.*$").expect("a pattern");
        self.text
            .lines()
            .enumerate()
            .take_while(|(_, line)| !line.trim_start().starts_with("#[cfg(test)]"))
            .map(|(number, line)| (number + 1, comment.replace(line, "").into_owned()))
            .collect()
    }
}

fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in folders {
        collect(root, &root.join(folder), &mut found);
    }
    assert!(!found.is_empty(), "no source in {folders:?}");
    found
}

fn collect(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("an entry").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            collect(root, &path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let below = path.strip_prefix(root).expect("below the root");
            found.push(Source {
                path: below.to_string_lossy().replace('\\', "/"),
                text: fs::read_to_string(&path).expect("readable source"),
            });
        }
    }
}

/// Places where the pattern is met in code.
fn places(sources: &[Source], pattern: &str) -> Vec<String> {
    let pattern = Regex::new(pattern).expect("a pattern");
    let mut places = Vec::new();
    for source in sources {
        for (number, line) in source.code() {
            if pattern.is_match(&line) {
                places.push(format!("{}:{number}: {}", source.path, line.trim()));
            }
        }
    }
    places
}

fn assert_none(places: &[String], rule: &str) {
    assert!(places.is_empty(), "{rule}:\n{}", places.join("\n"));
}

#[test]
fn the_heart_knows_no_async_no_client_no_engine_and_no_clock() {
    let heart = sources(&["src/session"]);
    let forbidden = r"\basync\b|\bawait\b|\btokio\b|\bfutures\b|\bkube::(runtime|client|api)\b|\b(Client|Api)\b|\bbollard\b|\bhyper\b|Timestamp::now|Zoned::now|\bSystemTime\b|\bInstant\b|\bstd::(fs|net|process|thread|env)\b";
    assert_none(&places(&heart, forbidden), "values in, values out");
}

#[test]
fn the_heart_knows_neither_runtimes_nor_the_controller() {
    let heart = sources(&["src/session"]);
    let forbidden = r"crate::(runtime|controller|telemetry|config|gateway)\b";
    assert_none(
        &places(&heart, forbidden),
        "the heart depends on the API types alone",
    );
}

#[test]
fn the_decision_has_no_wildcard_arm() {
    let plan = sources(&["src/session/plan"]);
    assert_none(
        &places(&plan, r"(^|\|)\s*_\s*(if .*)?=>"),
        "every case is named",
    );
}

#[test]
fn the_engines_client_is_named_only_where_the_engine_is_spoken_to() {
    let elsewhere: Vec<_> = sources(&["src"])
        .into_iter()
        .filter(|source| !source.path.starts_with("src/runtime/docker"))
        .collect();
    assert_none(
        &places(&elsewhere, r"\bbollard\b"),
        "bollard lives under src/runtime/docker",
    );
}

#[test]
fn nothing_is_unwrapped_outside_of_tests() {
    assert_none(
        &places(&sources(&["src"]), r"\.unwrap\(\)"),
        "say why with expect",
    );
}

#[test]
fn no_file_is_longer_than_a_reader_has_patience_for() {
    let long: Vec<_> = sources(&["src", "tests"])
        .into_iter()
        .map(|source| (source.text.lines().count(), source.path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .map(|(lines, path)| format!("{path}: {lines} lines"))
        .collect();
    assert_none(&long, "at most 500 lines, one job each");
}

#[test]
fn names_say_what_a_thing_is() {
    let banned = r"(?i)(^|_)(manager|handler|utils?|helpers?)(_|$)|^process_|(Manager|Handler|Util|Utils|Helper|Helpers)$";
    let banned = Regex::new(banned).expect("a pattern");
    let named = Regex::new(
        r"\b(?:fn|struct|enum|trait|type|mod|const|static|macro_rules!)\s+([A-Za-z_][A-Za-z0-9_]*)",
    )
    .expect("a pattern");
    let mut places = Vec::new();
    for source in sources(&["src", "tests"]) {
        let file = Path::new(&source.path).file_stem().expect("a file name");
        if banned.is_match(&file.to_string_lossy()) {
            places.push(source.path.clone());
        }
        for (number, line) in source.code() {
            for name in named.captures_iter(&line) {
                if banned.is_match(&name[1]) {
                    places.push(format!("{}:{number}: {}", source.path, &name[1]));
                }
            }
        }
    }
    assert_none(
        &places,
        "the field's terms, not manager, handler, util, helper, process_",
    );
}

#[test]
fn every_module_says_what_it_promises() {
    let silent: Vec<_> = sources(&["src"])
        .into_iter()
        .filter(|source| !source.text.starts_with("//!"))
        .map(|source| source.path)
        .collect();
    assert_none(&silent, "a module begins with //!");
}

#[test]
fn the_rules_find_what_breaks_them() {
    let source = |text: &str| {
        vec![Source {
            path: "src/session/sample.rs".to_owned(),
            text: text.to_owned(),
        }]
    };
    assert_eq!(places(&source("async fn look() {}"), r"\basync\b").len(), 1);
    assert_eq!(places(&source("// async"), r"\basync\b").len(), 0);
    assert_eq!(
        places(&source("#[cfg(test)]\nmod t { x.unwrap(); }"), r"unwrap").len(),
        0
    );
}
