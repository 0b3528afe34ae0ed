//! Deliveries of registered hooks, over real connections.

use linchpin_host::{
    inbox::InboxPolicy,
    ingress::{Ingress, IngressPolicy, ServeLimits, serve},
    store::Entries,
};
use linchpin_runtime::Cancel;
use linchpin_testing::wiremock::{Mock, ResponseTemplate, matchers::path};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// The status that a delivery is answered with.
async fn deliver(at: std::net::SocketAddr, url: &str, headers: &str) -> u16 {
    let path = url.strip_prefix(PUBLIC).unwrap();
    let body = r#"{"number":7}"#;
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: hooks.example\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(at).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[tokio::test]
async fn what_only_code_can_verify_is_taken_when_the_code_says_so() {
    let world = World::with(Variant::Everything, BY_CODE, HookEndpoint::at("/hooks")).await;
    let id = world.register().await.unwrap();
    let hook = world.ours().remove(0);
    let ingress = Ingress::new(
        Arc::new(world.host.stored_hooks()),
        world.host.inbox(InboxPolicy::default()),
        Fetcher::new(world.host.runtime()),
        Arc::new(world.clock.clone()),
        IngressPolicy::default(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (at, stop) = (listener.local_addr().unwrap(), Cancel::new());
    let (router, until) = (ingress.router(), stop.clone());
    let server = tokio::spawn(async move { serve(listener, router, ServeLimits::default(), &until).await });

    let key = format!("x-key: {}\r\n", hook.secret.as_deref().unwrap());
    assert_eq!(deliver(at, &hook.url, &key).await, 200);
    assert_eq!(deliver(at, &hook.url, &key).await, 200, "again");
    for forged in ["", "x-key: \r\n", "x-key: another\r\n"] {
        assert_eq!(deliver(at, &hook.url, forged).await, 401, "{forged:?}");
    }
    let taken = world.store.inbox_list(Entries { most: 9, ..Entries::default() }).await.unwrap();
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!(taken[0].source, id);

    // When the service cannot say, nobody knows whether it was forged: it comes again.
    let down = Mock::given(path("/nowhere")).respond_with(ResponseTemplate::new(500));
    down.mount(&world.server).await;
    assert_eq!(deliver(at, &hook.url, "x-key: ask\r\n").await, 503);

    let _ = world.host.hook_deregister(&id).await.unwrap();
    assert_eq!(deliver(at, &hook.url, &key).await, 404);
    assert_eq!(deliver(at, &format!("{PUBLIC}/in/nothing"), &key).await, 404);
    stop.cancel();
    server.await.unwrap();
}
