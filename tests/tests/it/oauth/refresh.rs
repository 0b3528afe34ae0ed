//! Tokens that expire, are refused, die, or cannot be exchanged for now.

use std::time::Duration;

use linchpin::Code;
use linchpin_testing::TokenFault;

use super::World;

#[tokio::test]
async fn fresh_tokens_are_used_as_they_are() {
    let world = World::start().await;
    let connection = world.connection("browser", Some(&world.issuer.grant()));
    assert_eq!(world.me(&connection).await.unwrap(), r#"{"id":7}"#);
    assert_eq!(world.issuer.exchanges(), 0);
}

#[tokio::test]
async fn tokens_are_exchanged_before_they_expire() {
    let world = World::start().await;
    let connection = world.connection("browser", Some(&world.issuer.grant()));
    world.me(&connection).await.unwrap();
    world.clock.advance(Duration::from_secs(3600 - 120));
    world.me(&connection).await.unwrap();
    assert_eq!(world.issuer.exchanges(), 1);
    assert_eq!(connection.grant().await.unwrap().unwrap().generation, 1);
    world.me(&connection).await.unwrap();
    assert_eq!(world.issuer.exchanges(), 1);
    assert_eq!(world.seen("/me").await, 3, "no call was made with a dead token");
}

#[tokio::test]
async fn a_refused_token_is_exchanged_and_the_request_made_once_more() {
    let world = World::start().await;
    let tokens = world.issuer.grant();
    // The connection takes the tokens for fresh, the service knows better.
    world.clock.advance(Duration::from_secs(3601));
    let connection = world.connection("browser", Some(&tokens));
    assert_eq!(world.me(&connection).await.unwrap(), r#"{"id":7}"#);
    assert_eq!((world.issuer.exchanges(), world.seen("/me").await), (1, 2));
}

#[tokio::test]
async fn a_storm_makes_one_exchange() {
    let world = World::start().await;
    let connection = world.connection("browser", Some(&world.issuer.grant()));
    world.clock.advance(Duration::from_secs(3601));
    let calls = (0..200).map(|_| world.me(&connection));
    for result in futures(calls).await {
        assert_eq!(result.unwrap(), r#"{"id":7}"#);
    }
    assert_eq!((world.issuer.exchanges(), world.issuer.reused()), (1, 0));
}

async fn futures<T>(calls: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = calls.map(Box::pin).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        running.retain_mut(|call| match call.as_mut().poll(cx) {
            std::task::Poll::Ready(value) => {
                done.push(value);
                false
            }
            std::task::Poll::Pending => true,
        });
        if running.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done
}

#[tokio::test]
async fn a_dead_grant_is_told_and_not_tried_again() {
    let world = World::start().await;
    let connection = world.connection("browser", Some(&world.issuer.grant()));
    world.issuer.revoke_all();
    world.clock.advance(Duration::from_secs(3601));
    for _ in 0..3 {
        let error = world.me(&connection).await.unwrap_err();
        assert_eq!(error.code(), Code::ReauthorizationNeeded, "{error}");
    }
    assert_eq!(world.seen("/token").await, 1);
    assert!(connection.grant().await.unwrap().unwrap().dead.is_some());
}

#[tokio::test]
async fn a_service_in_trouble_costs_no_grant() {
    let world = World::start().await;
    let tokens = world.issuer.grant();
    let connection = world.connection("browser", Some(&tokens));
    world.clock.advance(Duration::from_secs(3601));
    for (fault, pause) in [
        (TokenFault::ServerError, 1),
        (TokenFault::Closed, 2),
        (TokenFault::RateLimited, 7),
        (TokenFault::InvalidClient, 8),
        (TokenFault::Malformed, 16),
    ] {
        world.issuer.break_next([fault]);
        let error = world.me(&connection).await.unwrap_err();
        assert_ne!(error.code(), Code::ReauthorizationNeeded, "{fault:?}: {error}");
        let before = world.seen("/token").await;
        let error = world.me(&connection).await.unwrap_err();
        assert_eq!(error.code(), Code::RefreshFailed, "{fault:?}: {error}");
        assert_eq!(world.seen("/token").await, before, "{fault:?}: the pause is kept");
        world.clock.advance(Duration::from_secs(pause));
    }
    assert_eq!(world.me(&connection).await.unwrap(), r#"{"id":7}"#);
    assert!(world.issuer.is_active(
        connection.grant().await.unwrap().unwrap().grant.unwrap().value("refresh_token").unwrap().expose()
    ));
}

#[tokio::test]
async fn trouble_before_expiry_goes_unnoticed() {
    let world = World::start().await;
    let connection = world.connection("browser", Some(&world.issuer.grant()));
    world.clock.advance(Duration::from_secs(3600 - 120));
    world.issuer.break_next([TokenFault::ServerError]);
    assert_eq!(world.me(&connection).await.unwrap(), r#"{"id":7}"#);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.me(&connection).await.unwrap(), r#"{"id":7}"#);
    assert_eq!(world.issuer.exchanges(), 1);
}

#[tokio::test]
async fn a_lost_answer_of_a_rotating_server_needs_the_owner() {
    let world = World::start().await;
    let connection = world.connection("browser", Some(&world.issuer.grant()));
    world.clock.advance(Duration::from_secs(3601));
    world.issuer.break_next([TokenFault::LostAnswer]);
    assert_eq!(world.me(&connection).await.unwrap_err().code(), Code::Unreachable);
    world.clock.advance(Duration::from_secs(2));
    assert_eq!(world.me(&connection).await.unwrap_err().code(), Code::ReauthorizationNeeded);
}

#[tokio::test]
async fn a_call_that_is_given_up_does_not_lose_the_answer() {
    let world = World::start().await;
    let connection = world.connection("browser", Some(&world.issuer.grant()));
    world.clock.advance(Duration::from_secs(3601));
    let call = world.me(&connection);
    // Polled once, so that the exchange is under way, and then dropped.
    let mut call = Box::pin(call);
    std::future::poll_fn(|cx| {
        assert!(call.as_mut().poll(cx).is_pending());
        std::task::Poll::Ready(())
    })
    .await;
    drop(call);
    connection.settle().await;
    assert_eq!((world.issuer.exchanges(), world.issuer.reused()), (1, 0));
    assert_eq!(connection.grant().await.unwrap().unwrap().generation, 1);
    world.me(&connection).await.unwrap();
    assert_eq!(world.issuer.exchanges(), 1);
}

#[tokio::test]
async fn no_token_is_shown() {
    let world = World::start().await;
    let tokens = world.issuer.grant();
    let connection = world.connection("browser", Some(&tokens));
    world.clock.advance(Duration::from_secs(3601));
    world.me(&connection).await.unwrap();
    let now = connection.grant().await.unwrap().unwrap().grant.unwrap();
    for token in [now.value("access_token").unwrap(), now.value("refresh_token").unwrap()] {
        assert_eq!(connection.scrub(token.expose()), "***");
        assert!(!format!("{now:?} {connection:?}").contains(token.expose()));
    }
}
