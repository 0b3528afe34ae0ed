//! Deadlines, cancellation, and what remains of a call that nobody waits for any more: nothing.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use linchpin::{Code, prelude::*};
use linchpin_runtime::{Cancel, Runtime};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::{Notify, mpsc},
    time::advance,
};

use super::{
    service::{Exchange, Service, hold_the_clock},
    tracker::{PLAIN, TOKEN, connect, ids, invocation, records, run, with_token},
};

/// Five requests, one after the other.
#[action(read)]
async fn walk(cx: Context) -> Result<()> {
    for step in 1..=5 {
        cx.get(path!("/step/{step}")).send().await?;
    }
    Ok(())
}

/// Waits for what never comes, without any request.
#[action(read)]
async fn wait(_cx: Context) -> Result<()> {
    pending().await
}

fn connection(service: &Service) -> linchpin_runtime::Connection {
    let connector = linchpin::Connector::builder(PLAIN).flow::<walk>().flow::<wait>().build().unwrap();
    connect(&connector, &service.uri(), &[("token", TOKEN)])
}

const SECOND: Duration = Duration::from_secs(1);

/// Answers two requests after ten seconds each, and lets whoever asks a third time wait.
async fn slower_and_slower(exchange: Exchange) {
    advance(10 * SECOND).await;
    match exchange.path.as_str() {
        "/step/1" | "/step/2" => exchange.json("", "{}").await,
        _ => pending().await,
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_is_one_for_all_requests_of_a_call() {
    let _clock = hold_the_clock();
    let service = Service::start(slower_and_slower).await;
    let walk = invocation(&connection(&service), "walk").deadline(25 * SECOND);
    let failed = Runtime::new().run(walk).await.unwrap_err();
    assert_eq!(failed.error.code(), Code::DeadlineExceeded);
    assert_eq!(failed.error.message(), "the call's 25 s are over");
    assert_eq!(service.seen(), ["/step/1", "/step/2", "/step/3"]);
    let errors: Vec<_> = failed.trace.entries().iter().map(|entry| entry.error).collect();
    assert_eq!(errors, [None, None, Some(Code::DeadlineExceeded)]);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_told_apart_from_the_deadline() {
    let _clock = hold_the_clock();
    let service = Service::start(|_| async {
        advance(30 * SECOND).await;
        pending().await
    })
    .await;
    let walk = invocation(&connection(&service), "walk").deadline(31 * SECOND);
    let error = Runtime::new().run(walk).await.unwrap_err().error;
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(
        error.message(),
        format!("no complete answer came from `{}` within 30 s, the limit of `http.timeout`", service.uri())
    );
}

#[tokio::test(start_paused = true)]
async fn an_answer_must_be_complete_within_the_timeout() {
    let _clock = hold_the_clock();
    let service = Service::start(|mut exchange: Exchange| async move {
        exchange.say("HTTP/1.1 200 OK\r\ncontent-length: 30000000\r\n\r\n").await;
        // More than fits into the buffers on the way: when it is sent, its beginning has been read.
        exchange.say(&" ".repeat(20_000_000)).await;
        advance(30 * SECOND).await;
        pending().await
    })
    .await;
    let failed = run(&connection(&service), "walk").await.unwrap_err();
    assert_eq!(failed.error.code(), Code::DeadlineExceeded);
    let entries = failed.trace.entries();
    assert_eq!((entries[0].status, entries[0].error), (Some(200), Some(Code::DeadlineExceeded)));
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_for_what_is_no_request_too() {
    let service = Service::start(|_| async {}).await;
    let wait = invocation(&connection(&service), "wait").deadline(1500 * SECOND / 1000);
    let error = Runtime::new().run(wait).await.unwrap_err().error;
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(error.message(), "the call's 1500 ms are over");
}

/// A list of two pages, of which the second never comes.
async fn one_page_only(exchange: Exchange) {
    match exchange.path.as_str() {
        "/things" => {
            exchange.json("link: </things?page=2>; rel=\"next\"\r\n", r#"[{"id":1},{"id":2}]"#).await
        }
        _ => {
            advance(20 * SECOND).await;
            pending().await
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_deadline_ends_a_stream_in_its_middle() {
    let _clock = hold_the_clock();
    let service = Service::start(one_page_only).await;
    let list = invocation(&with_token(PLAIN, &service.uri()), "list_things").deadline(20 * SECOND);
    let ran = Runtime::new().run(list).await.unwrap();
    let trace = ran.trace.clone();
    let mut stream = records(ran);
    assert_eq!(ids(&mut stream, 10).await.unwrap(), Some(vec![1, 2]));
    let error = stream.next_batch(10).await.unwrap_err();
    assert_eq!(error.message(), "the call's 20 s are over");
    assert_eq!(trace.entries()[1].error, Some(Code::DeadlineExceeded));
    assert_eq!(stream.next_batch(10).await.unwrap(), None, "a stream ends with its error");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_once_the_deadline_has_passed() {
    let _clock = hold_the_clock();
    let service = Service::start(one_page_only).await;
    let list = invocation(&with_token(PLAIN, &service.uri()), "list_things").deadline(20 * SECOND);
    let ran = Runtime::new().run(list).await.unwrap();
    let trace = ran.trace.clone();
    let mut stream = records(ran);
    assert_eq!(ids(&mut stream, 10).await.unwrap(), Some(vec![1, 2]));
    advance(20 * SECOND).await;
    let error = stream.next_batch(10).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert_eq!(trace.requests(), 1, "{trace:?}");
}

#[tokio::test]
async fn a_call_that_is_cancelled_before_it_begins_asks_nothing() {
    let service = Service::start(|exchange: Exchange| exchange.json("", "{}")).await;
    let cancel = Cancel::new();
    cancel.cancel();
    let walk = invocation(&connection(&service), "walk").cancel(&cancel);
    let failed = Runtime::new().run(walk).await.unwrap_err();
    assert_eq!((failed.error.code(), failed.trace.requests()), (Code::Cancelled, 0));
    assert!(service.seen().is_empty());
}

/// A service that never answers, and tells when it is asked and when whoever asked is gone.
async fn silent() -> (Service, mpsc::UnboundedReceiver<&'static str>) {
    let (tell, told) = mpsc::unbounded_channel();
    let service = Service::start(move |exchange: Exchange| {
        let tell = tell.clone();
        async move {
            tell.send("asked").unwrap();
            exchange.gone().await;
            tell.send("gone").unwrap();
        }
    })
    .await;
    (service, told)
}

#[tokio::test]
async fn cancelling_breaks_off_the_request_on_its_way() {
    let (service, mut told) = silent().await;
    let cancel = Cancel::new();
    // With a deadline too: the two are watched together.
    let walk = invocation(&connection(&service), "walk").cancel(&cancel).deadline(3600 * SECOND);
    let call = tokio::spawn(async move { Runtime::new().run(walk).await });
    assert_eq!(told.recv().await, Some("asked"));
    cancel.cancel();
    let failed = call.await.unwrap().unwrap_err();
    assert_eq!(failed.error.code(), Code::Cancelled);
    assert_eq!(failed.trace.entries()[0].error, Some(Code::Cancelled));
    assert_eq!(told.recv().await, Some("gone"));
    assert_eq!(service.seen(), ["/step/1"]);
}

#[tokio::test]
async fn cancelling_between_pages_asks_for_no_further_page() {
    let service = Service::start(one_page_only).await;
    let cancel = Cancel::new();
    let list = invocation(&with_token(PLAIN, &service.uri()), "list_things").cancel(&cancel);
    let mut stream = records(Runtime::new().run(list).await.unwrap());
    assert_eq!(ids(&mut stream, 1).await.unwrap(), Some(vec![1]));
    cancel.cancel();
    assert_eq!(stream.next_batch(1).await.unwrap_err().code(), Code::Cancelled);
    assert_eq!(service.seen(), ["/things"]);
}

#[tokio::test]
async fn dropping_the_future_breaks_off_everything() {
    let (service, mut told) = silent().await;
    let walk = invocation(&connection(&service), "walk");
    let call = tokio::spawn(async move { Runtime::new().run(walk).await.map(drop).map_err(drop) });
    assert_eq!(told.recv().await, Some("asked"));
    call.abort();
    assert_eq!(told.recv().await, Some("gone"));
    assert!(call.await.unwrap_err().is_cancelled());
    assert_eq!(service.seen(), ["/step/1"]);
}

#[tokio::test]
async fn a_batch_that_was_given_up_half_way_is_not_the_end_of_the_list() {
    let asked = Arc::new(Notify::new());
    let service = Service::start({
        let asked = asked.clone();
        move |exchange: Exchange| {
            let asked = asked.clone();
            async move {
                match exchange.path.as_str() {
                    "/things" => one_page_only(exchange).await,
                    _ => {
                        asked.notify_one();
                        exchange.gone().await;
                    }
                }
            }
        }
    })
    .await;
    let mut stream = records(run(&with_token(PLAIN, &service.uri()), "list_things").await.unwrap());
    assert_eq!(ids(&mut stream, 10).await.unwrap(), Some(vec![1, 2]));
    tokio::select! {
        batch = stream.next_batch(10) => panic!("{batch:?}"),
        () = asked.notified() => {}
    }
    let error = stream.next_batch(10).await.unwrap_err();
    assert_eq!(error.code(), Code::Cancelled, "{error}");
    assert_eq!(stream.next_batch(10).await.unwrap(), None);
}

/// Says when it goes, as whatever an author holds across a request does.
struct Held(Arc<AtomicBool>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn what_a_stream_holds_goes_with_it() {
    let gone = Arc::new(AtomicBool::new(false));
    let service = Service::start(one_page_only).await;
    let cx = Runtime::new().context(&with_token(PLAIN, &service.uri()));
    let held = Held(gone.clone());
    let mut things: Records<super::tracker::Thing> = cx.get(path!("/things")).records().filter(move |_| {
        let _held = &held;
        true
    });
    assert_eq!(things.next().await.unwrap().unwrap().id, 1);
    assert!(!gone.load(Ordering::SeqCst));
    drop(things);
    assert!(gone.load(Ordering::SeqCst));
    assert_eq!(service.seen(), ["/things"]);
}

#[tokio::test(start_paused = true)]
async fn a_host_that_takes_no_connection_is_given_up_and_asked_again() {
    // Nobody accepts, and the queue of the listener is full.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _first = TcpStream::connect(address).await.unwrap();
    let connection = with_token(PLAIN, &format!("http://{address}"));
    let begun = tokio::time::Instant::now();
    let failed = run(&connection, "get_thing").await.unwrap_err();
    assert_eq!(failed.error.code(), Code::Unreachable);
    assert!(failed.error.message().contains("took no connection within 10 s"), "{}", failed.error);
    assert_eq!((failed.trace.requests(), begun.elapsed().as_secs()), (4, 40));
}
