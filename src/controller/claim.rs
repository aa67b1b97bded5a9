//! Who may act: the claim on one engine, and the pure decision about its Lease.
//!
//! A claim is held until a local monotonic instant and lapses by itself; nobody has to notice. Another's
//! record expires by our own monotonic time since we last saw it change, so clocks may differ as they like.
//! Nothing here blocks.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::RuntimeKind;
use crate::session::facts::EngineId;

/// What stands in the Lease: seconds after its last change when others may take it.
/// Failover after kill -9 = at most one [`POLL`] until a standby saw the last renewal + this + one call.
pub const LEASE: Duration = Duration::from_secs(2);
/// How long a renewal lets us act, counted from before it was sent. Less than others wait: a write that we
/// began is cut off before anybody else begins.
pub const HOLD: Duration = Duration::from_millis(1800);
/// How often the holder renews: two renewals may be lost before the claim lapses.
pub const RENEW: Duration = Duration::from_millis(500);
/// How often a standby looks.
pub const POLL: Duration = Duration::from_millis(300);

/// What the Lease says, as far as the decision needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// None or empty: released.
    pub holder: Option<String>,
    /// Changes with every write.
    pub version: String,
    pub duration: Duration,
}

/// A record, and when we first saw it in this version (monotonic).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    pub record: Record,
    pub since: Instant,
}

impl Observed {
    /// The newer look at the Lease: the instant stays while the version does.
    pub fn next(before: Option<&Observed>, record: Record, now: Instant) -> Observed {
        let since = match before {
            Some(seen) if seen.record.version == record.version => seen.since,
            Some(_) | None => now,
        };
        Observed { record, since }
    }
}

/// What to do about the Lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Nobody holds it: write our name, against the version that was seen.
    Acquire,
    /// It is ours: write a new time.
    Renew,
    /// Another holds it, at least this long yet.
    Wait(Duration),
    /// We believed to hold it and another does.
    Lost,
}

/// Decides. `record` None: there is no Lease. `held`: we hold a claim that we believe in.
pub fn decide(observed: Option<&Observed>, me: &str, held: bool, now: Instant) -> Decision {
    let Some(Observed { record, since }) = observed else {
        return Decision::Acquire;
    };
    match record.holder.as_deref() {
        None | Some("") => Decision::Acquire,
        Some(holder) if holder == me => Decision::Renew,
        Some(_) if held => Decision::Lost,
        Some(_) => {
            let left = (*since + record.duration).saturating_duration_since(now);
            if left.is_zero() {
                Decision::Acquire
            } else {
                Decision::Wait(left)
            }
        }
    }
}

/// What this process may do now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Nothing: another one leads, or we do not know yet.
    Standby,
    /// No engine answered since this process started, so there is no Lease to hold. Reports and the
    /// removal of a finalizer that guards nothing are compare-and-set, so two may do them; effects are not.
    NoEngine,
    /// Everything, on this engine, until this instant. `term` counts how often this process began to lead.
    Leading {
        engine: EngineId,
        until: Instant,
        term: u64,
    },
}

impl Claim {
    /// The engine that we lead at `now`.
    pub fn leads(&self, now: Instant) -> Option<&EngineId> {
        match self {
            Claim::Leading { engine, until, .. } if *until > now => Some(engine),
            Claim::Leading { .. } | Claim::Standby | Claim::NoEngine => None,
        }
    }
}

/// Publishes the claim.
pub type Publisher = watch::Sender<Claim>;
/// Reads the claim, at each use.
pub type Reader = watch::Receiver<Claim>;

/// The claims of one process: one a runtime that it serves, each on that runtime's engine.
#[derive(Clone)]
pub struct Claims(Vec<(RuntimeKind, Reader)>);

impl Claims {
    pub fn new(claims: Vec<(RuntimeKind, Reader)>) -> Claims {
        Claims(claims)
    }

    /// What stands for this runtime; nothing may be done for one that is not served.
    pub fn of(&self, kind: RuntimeKind) -> Claim {
        let found = self.0.iter().find(|(served, _)| *served == kind);
        found.map_or(Claim::Standby, |(_, claim)| claim.borrow().clone())
    }

