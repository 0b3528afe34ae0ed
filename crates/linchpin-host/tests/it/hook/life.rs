//! Hooks that stand, are renewed, move and go.

use std::time::Duration;

use linchpin::prelude::*;
use linchpin_host::{
    DEFAULT_TENANT, NoticeKind,
    ingress::Hooks as _,
    store::{HookFilter, Stage},
};
use linchpin_testing::{HookCall, HookEndpoint, HookFault};

use super::{PUBLIC, Variant, World, now, project};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[tokio::test]
async fn a_hook_stands_delivers_and_goes() {
    let world = World::new(Variant::Everything).await;
    let id = world.register().await.unwrap();
    assert!(world.is_well().await);
    let url = world.ours()[0].url.clone();
    assert_eq!(url.strip_prefix("https://hooks.example/in/").unwrap().len(), 43);

    let live = world.host.hook_by_token(&url[PUBLIC.len() + 4..]).await.unwrap().unwrap();
    world.service.emit(live.spec().unwrap(), &[], b"{}").unwrap();
    let taken = world.service.deliver(async |sent| {
        let ours = sent.url.starts_with(PUBLIC);
        if ours && world.takes(&sent.url, &sent.delivery).await { 200 } else { 404 }.try_into().unwrap()
    });
    assert_eq!(taken.await, 1);
    assert!(!format!("{live:?}").contains(&url[PUBLIC.len() + 4..]));
    assert!(world.host.hook_by_token("nobody's").await.unwrap().is_none());

    world.turn_off(&id, "plainly").await;
    let error = world.host.hook_check(&id).await.unwrap_err();
    assert_eq!(error.code(), Code::HookUnknown);
}

#[tokio::test]
async fn what_cannot_be_registered_is_told_before_the_service_is_asked() {
    let mut world = World::new(Variant::Everything).await;
    let code = async |world: &World, change: fn(&mut linchpin_host::NewHook)| {
        let mut new = project();
        change(&mut new);
        world.host.hook_register(new).await.unwrap_err().code()
    };
    assert_eq!(code(&world, |new| new.hook = "projet".into()).await, Code::HookUnknown);
    assert_eq!(code(&world, |new| new.options = "{}".into()).await, Code::OptionsInvalid);
    assert_eq!(code(&world, |new| new.connection = "play".into()).await, Code::ConnectionUnknown);
    world.host = linchpin_host::Host::builder_shared(
        world.store.clone(),
        linchpin_host::vault::Vault::new(world.keys.clone()),
    )
    .connector(super::connector(Variant::Everything, super::SPEC))
    .build()
    .unwrap();
    assert_eq!(code(&world, |_| {}).await, Code::PublicUrlMissing);
    assert_eq!(world.service.calls(), []);
    assert!(world.host.hooks(HookFilter::default()).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_registration_leaves_nothing() {
    let world = World::new(Variant::Nothing).await;
    world.service.break_next(HookCall::Register, [HookFault::Refused]);
    assert_eq!(world.register().await.unwrap_err().code(), Code::Rejected);
    assert!(world.host.hooks(HookFilter::default()).await.unwrap().is_empty());
    assert_eq!(world.service.calls(), [HookCall::Register]);
}

#[tokio::test]
async fn an_answer_that_is_lost_is_found_in_the_list() {
    let world = World::new(Variant::ListAlone).await;
    world.service.break_next(HookCall::Register, [HookFault::Lost]);
    world.register().await.unwrap();
    assert!(world.is_well().await);
}

#[tokio::test]
async fn where_nothing_can_be_listed_a_lost_answer_is_told_to_the_owner() {
    let world = World::new(Variant::CheckAlone).await;
    world.service.break_next(HookCall::Register, [HookFault::Lost]);
    assert_eq!(world.register().await.unwrap_err().code(), Code::Unreachable);
    assert!(world.host.hooks(HookFilter::default()).await.unwrap().is_empty());
    let told = world.notices.lock().unwrap();
    assert_eq!(told.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::HookLeft]);
    assert_eq!((told[0].name.as_str(), told[0].owner.as_deref()), ("work", Some("ops@tracker.example")));
}

#[tokio::test]
async fn a_hook_that_expires_is_renewed_with_a_margin_and_nothing_is_missed() {
    for variant in [Variant::Everything, Variant::CheckAndList, Variant::Nothing] {
        let world = World::new(variant).await;
        world.service.lifetime(Some(DAY * 7));
        world.register().await.unwrap();
        let first = world.ours()[0].clone();
        world.round(DAY * 6).await;
        assert_eq!(
            world.ours(),
            std::slice::from_ref(&first),
            "{variant:?}: a tenth of its life is left for it"
        );
        world.round(DAY / 2).await;
        assert!(world.is_well().await, "{variant:?}");
        let renewed = world.ours()[0].clone();
        assert!(renewed.expires > first.expires, "{variant:?}");
        assert_eq!(renewed.id == first.id, variant == Variant::Everything, "{variant:?}");
        assert_eq!(renewed.url, first.url);
        if variant != Variant::Everything {
            // The new one stands before the old one goes.
            let changes: Vec<_> = world.service.calls();
            let of = |call| changes.iter().rposition(|made| *made == call).unwrap();
            assert!(of(HookCall::Register) < of(HookCall::Deregister), "{changes:?}");
        }
        assert_eq!(*world.notices.lock().unwrap(), [], "{variant:?}");
        world.foreign_stands();
    }
}

#[tokio::test]
async fn a_gap_is_told() {
    let world = World::new(Variant::Everything).await;
    world.service.lifetime(Some(DAY * 7));
    world.register().await.unwrap();
    let expires = world.ours()[0].expires.unwrap();
    world.round(DAY * 8).await;
    assert!(world.is_well().await);
    let told = world.notices.lock().unwrap();
    assert_eq!(told.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::HookGap]);
    assert!(told[0].reason.contains(&format!("between {expires} and {}", now(&world))), "{told:?}");
}

