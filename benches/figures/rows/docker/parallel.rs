//! Many at once: n sessions posted together → the last `start` event and all Ready, against n bare creates and starts
//! through as many lanes as the controller has → the last `start` event.

use anyhow::Result;

use super::bare::Bare;
use super::cold::millis;
use super::engine::{LIMIT, Whose};
use super::stand::Stand;

/// What one run saw, in milliseconds, an entry a round.
#[derive(Default)]
pub struct Parallel {
    pub bare: Vec<f64>,
    pub started: Vec<f64>,
    pub ready: Vec<f64>,
}

impl Parallel {
    /// Rounds of that many at once; every other begins with the bare engine.
    pub async fn run(
        stand: &mut Stand<'_>,
        bare: &Bare,
        count: usize,
        rounds: usize,
    ) -> Result<Parallel> {
        let mut parallel = Parallel::default();
        for round in 0..rounds {
            if round % 2 == 0 {
                parallel.bare(stand, bare, count).await?;
                parallel.sessions(stand, count).await?;
            } else {
                parallel.sessions(stand, count).await?;
                parallel.bare(stand, bare, count).await?;
            }
        }
        Ok(parallel)
    }

    async fn bare(&mut self, stand: &mut Stand<'_>, bare: &Bare, count: usize) -> Result<()> {
        let starts = (0..count).map(|_| bare.start());
        let started = futures::future::try_join_all(starts).await?;
        let ids = || started.iter().map(|s| Whose::Container(&s.id));
        let last = stand.events.when_all("start", ids()).await?;
        if let Some(began) = started.iter().map(|s| s.began).min() {
            self.bare.push(millis(began, last));
        }
        for one in &started {
            stand.engine.remove(&one.id).await?;
        }
        stand.events.when_all("destroy", ids()).await?;
        stand.events.forget();
        Ok(())
    }

    async fn sessions(&mut self, stand: &mut Stand<'_>, count: usize) -> Result<()> {
        let posted = stand.post_many(count).await?;
        let ready = stand.until_ready(&posted, LIMIT * 3).await?;
        let uids = posted.iter().map(|p| Whose::Session(&p.uid));
        let last = stand.events.when_all("start", uids).await?;
        if let Some(began) = posted.iter().map(|p| p.at).min() {
            self.started.push(millis(began, last));
            self.ready.push(millis(began, ready));
        }
        stand.delete(&posted).await?;
        stand.events.forget();
        Ok(())
    }
}
