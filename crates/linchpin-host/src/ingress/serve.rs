//! A listener that no sender can keep busy.

use std::{io, net::SocketAddr, time::Duration};

use axum::{Router, body::Body};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use linchpin::http::Request;
use linchpin_runtime::Cancel;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tower::Service as _;

/// What a connection may take.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeLimits {
    /// How long the head of a request may take, and a connection may be silent between two; 15 s by default.
    pub head: Duration,
    /// So many headers; 100 by default. A head that is much longer than 64 KiB is refused, too.
    pub headers: usize,
    /// So many connections at once; 4,096 by default. Others wait until one is free.
    pub connections: usize,
    /// How long requests that are under way may take to end when the server is stopped; 30 s by default.
    pub drain: Duration,
}

impl Default for ServeLimits {
    fn default() -> ServeLimits {
        ServeLimits {
            head: Duration::from_secs(15),
            headers: 100,
            connections: 4096,
            drain: Duration::from_secs(30),
        }
    }
}

/// Who is at the other end of a connection: an extension of each request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

/// The bytes of a head.
const HEAD: usize = 64 << 10;

/// How long to wait after no connection could be accepted: the process may be out of files.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until it is cancelled; then accepts no more, and lets requests that are under way end.
pub async fn serve(listener: TcpListener, router: Router, limits: ServeLimits, stop: &Cancel) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_headers(limits.headers)
        .max_buf_size(HEAD)
        .half_close(false);
    let (ending, end) = watch::channel(false);
    let mut connections = JoinSet::new();
    loop {
        let room = connections.len() < limits.connections;
        tokio::select! {
            () = stop.cancelled() => break,
            _ = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if room => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(connection(http.clone(), stream, peer, router.clone(), end.clone()));
                }
                Err(error) => not_accepted(&error).await,
            },
        }
    }
    drop(listener);
    let _ = ending.send(true);
    let ended =
        tokio::time::timeout(limits.drain, async { while connections.join_next().await.is_some() {} });
    if ended.await.is_err() {
        tracing::warn!(target: "linchpin::ingress", "requests that were under way are broken off");
    }
}

async fn not_accepted(error: &io::Error) {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    if !matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        tracing::warn!(target: "linchpin::ingress", "no connection can be accepted: {error}");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn connection(
    http: http1::Builder,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    mut end: watch::Receiver<bool>,
) {
    // Small answers should not wait for more.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        // A router is always ready.
        router.clone().call(request)
    });
    let serving = http.serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(serving);
    tokio::select! {
        // What breaks off is the sender's to send again.
        _ = &mut serving => return,
        _ = end.wait_for(|end| *end) => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = serving.await;
}
