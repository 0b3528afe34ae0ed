//! Events as a stream that others listen to.

use std::{
    collections::VecDeque,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use linchpin::{Code, Error, Result, flow::BoxFuture};
use tokio::sync::{Notify, mpsc};

use super::Sink;
use crate::event::Event;

/// So many events that were handed on are remembered for those who lost their connection.
const REMEMBERED: usize = 1024;

/// So many events may be on their way to a listener.
const AHEAD: usize = 64;

/// A sink that gives each event to all who listen just now, as server-sent events do. While nobody listens events wait in the inbox.
///
/// An event counts as handed on when every listener's connection has it in hand. Who comes back after the connection broke
/// says which event was the last, and is given those after it, of the newest 1,024 in this process.
#[derive(Clone, Default)]
pub struct EventStream(Arc<Shared>);

#[derive(Default)]
struct Shared {
    listeners: Mutex<Listeners>,
    came: Notify,
}

#[derive(Default)]
struct Listeners {
    all: Vec<mpsc::Sender<Sent>>,
    recent: VecDeque<Sent>,
}

/// An event as it is sent.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) id: Arc<str>,
    pub(crate) json: Arc<str>,
}

impl EventStream {
    /// Nobody listens yet.
    pub fn new() -> EventStream {
        EventStream::default()
    }

    fn listeners(&self) -> MutexGuard<'_, Listeners> {
        self.0.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Listens: first to what came behind an event, then to what comes.
    pub(crate) fn listen(&self, last: Option<&str>) -> mpsc::Receiver<Sent> {
        let mut listeners = self.listeners();
        let known = last.and_then(|last| listeners.recent.iter().rposition(|sent| *sent.id == *last));
        let missed: Vec<Sent> = match (last, known) {
            (None, _) => Vec::new(),
            (Some(_), Some(at)) => listeners.recent.iter().skip(at + 1).cloned().collect(),
            // Longer ago than is remembered, or before this process: better twice than never.
            (Some(_), None) => listeners.recent.iter().cloned().collect(),
        };
        let (send, receive) = mpsc::channel(AHEAD + missed.len());
        for sent in missed {
            // There is room for all of them.
            let _ = send.try_send(sent);
        }
        listeners.all.push(send);
        self.0.came.notify_waiters();
        receive
    }
}

impl Sink for EventStream {
    fn take<'a>(&'a self, event: &'a Event) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            let sent = Sent { id: event.id.as_str().into(), json: event.to_json()?.into() };
            let all = self.listeners().all.clone();
            let mut taken = 0;
            for listener in &all {
                taken += usize::from(listener.send(sent.clone()).await.is_ok());
            }
            let mut listeners = self.listeners();
            listeners.all.retain(|listener| !listener.is_closed());
            if taken == 0 {
                return Err(Error::coded(Code::SinkFailed, "nobody listens to the stream of events"));
            }
            listeners.recent.push_back(sent);
            if listeners.recent.len() > REMEMBERED {
                listeners.recent.pop_front();
            }
            Ok(())
        })
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            loop {
                let came = self.0.came.notified();
                tokio::pin!(came);
                // From here on nobody who comes is missed.
                came.as_mut().enable();
                if self.listeners().all.iter().any(|listener| !listener.is_closed()) {
                    return;
                }
                came.await;
            }
        })
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventStream({} listen)", self.listeners().all.len())
    }
}

#[cfg(test)]
mod tests {
    use linchpin::{DateTime, serde_json::value::RawValue};

    use super::*;

    fn event(id: &str) -> Event {
        Event {
            id: id.to_owned(),
            kind: "tracker.issue_opened".to_owned(),
            received: DateTime::from_unix_millis(0).unwrap(),
            tenant: "default".to_owned(),
            connection: "work".to_owned(),
            source: "hook".to_owned(),
            subscription: None,
            data: RawValue::from_string("1".to_owned()).unwrap().into(),
        }
    }

    fn ids(listener: &mut mpsc::Receiver<Sent>) -> Vec<String> {
        std::iter::from_fn(|| listener.try_recv().ok()).map(|sent| sent.id.to_string()).collect()
    }

    #[tokio::test]
    async fn who_comes_back_is_given_what_came_meanwhile() {
        let stream = EventStream::new();
        assert!(stream.take(&event("0")).await.is_err(), "nobody listens");
        let (mut first, mut second) = (stream.listen(None), stream.listen(None));
        stream.take(&event("1")).await.unwrap();
        assert_eq!((ids(&mut first), ids(&mut second)), (vec!["1".to_owned()], vec!["1".to_owned()]));
        drop(first);
        stream.take(&event("2")).await.unwrap();
        stream.take(&event("3")).await.unwrap();
        assert_eq!(ids(&mut stream.listen(Some("1"))), ["2", "3"]);
        assert_eq!(ids(&mut stream.listen(Some("long ago"))), ["1", "2", "3"]);
        assert_eq!(ids(&mut stream.listen(None)), [""; 0]);
    }

    #[tokio::test]
    async fn nothing_is_attempted_while_nobody_listens() {
        let stream = EventStream::new();
        let other = stream.clone();
        let waits = tokio::spawn(async move { other.ready().await });
        tokio::task::yield_now().await;
        assert!(!waits.is_finished());
        let listener = stream.listen(None);
        waits.await.unwrap();
        drop(listener);
        let mut again = tokio::spawn(async move { stream.ready().await });
        assert!(futures_pending(&mut again).await);
        again.abort();
    }

    async fn futures_pending<T>(task: &mut tokio::task::JoinHandle<T>) -> bool {
        tokio::task::yield_now().await;
        !task.is_finished()
    }
}
