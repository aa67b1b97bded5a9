//! The loop: gives each session its turn, so many at once, until told to stop. Waits for looks, for names and for
//! the next time that is due, and for nothing else.

use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::named::Named;
use super::reconcile::{Looked, Wait, reconcile};

/// Looks at once: enough to hide the waits of single calls.
const CONCURRENCY: usize = 32;

/// Runs until `stop`, and then until the looks under way have ended.
pub async fn run(ctx: Arc<Context>, stop: CancellationToken) {
    let mut looks = JoinSet::new();
    while !stop.is_cancelled() {
        while looks.len() < CONCURRENCY
            && let Some(turn) = ctx.triggers.next(Instant::now())
        {
            let ctx = ctx.clone();
            looks.spawn(async move {
                let looked = reconcile(&turn, &ctx).await;
                (turn.session, looked)
            });
        }
        let free = looks.len() < CONCURRENCY;
        let due = ctx.triggers.due();
        tokio::select! {
            () = stop.cancelled() => {}
            Some(ended) = looks.join_next() => rest(&ctx, ended),
            () = ctx.triggers.named(), if free => {}
            () = until(due), if free && due.is_some() => {}
        }
    }
    while let Some(ended) = looks.join_next().await {
        rest(&ctx, ended);
    }
}

/// A look ended; a session that is gone from the cache meanwhile is looked at when it is named again.
fn rest(ctx: &Context, ended: Result<(Named, Looked), tokio::task::JoinError>) {
    let (session, Looked { next, planned }) = match ended {
        Ok(ended) => ended,
        // A panic in a look is caught there; this one is the loop's own, as it would be without a task.
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    };
    let next = match next {
        Wait::For(wait) => Some(Instant::now() + wait),
        Wait::Never => None,
    };
    ctx.triggers.ended(session, planned, next);
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        tokio::time::sleep_until(due).await;
    }
}
