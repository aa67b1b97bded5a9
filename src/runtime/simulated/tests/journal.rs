//! The file and its order: half lines, contradictions, writers side by side.

use super::*;
use crate::runtime::simulated::fold::{Fold, Place};
use crate::runtime::simulated::journal::Journal;
use crate::runtime::simulated::line::{Belongs, Created, Line};

fn made(uid: &str, id: &str) -> Line {
    Line::Created(Box::new(Created {
        of: Belongs {
            cluster: "cluster".to_owned(),
            controller: "test".to_owned(),
            namespace: "games".to_owned(),
            session: uid.to_owned(),
            uid: uid.to_owned(),
        },
        id: id.to_owned(),
        name: uid.to_owned(),
        attempt: 0,
        image: "image".to_owned(),
        image_id: "sha256:0".to_owned(),
        endpoints: Vec::new(),
        terms: None,
        at: start(),
    }))
}

#[test]
fn of_two_that_create_in_one_instant_the_first_line_wins() {
    let place = Scratch::new();
    let mut one = Journal::open(&place.0).unwrap();
    let mut two = Journal::open(&place.0).unwrap();
    // Neither has read what the other wrote when it judges.
    assert!(two.append(&made("a", "of-two")).unwrap());
    assert!(!one.append(&made("a", "of-one")).unwrap());
    two.catch_up().unwrap();
    assert_eq!(one.fold, two.fold);
    assert!(one.fold.named("a", "of-two").is_some());
    assert_eq!(one.changed, ["a"], "what the other did is news");
}

#[test]
fn writers_side_by_side_never_mix_their_lines() {
    let place = Scratch::new();
    let mut reader = Journal::open(&place.0).unwrap();
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let path = &place.0;
            scope.spawn(move || {
                let mut journal = Journal::open(path).unwrap();
                for n in 0..100 {
                    let uid = format!("{writer}-{n}");
                    assert!(journal.append(&made(&uid, &uid)).unwrap());
                }
            });
        }
    });
    reader.catch_up().unwrap();
    assert_eq!(reader.fold.all().count(), 400);
    let again = Journal::open(&place.0).unwrap();
    assert_eq!(reader.fold, again.fold, "read at once or bit by bit");
}

#[test]
fn a_line_that_is_not_whole_yet_is_waited_for() {
    let place = Scratch::new();
    let mut journal = Journal::open(&place.0).unwrap();
    let line = serde_json::to_string(&made("a", "id")).unwrap();
    let (head, tail) = line.split_at(40);
    place.append(head);
    journal.catch_up().unwrap();
    assert_eq!(journal.fold, Fold::default());
    place.append(tail);
    journal.catch_up().unwrap();
    assert_eq!(journal.fold, Fold::default());
    place.append("\n");
    journal.catch_up().unwrap();
    assert!(journal.fold.named("a", "id").is_some());
}

#[test]
fn the_half_line_of_a_process_that_died_costs_nobody_elses() {
    let place = Scratch::new();
    let mut journal = Journal::open(&place.0).unwrap();
    place.append("{\"created\":{\"of\"");
    journal.catch_up().unwrap();
    assert!(journal.append(&made("b", "id")).unwrap());
    place.append("\nno json at all\n\nneither is this");
    journal.catch_up().unwrap();
    assert!(journal.append(&made("c", "id")).unwrap());
    assert_eq!(Journal::open(&place.0).unwrap().fold, journal.fold);
    assert_eq!(journal.fold.all().count(), 2);
}

#[test]
fn a_file_that_is_no_journal_is_refused_and_left_as_it_is() {
    for text in [
        "",
        "hello\n",
        "{\"removed\":{\"uid\":\"a\",\"id\":\"b\"}}\n",
    ] {
        let place = Scratch::new();
        std::fs::write(&place.0, text).unwrap();
        let Err(error) = Journal::open(&place.0) else {
            panic!("taken for a journal: {text:?}");
        };
        assert!(error.to_string().contains("no journal"), "{error}");
        assert_eq!(place.text(), text);
    }
}

#[test]
fn a_line_that_contradicts_those_before_it_changes_nothing() {
    let at = |offset| Place { offset, length: 1 };
    let (uid, id) = ("a".to_owned(), "id".to_owned());
    let started = || Line::Started {
        uid: uid.clone(),
        id: id.clone(),
        at: start(),
    };
    let removed = || Line::Removed {
        uid: uid.clone(),
        id: id.clone(),
    };
    let exited = |id: Option<&str>| Line::Exited {
        uid: uid.clone(),
        id: id.map(str::to_owned),
        code: 0,
        at: start(),
    };
    let mut fold = Fold::default();
    for (line, holds) in [
        (started(), false),
        (made("a", "id"), true),
        (made("a", "second"), false),
        (exited(None), false),
        (started(), true),
        (started(), false),
        (removed(), false),
        (exited(Some("second")), false),
        (exited(None), true),
        (exited(Some("id")), false),
        (started(), false),
        (removed(), true),
        (removed(), false),
        (exited(None), false),
    ] {
        assert_eq!(fold.apply(line.clone(), at(7)).is_some(), holds, "{line:?}");
    }
    assert_eq!(fold, Fold::default(), "nothing is kept of what is gone");
}
