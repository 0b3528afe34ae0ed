//! Every call fails in every way, beside everything that a service does by itself: each ends as it should without a person.

use std::time::Duration;

use linchpin_testing::{HookCall, HookEndpoint, HookFault, ProvidedHook};
use tokio::task::JoinSet;

use super::{HASTY, PUBLIC, SPEC, Variant, World};

const CALLS: [HookCall; 5] =
    [HookCall::Register, HookCall::Deregister, HookCall::Check, HookCall::Renew, HookCall::List];

/// What the service does by itself.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Nothing,
    Forgets,
    Pauses,
    Doubles,
    Moves,
    Renumbers,
}

const TURNS: [Turn; 6] =
    [Turn::Nothing, Turn::Forgets, Turn::Pauses, Turn::Doubles, Turn::Moves, Turn::Renumbers];

fn turn(world: &World, turn: Turn) {
    let foreign = world.foreign;
    let ours = |change: &dyn Fn(&mut ProvidedHook) -> bool| {
        world.service.change(|hook| hook.id == foreign || change(hook));
    };
    match turn {
        Turn::Nothing => {}
        Turn::Forgets => ours(&|_| false),
        Turn::Pauses => ours(&|hook| {
            hook.active = false;
            true
        }),
        Turn::Doubles => {
            for hook in world.ours() {
                world.service.add(&hook.url, hook.secret.as_deref());
            }
        }
        Turn::Moves => ours(&|hook| {
            hook.url = "https://elsewhere.example/in/1".to_owned();
            true
        }),
        // With another URL as well it could be anybody's.
        Turn::Renumbers => ours(&|hook| {
            hook.id += if hook.url.starts_with(PUBLIC) { 1000 } else { 0 };
            true
        }),
    }
}

async fn scenario(variant: Variant, call: HookCall, fault: HookFault, then: Turn) {
    let what = format!("{variant:?}, {call:?} {fault:?}, {then:?}");
    let (spec, tries) = if fault == HookFault::Slow { (HASTY, 9) } else { (SPEC, 1) };
    let world = World::with(variant, spec, HookEndpoint::at("/hooks")).await;
    world.service.break_next(call, [fault]);
    let mut registered = world.register().await;
    // The fault hits once; on a busy machine what is hasty may fail again.
    for _ in 0..tries {
        if registered.is_err() {
            // Off, and nothing is left of it.
            world.settle(&format!("{what}: not registered")).await;
            assert!(world.ours().is_empty(), "{what}: {:?}", world.ours());
            registered = world.register().await;
        }
    }
    let id = registered.unwrap();
    world.settle(&format!("{what}: registered")).await;
    assert_eq!(world.ours().len(), 1, "{what}");

    world.service.break_next(call, [fault]);
    turn(&world, then);
    // At the latest by the next look.
    world.round(Duration::from_secs(4000)).await;
    world.settle(&format!("{what}: after the turn")).await;
    assert_eq!(world.ours().len(), 1, "{what}");
    world.foreign_stands();

    world.service.break_next(call, [fault]);
    turn(&world, then);
    world.turn_off(&id, &what).await;
}

async fn matrix(variant: Variant, faults: &[HookFault], turns: &[Turn]) {
    for call in CALLS {
        for fault in faults {
            // They mostly wait.
            let scenarios = turns.iter().map(|then| scenario(variant, call, *fault, *then));
            scenarios.collect::<JoinSet<_>>().join_all().await;
        }
    }
}

macro_rules! matrices {
    ($($name:ident $variant:ident $fault:ident $turns:expr;)+) => {
        $(#[tokio::test]
        async fn $name() {
            matrix(Variant::$variant, &[HookFault::$fault], &$turns).await;
        })+
    };
}

const MOST: [Turn; 3] = [Turn::Forgets, Turn::Pauses, Turn::Doubles];

matrices! {
    with_everything_failing_calls_end_well Everything Fails TURNS;
    with_everything_refused_calls_end_well Everything Refused TURNS;
    with_everything_slow_calls_end_well Everything Slow TURNS;
    with_everything_lost_answers_end_well Everything Lost TURNS;
    with_everything_broken_connections_end_well Everything Closed TURNS;
    with_everything_calls_that_are_done_twice_end_well Everything Twice TURNS;
    without_renewal_failing_calls_end_well CheckAndList Fails TURNS;
    without_renewal_refused_calls_end_well CheckAndList Refused TURNS;
    without_renewal_slow_calls_end_well CheckAndList Slow TURNS;
    without_renewal_lost_answers_end_well CheckAndList Lost TURNS;
    without_renewal_broken_connections_end_well CheckAndList Closed TURNS;
    without_renewal_calls_that_are_done_twice_end_well CheckAndList Twice TURNS;
    with_a_list_alone_failing_calls_end_well ListAlone Fails MOST;
    with_a_list_alone_refused_calls_end_well ListAlone Refused MOST;
    with_a_list_alone_lost_answers_end_well ListAlone Lost MOST;
}

/// Without a list nobody can find what a service made and did not tell, so only faults that make nothing are here.
#[tokio::test]
async fn without_a_list_what_can_be_known_ends_well() {
    let turns = [Turn::Nothing, Turn::Forgets, Turn::Pauses, Turn::Moves];
    matrix(Variant::CheckAlone, &[HookFault::Fails, HookFault::Refused, HookFault::Closed], &turns).await;
}

/// A small generator (Knuth's MMIX), so that what fails once fails again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

#[tokio::test]
async fn whatever_happens_in_whatever_order_ends_well() {
    let faults = [HookFault::Fails, HookFault::Refused, HookFault::Lost, HookFault::Closed, HookFault::Twice];
    for seed in 0..16 {
        let mut dice = Dice(seed);
        let mut world = World::new([Variant::Everything, Variant::CheckAndList][dice.below(2)]).await;
        let id = world.register().await.unwrap();
        let mut story = Vec::new();
        for _ in 0..16 {
            match dice.below(4) {
                0 => {
                    let then = TURNS[dice.below(TURNS.len())];
                    story.push(format!("{then:?}"));
                    if matches!(then, Turn::Moves) {
                        // Nobody can know a hook again whose number and URL both changed since it was last looked for.
                        world.service.mend();
                        world.round(Duration::from_secs(4000)).await;
                    }
                    turn(&world, then);
                }
                1 => {
                    let (call, fault) = (CALLS[dice.below(CALLS.len())], faults[dice.below(faults.len())]);
                    story.push(format!("{call:?} {fault:?}"));
                    world.service.break_next(call, [fault]);
                }
                2 => world.restart(),
                _ => {
                    let seconds = dice.below(8000);
                    story.push(format!("{seconds} s"));
                    world.round(Duration::from_secs(seconds.try_into().unwrap())).await;
                }
            }
        }
        let what = format!("seed {seed}, {:?}: {story:?}", world.variant);
        world.service.mend();
        world.round(Duration::from_secs(4000)).await;
        world.settle(&what).await;
        assert_eq!(world.ours().len(), 1, "{what}");
        world.foreign_stands();
        world.turn_off(&id, &what).await;
    }
}
