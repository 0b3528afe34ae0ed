//! Where a browser comes back to: a page on loopback (RFC 8252 §7.3).

use std::{convert::Infallible, net::SocketAddr, sync::Arc};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::mpsc};

use crate::exit::Failure;

const DONE: &str = "<!doctype html><meta charset=utf-8><title>linchpin</title>\
    <p>linchpin has what it needs. You can close this window.";

const NOT_OURS: &str = "<!doctype html><meta charset=utf-8><title>linchpin</title>\
    <p>This is not the login that linchpin is waiting for.";

/// A listener for the one callback of a login.
pub(crate) struct Callback {
    listener: TcpListener,
    path: String,
}

impl Callback {
    /// Listens on loopback; `port` 0 takes any that is free.
    pub(crate) async fn listen(port: u16, path: &str) -> Result<Callback, Failure> {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let listener = TcpListener::bind(address).await.map_err(|error| {
            Failure::usage(format!("no browser can come back to `{address}`: {error}"))
                .help("give another port by `--redirect-uri http://127.0.0.1:PORT/callback`")
        })?;
        Ok(Callback { listener, path: path.to_owned() })
    }

    /// The port.
    pub(crate) fn port(&self) -> Result<u16, Failure> {
        let address = self.listener.local_addr();
        address.map(|address| address.port()).map_err(|error| Failure::usage(error.to_string()))
    }

    /// Waits for the browser that brings this `state`, and gives the query. Whoever brings another is turned away, and the wait
    /// goes on: any page in the browser can call a loopback address.
    pub(crate) async fn wait(self, state: &str) -> Result<String, Failure> {
        let (found, mut queries) = mpsc::channel::<String>(1);
        let page = Arc::new(Page { path: self.path, state: state.to_owned(), found });
        loop {
            tokio::select! {
                biased;
                query = queries.recv() => {
                    return query.ok_or_else(|| Failure::usage("the browser's answer was lost"));
                }
                accepted = self.listener.accept() => {
                    // One that broke off at once is not waited for.
                    let Ok((stream, _)) = accepted else { continue };
                    let page = page.clone();
                    tokio::spawn(async move {
                        let service = service_fn(move |request| {
                            let page = page.clone();
                            async move { Ok::<_, Infallible>(page.answer(&request).await) }
                        });
                        let mut server = hyper::server::conn::http1::Builder::new();
                        // A browser that goes away needs no answer.
                        let _ = server.keep_alive(false).serve_connection(TokioIo::new(stream), service).await;
                    });
                }
            }
        }
    }
}

struct Page {
    path: String,
    state: String,
    found: mpsc::Sender<String>,
}

impl Page {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if request.uri().path() != self.path || request.method() != Method::GET {
            return page(StatusCode::NOT_FOUND, NOT_OURS);
        }
        let query = request.uri().query().unwrap_or_default();
        let state = format!("state={}", self.state);
        if !query.split('&').any(|pair| pair == state) {
            return page(StatusCode::BAD_REQUEST, NOT_OURS);
        }
        // Only the first is taken.
        match self.found.try_send(query.to_owned()) {
            Ok(()) => page(StatusCode::OK, DONE),
            Err(_) => page(StatusCode::BAD_REQUEST, NOT_OURS),
        }
    }
}

fn page(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("content-type", hyper::header::HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert("cache-control", hyper::header::HeaderValue::from_static("no-store"));
    // The address holds the code; no page that is opened from here shall learn it.
    headers.insert("referrer-policy", hyper::header::HeaderValue::from_static("no-referrer"));
    response
}
