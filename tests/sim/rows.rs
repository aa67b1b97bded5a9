//! Which rows of the state table the controllers of a run plan.
//!
//! Each decision is logged with its row. A run has a thread of its own, and what is logged there while it lasts is its.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{LazyLock, Once};

use dillinger_runner::session::plan::Row;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{EnvFilter, LevelFilter, Targets};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

thread_local! {
    static MET: RefCell<BTreeSet<Row>> = RefCell::default();
}

/// Where decisions are logged.
const DECISIONS: &str = "dillinger_runner::controller::reconcile";

static BY_NAME: LazyLock<BTreeMap<String, Row>> =
    LazyLock::new(|| Row::ALL.map(|row| (format!("{row:?}"), row)).into());

/// A run begins on this thread. `SIM_LOG=debug` shows what its controllers say.
pub fn begin() {
    static LISTENS: Once = Once::new();
    LISTENS.call_once(|| {
        let rows = Targets::new().with_target(DECISIONS, LevelFilter::DEBUG);
        let words = std::env::var("SIM_LOG").ok().map(|level| {
            tracing_subscriber::fmt::layer()
                .with_test_writer()
                .with_filter(EnvFilter::new(level))
        });
        // Somebody else may listen already.
        let _ = tracing_subscriber::registry()
            .with(Rows.with_filter(rows))
            .with(words)
            .try_init();
    });
    MET.with_borrow_mut(BTreeSet::clear);
}

/// What was met since.
pub fn end() -> BTreeSet<Row> {
    MET.with_borrow_mut(std::mem::take)
}

struct Rows;

impl<S: Subscriber> Layer<S> for Rows {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        event.record(&mut Found);
    }
}

struct Found;

impl Visit for Found {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "row" {
            let row = BY_NAME.get(&format!("{value:?}"));
            let row = row.expect("a row of the table is logged");
            MET.with_borrow_mut(|met| met.insert(*row));
        }
    }
}
