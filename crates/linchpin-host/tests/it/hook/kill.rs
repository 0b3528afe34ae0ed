//! A process that is killed between any two steps, and another that goes on over the same store.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::Poll,
    time::Duration,
};

use linchpin_host::{
    DEFAULT_TENANT, Host,
    store::{HookFilter, Stage},
};

use super::{Variant, World, project};

/// Runs something for so many steps; `None` when it was killed before its end.
async fn killed_after<T>(steps: usize, work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let mut left = steps;
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        work.as_mut().poll(cx).map(Some)
    })
    .await
}

/// Kills something at every step, each in a world of its own, until it comes to its end.
async fn at_every_step(
    variant: Variant,
    ready: impl AsyncFn(&mut World),
    work: impl AsyncFn(Host),
    check: impl AsyncFn(&World, usize),
) {
    for steps in 0.. {
        let mut world = World::new(variant).await;
        ready(&mut world).await;
        let ended = killed_after(steps, work(world.host.clone())).await.is_some();
        world.restart();
        // The claim of whoever died runs out.
        world.round(Duration::from_secs(600)).await;
        world.settle(&format!("{variant:?}, killed after {steps} steps")).await;
        world.foreign_stands();
        check(&world, steps).await;
        if ended {
            assert!(steps > 5, "it was killed on its way");
            return;
        }
        assert!(steps < 500, "it never ends");
    }
}

/// Runs something until the service has done what it was asked, and not further.
async fn stopped_at<T>(mut work: Pin<&mut impl Future<Output = T>>, done: impl Fn() -> bool) {
    poll_fn(|cx| match done() {
        true => Poll::Ready(()),
        false => work.as_mut().poll(cx).map(|_| panic!("it came to its end")),
    })
    .await;
}

#[tokio::test]
async fn who_sleeps_through_a_claim_leaves_what_another_adopted() {
    let mut world = World::new(Variant::Everything).await;
    let first = world.host.clone();
    world.restart();
    let mut work = pin!(first.hook_register(project()));
    stopped_at(work.as_mut(), || !world.ours().is_empty()).await;
    world.round(Duration::from_secs(600)).await;
    assert!(world.is_well().await, "the other process has adopted it");
    let hook = work.await.unwrap();
    assert_eq!(world.host.hooks(HookFilter::default()).await.unwrap(), [hook]);
    assert!(world.is_well().await);
}

#[tokio::test]
async fn who_sleeps_through_a_claim_takes_back_what_nobody_knows_of() {
    let mut world = World::new(Variant::CheckAlone).await;
    let first = world.host.clone();
    world.restart();
    let mut work = pin!(first.hook_register(project()));
    stopped_at(work.as_mut(), || !world.ours().is_empty()).await;
    world.clock.advance(Duration::from_secs(600));
    let id = world.host.hooks(HookFilter::default()).await.unwrap()[0].id.clone();
    assert!(world.host.hook_deregister(&id).await.unwrap().hook.is_none());
    assert_eq!(world.ours().len(), 1, "without a list nobody can know of it");
    assert_eq!(work.await.unwrap_err().code(), linchpin::Code::HookUnknown);
    assert!(world.ours().is_empty());
    world.foreign_stands();
}

#[tokio::test]
async fn who_is_turned_off_on_the_way_takes_back_what_was_made() {
    let world = World::new(Variant::CheckAlone).await;
    let mut work = pin!(world.host.hook_register(project()));
    stopped_at(work.as_mut(), || !world.ours().is_empty()).await;
    let id = world.host.hooks(HookFilter::default()).await.unwrap()[0].id.clone();
    // Somebody has it, so it is only off; whoever has it does the rest.
    let off = world.host.hook_deregister(&id).await.unwrap();
    assert_eq!(off.hook.unwrap().stage, Stage::Deregistering);
    assert_eq!(work.await.unwrap_err().code(), linchpin::Code::HookUnknown);
    assert!(world.ours().is_empty());
    assert!(world.host.hooks(HookFilter::default()).await.unwrap().is_empty());
}

const LISTING: [Variant; 2] = [Variant::Everything, Variant::CheckAndList];

#[tokio::test]
async fn a_registration_that_is_killed_comes_about_or_leaves_nothing() {
    for variant in LISTING {
        let register = async |host: Host| drop(host.hook_register(project()).await.unwrap());
        at_every_step(variant, async |_| {}, register, async |_, _| {}).await;
    }
}

#[tokio::test]
async fn a_renewal_that_is_killed_leaves_one_hook() {
    for variant in LISTING {
        let ready = async |world: &mut World| drop(world.register().await.unwrap());
        let renew = async |host: Host| {
            let id = host.hooks(HookFilter::default()).await.unwrap()[0].id.clone();
            drop(host.hook_renew(&id, true).await.unwrap());
        };
        at_every_step(variant, ready, renew, async |world, steps| {
            assert_eq!(world.ours().len(), 1, "killed after {steps} steps");
        })
        .await;
    }
}

#[tokio::test]
async fn a_repair_that_is_killed_leaves_one_hook() {
    for variant in LISTING {
        let ready = async |world: &mut World| {
            world.register().await.unwrap();
            let foreign = world.foreign;
            world.service.change(|hook| {
                hook.active &= hook.id == foreign;
                true
            });
        };
        let check = async |host: Host| {
            let id = host.hooks(HookFilter::default()).await.unwrap()[0].id.clone();
            drop(host.hook_check(&id).await.unwrap());
        };
        at_every_step(variant, ready, check, async |world, steps| {
            world.round(Duration::from_secs(4000)).await;
            world.settle("after a look").await;
            assert_eq!(world.ours().len(), 1, "killed after {steps} steps");
        })
        .await;
    }
}

#[tokio::test]
async fn a_deregistration_that_is_killed_is_finished() {
    for variant in [Variant::Everything, Variant::Nothing] {
        let ready = async |world: &mut World| drop(world.register().await.unwrap());
        let off = async |host: Host| {
            let id = host.hooks(HookFilter::default()).await.unwrap()[0].id.clone();
            drop(host.hook_deregister(&id).await.unwrap());
        };
        at_every_step(variant, ready, off, async |world, steps| {
            // Killed before it was noted, it was never asked for.
            for hook in world.host.hooks(HookFilter::default()).await.unwrap() {
                world.turn_off(&hook.id, &format!("killed after {steps} steps")).await;
            }
            assert!(world.ours().is_empty());
        })
        .await;
    }
}

#[tokio::test]
async fn a_deletion_that_is_killed_is_finished() {
    let ready = async |world: &mut World| drop(world.register().await.unwrap());
    let delete = async |host: Host| drop(host.revoke(DEFAULT_TENANT, "work").await.unwrap());
    at_every_step(Variant::Everything, ready, delete, async |world, steps| {
        if world.host.kept(DEFAULT_TENANT, "work").await.is_ok() {
            // Killed before anything was noted.
            assert_eq!(world.ours().len(), 1, "killed after {steps} steps");
            return;
        }
        for _ in 0..3 {
            world.round(Duration::from_secs(4000)).await;
        }
        assert!(world.ours().is_empty(), "killed after {steps} steps: {:?}", world.ours());
        assert!(world.store.revocations().await.unwrap().is_empty());
        assert!(world.host.hooks(HookFilter::default()).await.unwrap().is_empty());
    })
    .await;
}
