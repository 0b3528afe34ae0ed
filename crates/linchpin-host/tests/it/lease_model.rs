//! Leases of a grant, compared with what they should be after every step.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use linchpin::DateTime;
use linchpin_host::{
    store::{ConnectionStore, Failure, Lease, NewGrant, Sqlite},
    vault::{Kind, Sealed},
};
use proptest::prelude::*;

use super::sample::{at, connection, sealed};

const HOLDERS: [&str; 3] = ["one", "two", "three"];

/// A step, by a holder who believes that the generation is so many behind the newest (or one ahead of it).
#[derive(Debug, Clone)]
enum Step {
    Lease { holder: usize, behind: u64, seconds: u64 },
    Swap { behind: u64 },
    Fail { holder: usize, behind: u64, failure: Failure },
    Wait { seconds: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let holder = 0..HOLDERS.len();
    // Mostly the newest generation, so that something happens.
    let behind = || prop_oneof![6 => Just(1_u64), 1 => Just(0_u64), 2 => Just(2_u64)];
    let failure = prop_oneof![
        1 => Just(Failure::Dead("invalid_grant".to_owned())),
        2 => (0..50_i64).prop_map(|seconds| Failure::RetryAt(at(seconds))),
    ];
    let step = prop_oneof![
        4 => (holder.clone(), behind(), 0..20_u64)
            .prop_map(|(holder, behind, seconds)| Step::Lease { holder, behind, seconds }),
        1 => behind().prop_map(|behind| Step::Swap { behind }),
        3 => (holder, behind(), failure)
            .prop_map(|(holder, behind, failure)| Step::Fail { holder, behind, failure }),
        2 => (0..15_u64).prop_map(|seconds| Step::Wait { seconds }),
    ];
    proptest::collection::vec(step, 1..40)
}

/// What a store should keep of a grant.
#[derive(Debug)]
struct Model {
    now: u64,
    generation: u64,
    sealed: Sealed,
    lease: Option<(usize, u64)>,
    dead: Option<String>,
    failures: u32,
    retry_at: Option<DateTime>,
}

impl Model {
    fn lease(&mut self, holder: usize, generation: u64, seconds: u64) -> Lease {
        if generation != self.generation || self.dead.is_some() {
            return Lease::Moved;
        }
        match self.lease {
            Some((_, until)) if until > self.now => Lease::Held(Duration::from_secs(until - self.now)),
            before => {
                self.lease = Some((holder, self.now + seconds));
                Lease::Taken { abandoned: before.is_some() }
            }
        }
    }

    fn swap(&mut self, generation: u64, sealed: Sealed) -> bool {
        if generation != self.generation {
            return false;
        }
        *self = Model {
            now: self.now,
            generation: generation + 1,
            sealed,
            lease: None,
            dead: None,
            failures: 0,
            retry_at: None,
        };
        true
    }

    fn fail(&mut self, holder: usize, generation: u64, failure: Failure) -> bool {
        if generation != self.generation || self.lease.is_none_or(|(by, _)| by != holder) {
            return false;
        }
        self.lease = None;
        self.failures += 1;
        match failure {
            Failure::Dead(reason) => self.dead = Some(reason),
            Failure::RetryAt(time) => self.retry_at = Some(time),
        }
        true
    }
}

async fn holds(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(AtomicI64::new(0));
    let now = clock.clone();
    let store = Sqlite::with_clock(folder.path().join("store.db"), move || at(now.load(Ordering::Relaxed)));
    let store = store.unwrap();
    let first = sealed(Kind::Grant, "it");
    let grant = |sealed: &Sealed| NewGrant { sealed: sealed.clone(), expires: None, keep_alive: None };
    store.connection_add(connection("it"), Some(grant(&first))).await.unwrap();
    let mut model =
        Model { now: 0, generation: 1, sealed: first, lease: None, dead: None, failures: 0, retry_at: None };
    for step in steps {
        let believed = |behind: u64| (model.generation + 1).saturating_sub(behind);
        match step {
            Step::Lease { holder, behind, seconds } => {
                let generation = believed(behind);
                let time = Duration::from_secs(seconds);
                let found = store.grant_lease("it", generation, HOLDERS[holder], time).await.unwrap();
                prop_assert_eq!(found, model.lease(holder, generation, seconds));
            }
            Step::Swap { behind } => {
                let generation = believed(behind);
                let new = sealed(Kind::Grant, "it");
                let found = store.grant_swap("it", generation, grant(&new)).await.unwrap();
                prop_assert_eq!(found, model.swap(generation, new));
            }
            Step::Fail { holder, behind, failure } => {
                let generation = believed(behind);
                let found =
                    store.grant_fail("it", generation, HOLDERS[holder], failure.clone()).await.unwrap();
                prop_assert_eq!(found, model.fail(holder, generation, failure));
            }
            Step::Wait { seconds } => {
                model.now += seconds;
                clock.fetch_add(i64::try_from(seconds).unwrap(), Ordering::Relaxed);
            }
        }
        let row = store.grant("it").await.unwrap().unwrap();
        prop_assert_eq!(
            (row.generation, &row.sealed, &row.dead, row.failures, row.retry_at),
            (model.generation, &model.sealed, &model.dead, model.failures, model.retry_at)
        );
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 32,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_store_keeps_leases_as_the_model_does(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(holds(steps))?;
    }
}
