//! A host that takes deliveries over HTTP and hands on what they tell of.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use linchpin::{Delivery, Error};
use linchpin_host::{
    Event, Host, Sink, handler,
    inbox::{Inbox, InboxPolicy},
    ingress::{Ingress, IngressPolicy, ServeLimits, serve},
};
use linchpin_runtime::{Cancel, webhook::Fetcher};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};

/// A host's ingress at a port of its own, and the inbox behind it. It ends when it is dropped.
pub(crate) struct Serving {
    pub(crate) at: SocketAddr,
    pub(crate) ingress: Ingress,
    host: Host,
    pub(crate) inbox: Inbox,
    stop: Cancel,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Serving {
    /// Takes deliveries from now on; what they tell of stays in the inbox.
    pub(crate) async fn of(host: &Host, policy: IngressPolicy) -> Serving {
        let (inbox, stop) = (host.inbox(InboxPolicy::default()), Cancel::new());
        let (hooks, fetcher) = (Arc::new(host.stored_hooks()), Fetcher::new(host.runtime()));
        let ingress = Ingress::new(hooks, inbox.clone(), fetcher, host.clock().clone(), policy);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (at, router, until) = (listener.local_addr().unwrap(), ingress.router(), stop.clone());
        let served =
            tokio::spawn(async move { serve(listener, router, ServeLimits::default(), &until).await });
        Serving { at, ingress, host: host.clone(), inbox, stop, tasks: Mutex::new(vec![served]) }
    }

    /// Hands on what is in the inbox, from now on.
    pub(crate) fn hand_on(&self, sink: impl Sink) {
        let (host, inbox, until) = (self.host.clone(), self.inbox.clone(), self.stop.clone());
        let handed = tokio::spawn(async move { host.hand_on(&inbox, Arc::new(sink), &until).await });
        self.tasks.lock().unwrap().push(handed);
    }

    /// Hands on what is in the inbox, from now on, and gives it in the order in which it was taken.
    pub(crate) fn events(&self) -> mpsc::UnboundedReceiver<Event> {
        let (tell, events) = mpsc::unbounded_channel();
        self.hand_on(handler(move |event: &Event| {
            let told = tell.send(event.clone());
            std::future::ready(told.map_err(|_| Error::new("nobody listens")))
        }));
        events
    }

    /// Posts a delivery to a path, byte for byte, and gives the answer's status and body.
    pub(crate) async fn send(&self, path: &str, delivery: &Delivery) -> (u16, String) {
        let mut stream = TcpStream::connect(self.at).await.unwrap();
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: hooks.example\r\nconnection: close\r\ncontent-length: {}\r\n",
            delivery.body.len()
        );
        for (name, value) in &delivery.headers {
            request.push_str(&format!("{name}: {}\r\n", value.to_str().unwrap()));
        }
        let request = [request.as_bytes(), b"\r\n", &delivery.body].concat();
        stream.write_all(&request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    /// Ends, and waits until what was under way is over.
    pub(crate) async fn end(&self) {
        self.stop.cancel();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap());
        for task in tasks {
            task.await.unwrap();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}