#[tokio::test]
async fn a_service_that_is_down_changes_nothing() {
    for variant in [Variant::Everything, Variant::ListAlone, Variant::CheckAlone] {
        let world = World::new(variant).await;
        let id = world.register().await.unwrap();
        let before = world.ours();
        for _ in 0..5 {
            for call in [HookCall::Check, HookCall::List] {
                world.service.break_next(call, [HookFault::Fails]);
            }
            world.round(HOUR * 2).await;
            let kept = world.store.hook(&id).await.unwrap().unwrap();
            assert_eq!(kept.stage, Stage::Active, "{variant:?}");
            assert_eq!(kept.problem.unwrap().0, "LP525");
        }
        assert_eq!(world.ours(), before);
        let told: Vec<_> = world.notices.lock().unwrap().iter().map(|notice| notice.kind).collect();
        assert_eq!(told, [NoticeKind::HookFailing], "once, and not at the first failure");
        world.service.mend();
        assert!(world.settle("up again").await <= 2);
    }
}

#[tokio::test]
async fn a_public_url_that_moves_takes_its_hooks_along() {
    for variant in [Variant::Everything, Variant::CheckAndList, Variant::Nothing] {
        let mut world = World::new(variant).await;
        world.restart_at("https://old.example");
        world.register().await.unwrap();
        let old = world.ours()[0].url.clone();
        assert!(old.starts_with("https://old.example/in/"));
        world.restart();
        // Where nothing is looked at by the hour, somebody has to ask.
        let id = world.host.hooks(HookFilter::default()).await.unwrap()[0].id.clone();
        world.host.hook_check(&id).await.unwrap().outcome.unwrap();
        assert!(world.is_well().await, "{variant:?}");
        assert_eq!(world.ours()[0].url, old.replace("old.example", "hooks.example"), "the token stays");
        world.foreign_stands();
    }
}