    /// Looks at what stands, runtime by runtime.
    pub fn each(&self, mut look: impl FnMut(&Claim)) {
        for (_, claim) in &self.0 {
            look(&claim.borrow());
        }
    }

    /// What stands; what changes from here on is told by [`Claims::changed`].
    pub fn now(&mut self) -> Vec<Claim> {
        let claims = self.0.iter_mut();
        claims
            .map(|(_, claim)| claim.borrow_and_update().clone())
            .collect()
    }

    /// Whether this engine is led at `now`.
    pub fn lead(&self, engine: &EngineId, now: Instant) -> bool {
        let mut leads = false;
        self.each(|claim| leads |= claim.leads(now) == Some(engine));
        leads
    }

    /// Whether any engine is led at `now`.
    pub fn lead_any(&self, now: Instant) -> bool {
        let mut leads = false;
        self.each(|claim| leads |= claim.leads(now).is_some());
        leads
    }

    /// Waits until one of them changes; false: nobody publishes any more.
    pub async fn changed(&mut self) -> bool {
        let changes = self
            .0
            .iter_mut()
            .map(|(_, claim)| Box::pin(claim.changed()));
        futures::future::select_all(changes).await.0.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn observed(holder: Option<&str>, since: Instant) -> Observed {
        let record = Record {
            holder: holder.map(str::to_owned),
            version: "7".to_owned(),
            duration: LEASE,
        };
        Observed { record, since }
    }

    #[test]
    fn every_combination_of_holder_age_and_belief_has_its_one_answer() {
        let since = Instant::now();
        let ages = [
            Duration::ZERO,
            Duration::from_millis(1),
            LEASE - Duration::from_millis(1),
            LEASE,
            LEASE + Duration::from_millis(1),
            LEASE * 1000,
        ];
        for age in ages {
            for held in [false, true] {
                for holder in [None, Some(""), Some("me"), Some("other")] {
                    let decision = decide(Some(&observed(holder, since)), "me", held, since + age);
                    let expected = match holder {
                        Some("me") => Decision::Renew,
                        Some("other") if held => Decision::Lost,
                        Some("other") if age < LEASE => Decision::Wait(LEASE - age),
                        Some(_) | None => Decision::Acquire,
                    };
                    assert_eq!(decision, expected, "{holder:?} {age:?} held={held}");
                }
                assert_eq!(decide(None, "me", held, since + age), Decision::Acquire);
            }
        }
    }

    #[test]
    fn a_record_that_keeps_changing_never_expires_and_one_that_stands_still_does() {
        let start = Instant::now();
        let mut seen: Option<Observed> = None;
        let mut now = start;
        for version in 0..100 {
            now += LEASE / 2;
            let mut next = observed(Some("other"), now).record;
            next.version = version.to_string();
            seen = Some(Observed::next(seen.as_ref(), next, now));
            let decision = decide(seen.as_ref(), "me", false, now);
            assert_eq!(decision, Decision::Wait(LEASE));
        }
        let still = seen.clone().unwrap().record;
        let seen = Observed::next(seen.as_ref(), still, now + LEASE);
        assert_eq!(
            decide(Some(&seen), "me", false, now + LEASE),
            Decision::Acquire
        );
    }

    #[test]
    fn the_time_that_another_host_wrote_into_the_record_is_never_read() {
        // A record carries no time at all: only how long it stands after it last changed here.
        let Record {
            holder: _,
            version: _,
            duration: _,
        } = observed(None, Instant::now()).record;
    }

    #[test]
    fn we_stop_acting_before_anybody_else_begins_and_failover_stays_under_three_seconds() {
        assert!(HOLD < LEASE);
        assert!(RENEW * 2 < HOLD, "two renewals may be lost");
        assert!(
            POLL + LEASE < Duration::from_millis(2500),
            "half a second for the calls"
        );
    }

    #[test]
    fn a_claim_lapses_by_itself() {
        let now = Instant::now();
        let engine = EngineId("e".to_owned());
        let claim = Claim::Leading {
            engine: engine.clone(),
            until: now + HOLD,
            term: 1,
        };
        assert_eq!(claim.leads(now), Some(&engine));
        assert_eq!(claim.leads(now + HOLD), None);
        assert_eq!(Claim::Standby.leads(now), None);
        assert_eq!(Claim::NoEngine.leads(now), None);
    }
}
