//! The rules of the house that a compiler does not hold: what may be named where, how long a file may be,
//! and which words are no names.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

/// Longest file of hand-written source, in lines.
const MOST_LINES: usize = 500;

/// Names with a banned word that is a term of somebody's field: Docker's credential helpers are called so.
const FIELD_TERMS: [&str; 1] = ["HELPER_LIMIT"];

/// One source file, with its path below the root of the repository.
struct Source {
    path: String,
    text: String,
    /// Compiled for tests alone.
    test: bool,
}

impl Source {
    /// The lines that are compiled into the product, with their numbers: no comments, no tests.
    fn code(&self) -> Vec<(usize, String)> {
        if self.test {
            return Vec::new();
        }
        let comment = Regex::new(r"//.*$").expect("a pattern");
        let mut code = Vec::new();
        let mut lines = self.text.lines().enumerate();
        while let Some((number, line)) = lines.next() {
            if line.trim_start().starts_with("#[cfg(test)]") {
                skip_item(line, &mut lines);
            } else {
                code.push((number + 1, comment.replace(line, "").into_owned()));
            }
        }
        code
    }
}

/// Passes over the item behind an attribute: one line, or up to the brace that closes it.
fn skip_item<'a>(attribute: &str, lines: &mut impl Iterator<Item = (usize, &'a str)>) {
    let indent = attribute.len() - attribute.trim_start().len();
    let close = format!("{}}}", " ".repeat(indent));
    for (_, line) in lines {
        if line.trim_start().starts_with("#[") {
            continue;
        }
        let one_line = !line.starts_with(&" ".repeat(indent + 1)) && line.trim_end().ends_with(';');
        if one_line || line.starts_with(&close) {
            return;
        }
    }
}

/// Modules that exist for tests alone, as `#[cfg(test)] mod name;` declares them, and all below them.
fn mark_tests(sources: &mut [Source]) {
    let declared = Regex::new(
        r"#\[cfg\(test\)\]\s*(?:#\[[^\]]*\]\s*)*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;",
    )
    .expect("a pattern");
    let mut tests = Vec::new();
    for source in sources.iter() {
        let path = Path::new(&source.path);
        let stem = path
            .file_stem()
            .expect("a file name")
            .to_string_lossy()
            .into_owned();
        let parent = path.parent().expect("a folder").to_path_buf();
        let folder = match stem.as_str() {
            "mod" | "lib" | "main" => parent,
            _ => parent.join(stem),
        };
        for name in declared.captures_iter(&source.text) {
            tests.push(folder.join(&name[1]).to_string_lossy().replace('\\', "/"));
        }
    }
    for source in sources {
        let below = |module: &String| {
            source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"))
        };
        source.test = source.path.starts_with("tests/") || tests.iter().any(below);
    }
}

/// All source below these folders.
fn sources(folders: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["src", "tests"] {
        collect(root, &root.join(folder), &mut found);
    }
    // A module's parent says whether it is a test, so all are read before some are chosen.
    mark_tests(&mut found);
    found.retain(|source| {
        folders
            .iter()
            .any(|f| source.path.starts_with(&format!("{f}/")))
    });
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
                test: false,
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
                if banned.is_match(&name[1]) && !FIELD_TERMS.contains(&&name[1]) {
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

/// What a page names in backticks and no source has: tests by their sentences, kinds of schedules by their word.
fn unknown_names(page: &str, sources: &[Source]) -> Vec<String> {
    let test = Regex::new(r"`([a-z0-9]+(?:_[a-z0-9]+){3,})`").expect("a pattern");
    let kind = Regex::new(r"`(Kind::[A-Za-z]+)`").expect("a pattern");
    let tests = test.captures_iter(page);
    let tests = tests.map(|name| format!("fn {}(", &name[1]));
    let kinds = kind.captures_iter(page).map(|name| name[1].to_owned());
    let missing = |name: &String| !sources.iter().any(|source| source.text.contains(name));
    tests.chain(kinds).filter(missing).collect()
}

#[test]
fn every_test_that_the_page_on_reliability_names_exists_and_every_fault_names_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reliability.md");
    let page = fs::read_to_string(path).expect("the page is there");
    let unknown = unknown_names(&page, &sources(&["src", "tests"]));
    assert_none(&unknown, "docs/reliability.md names what does not exist");
    let faults = page
        .split("\n## ")
        .find(|part| part.starts_with("Fault by fault"));
    let faults = faults.expect("the page has faults").lines();
    let rows: Vec<_> = faults
        .filter(|line| line.starts_with("| ") && !line.starts_with("| Fault |"))
        .collect();
    assert!(rows.len() >= 50, "{} rows", rows.len());
    let held = Regex::new(r"`[a-z0-9]+(?:_[a-z0-9]+){2,}`").expect("a pattern");
    let bare: Vec<_> = rows.iter().filter(|row| !held.is_match(row)).collect();
    assert!(bare.is_empty(), "no test holds {bare:#?}");
}

#[test]
fn the_rules_find_what_breaks_them() {
    let source = |path: &str, text: &str| Source {
        path: path.to_owned(),
        text: text.to_owned(),
        test: false,
    };
    let found = |text: &str, pattern: &str| places(&[source("src/a.rs", text)], pattern).len();
    assert_eq!(found("async fn look() {}", r"\basync\b"), 1);
    assert_eq!(found("// async", r"\basync\b"), 0);
    assert_eq!(
        found("#[cfg(test)]\nmod t {\n    x.unwrap();\n}\n", "unwrap"),
        0
    );
    assert_eq!(
        found("#[cfg(test)]\nmod t {\n    x;\n}\nx.unwrap();", "unwrap"),
        1
    );
    assert_eq!(found("#[cfg(test)]\nmod t;\nx.unwrap();", "unwrap"), 1);

    let there = [source(
        "src/a.rs",
        "fn what_is_there_is_found() {} Kind::There",
    )];
    let page = "`what_is_there_is_found` `what_is_not_there_is_told` `Kind::There` `Kind::Other`";
    let missing = ["fn what_is_not_there_is_told(", "Kind::Other"];
    assert_eq!(unknown_names(page, &there), missing);

    let mut tree = [
        source("src/a/mod.rs", "mod c;\n#[cfg(test)]\npub(crate) mod b;\n"),
        source("src/a/b.rs", ""),
        source("src/a/b/deep.rs", ""),
        source("src/a/c.rs", ""),
    ];
    mark_tests(&mut tree);
    assert_eq!(tree.map(|source| source.test), [false, true, true, false]);
}