#[tokio::test]
async fn strays_of_ours_go_and_those_of_others_stay() {
    for variant in [Variant::Everything, Variant::ListAlone] {
        let world = World::new(variant).await;
        let id = world.register().await.unwrap();
        let second = world.register().await.unwrap();
        // A hook of ours that nobody here knows of, one that only looks like it, and one of another installation.
        let stray = world.service.add(&format!("{PUBLIC}/in/{}", "x".repeat(43)), None);
        let page = world.service.add(&format!("{PUBLIC}/in/help"), None);
        let other = world.service.add(&format!("{PUBLIC}.evil.example/in/{}", "x".repeat(43)), None);
        world.host.hook_check(&id).await.unwrap().outcome.unwrap();
        let left: Vec<u64> = world.service.hooks().into_iter().map(|hook| hook.id).collect();
        assert!(!left.contains(&stray), "{variant:?}");
        assert!(left.contains(&page) && left.contains(&other), "{variant:?}");
        assert_eq!(left.len(), 5, "both of ours stand: {left:?}");
        world.host.hook_check(&second).await.unwrap().outcome.unwrap();
        assert_eq!(world.service.hooks().len(), 5);
        world.foreign_stands();
    }
}

#[tokio::test]
async fn a_key_is_rotated_while_deliveries_are_on_their_way() {
    for variant in [Variant::Everything, Variant::Nothing] {
        let world = World::new(variant).await;
        let id = world.register().await.unwrap();
        let before = world.ours()[0].clone();
        let token = before.url[PUBLIC.len() + 4..].to_owned();
        let live = world.host.hook_by_token(&token).await.unwrap().unwrap();
        world.service.emit(live.spec().unwrap(), &[], b"{}").unwrap();

        world.host.hook_renew(&id, false).await.unwrap().outcome.unwrap();
        let same = world.ours()[0].secret == before.secret;
        assert_eq!(same, variant == Variant::Everything, "what is renewed in its place keeps its key");
        world.host.hook_renew(&id, true).await.unwrap().outcome.unwrap();
        assert_ne!(world.ours()[0].secret, before.secret);
        assert!(world.is_well().await);

        let mut seen = 0;
        world
            .service
            .deliver(async |sent| {
                seen += usize::from(world.takes(&sent.url, &sent.delivery).await);
                200.try_into().unwrap()
            })
            .await;
        assert_eq!(seen, 1, "what was signed before is still taken");
        world.clock.advance(DAY * 2);
        let live = world.host.hook_by_token(&token).await.unwrap().unwrap();
        assert_eq!(live.keys.len(), 1, "and not for ever");
    }
}

#[tokio::test]
async fn a_connector_verifies_deliveries_under_every_key_that_counts() {
    let world = World::with(Variant::Everything, super::BY_CODE, HookEndpoint::at("/hooks")).await;
    let id = world.register().await.unwrap();
    let old = world.ours()[0].secret.clone().unwrap();
    world.host.hook_renew(&id, true).await.unwrap().outcome.unwrap();
    let new = world.ours()[0].secret.clone().unwrap();
    let live = world.host.hook_by_token(&world.ours()[0].url[PUBLIC.len() + 4..]).await.unwrap().unwrap();
    for (key, wanted) in [(&old, Ok(())), (&new, Ok(())), (&"x".repeat(64), Err(Code::SignatureInvalid))] {
        let mut delivery = Delivery::default();
        delivery.headers.insert("x-key", key.parse().unwrap());
        assert_eq!(world.host.hook_verify(&live, &delivery).await.map_err(|error| error.code()), wanted);
        let hooks = world.host.stored_hooks();
        let receiver = hooks.find(&world.ours()[0].url[PUBLIC.len() + 4..]).await.unwrap().unwrap();
        assert_eq!(hooks.trusted(&receiver, &delivery).await.map_err(|error| error.code()), wanted);
    }
    let none = World::new(Variant::Nothing).await;
    none.register().await.unwrap();
    let live = none.host.hook_by_token(&none.ours()[0].url[PUBLIC.len() + 4..]).await.unwrap().unwrap();
    let error = none.host.hook_verify(&live, &Delivery::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::NotCarriedOut);
}

#[tokio::test]
async fn a_service_that_tells_a_past_expiry_is_not_asked_without_a_pause() {
    let world = World::new(Variant::Everything).await;
    world.service.lifetime(Some(Duration::from_millis(1)));
    // What it says is over is over: the hook is made anew, but not more than once a minute.
    let _ = world.register().await;
    let before = world.service.calls().len();
    world.round(Duration::ZERO).await;
    assert_eq!(world.service.calls().len(), before);
    for _ in 0..3 {
        world.round(Duration::from_secs(61)).await;
    }
    assert!(world.service.calls().len() - before < 20, "{:?}", world.service.calls());
}

#[tokio::test]
async fn one_hook_for_a_url_is_enough_for_services_that_want_it_so() {
    let endpoint = HookEndpoint { shared_urls: false, ..HookEndpoint::at("/hooks") };
    let world = World::with(Variant::CheckAndList, super::SPEC, endpoint).await;
    world.service.lifetime(Some(DAY));
    world.register().await.unwrap();
    let first = world.ours()[0].clone();
    world.round(HOUR * 23).await;
    assert!(world.is_well().await);
    let second = world.ours()[0].clone();
    assert!(second.id > first.id && second.expires > first.expires && second.url == first.url);
}

#[tokio::test]
async fn a_deleted_connection_takes_its_hooks_along_before_its_credentials_go() {
    let world = World::new(Variant::Everything).await;
    let id = world.register().await.unwrap();
    world.service.break_next(HookCall::Deregister, [HookFault::Fails, HookFault::Closed]);
    world.host.delete(DEFAULT_TENANT, "work").await.unwrap();
    let token = world.ours()[0].url[PUBLIC.len() + 4..].to_owned();
    assert!(world.host.hook_by_token(&token).await.unwrap().is_none(), "off at once");
    assert_eq!(world.ours().len(), 1, "and the service is not waited for");

    let first = world.host.round().await.unwrap();
    assert!(!first.revocations[0].done);
    assert!(first.revocations[0].attempt.tokens.contains_key(&format!("hook {id}")), "{first:?}");
    for _ in 0..3 {
        world.round(HOUR).await;
    }
    assert!(world.ours().is_empty());
    assert!(world.host.hooks(HookFilter::default()).await.unwrap().is_empty());
    assert!(world.store.revocations().await.unwrap().is_empty());
    world.foreign_stands();
}

#[tokio::test]
async fn a_service_that_never_takes_a_hook_back_does_not_keep_credentials_alive_for_ever() {
    let world = World::new(Variant::Nothing).await;
    world.register().await.unwrap();
    world.service.break_next(HookCall::Deregister, [HookFault::Refused; 50]);
    world.host.delete(DEFAULT_TENANT, "work").await.unwrap();
    for _ in 0..30 {
        world.round(HOUR).await;
    }
    assert!(world.store.revocations().await.unwrap().is_empty());
    assert!(world.host.hooks(HookFilter::default()).await.unwrap().is_empty());
    let told = world.notices.lock().unwrap();
    assert!(told.iter().any(|notice| notice.kind == NoticeKind::HookLeft), "{told:?}");
}

#[tokio::test]
async fn two_processes_do_each_thing_once() {
    let mut world = World::new(Variant::Everything).await;
    for _ in 0..5 {
        world.register().await.unwrap();
    }
    let first = world.host.clone();
    world.restart();
    world.clock.advance(HOUR * 2);
    let before = world.service.calls().len();
    let (one, two) = tokio::join!(first.round(), world.host.round());
    assert_eq!(one.unwrap().hooks.0 + two.unwrap().hooks.0, 5);
    let calls = world.service.calls().split_off(before);
    assert_eq!(calls.iter().filter(|call| **call == HookCall::Check).count(), 5, "{calls:?}");
}

#[tokio::test]
async fn a_hook_that_is_turned_off_is_off_at_once_also_for_who_knew_it() {
    let world = World::new(Variant::Everything).await;
    let id = world.register().await.unwrap();
    let (hooks, url) = (world.host.stored_hooks(), world.ours()[0].url.clone());
    let token = &url[PUBLIC.len() + 4..];
    for _ in 0..2 {
        let receiver = hooks.find(token).await.unwrap().unwrap();
        assert_eq!((receiver.id.as_str(), receiver.keys.len()), (id.as_str(), 1));
    }
    assert!(hooks.find("another").await.unwrap().is_none());
    world.host.hook_deregister(&id).await.unwrap().outcome.unwrap();
    assert!(hooks.find(token).await.unwrap().is_none());
}
