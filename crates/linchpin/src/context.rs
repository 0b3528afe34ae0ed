//! What a flow works with.

use std::{
    any::Any,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

use http::Method;
use linchpin_manifest::spec::Spec;

use crate::{
    Code, DateTime, Error, Result, Secret,
    extract::ConnectionValues,
    file::{self, FileRef},
    flow::{BoxFuture, FlowDescriptor, Gives, Helper, IntoArgs},
    request::{IntoPath, Request, RequestBuilder, Response},
};

/// What a flow works with: requests to the service, and calls of helpers. A cheap handle, first parameter of every flow.
///
/// Requests carry the connection's credentials, obey the spec's limits and outcome rules, and go to the spec's hosts only.
#[derive(Clone)]
pub struct Context(Arc<dyn Driver>);

/// What a runtime does for the flows it runs; authors never see it.
pub trait Driver: Send + Sync + 'static {
    /// Sends a request through the whole pipeline, and judges the answer by the spec's outcome rules.
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response>>;

    /// As [`send`](Driver::send), under way before it is waited for where the runtime can do that. Whoever drops the future takes
    /// the request back.
    fn begin(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<Response>> {
        Box::pin(async move { self.send(request).await })
    }

    /// The whole URL of a link that the answer from a URL gave to the next page, without credentials in it; an error where it leads
    /// to another origin.
    fn follow(&self, link: &str, from: &str) -> Result<String>;

    /// As [`send`](Driver::send), with the body of a good answer as a file that is not read yet.
    fn download(self: Arc<Self>, request: Request) -> BoxFuture<'static, Result<FileRef>>;

    /// The connector's spec.
    fn spec(&self) -> &Spec;

    /// The connection that the flow runs for.
    fn connection(&self) -> &ConnectionValues;

    /// Takes a lock of the connection, when nobody has it; one that has no locks must not seem to.
    fn lock(self: Arc<Self>, name: String) -> BoxFuture<'static, Result<Lock>> {
        let message = format!("the lock `{name}` cannot be taken: this runtime has none");
        Box::pin(std::future::ready(Err(Error::coded(Code::NotCarriedOut, message))))
    }

    /// The time; the machine's where the runtime has no clock of its own.
    fn now(&self) -> DateTime {
        std::time::SystemTime::now().into()
    }

    /// A configuration value that the spec writes, for the connection.
    fn config(&self, key: &str) -> Result<Secret>;

    /// What surrounds a helper that a flow calls; nothing where nobody watches.
    fn step(&self, _helper: &FlowDescriptor) -> Option<Box<dyn Step>> {
        None
    }
}

/// What surrounds each poll of a helper; authors never see it.
pub trait Step: Send {
    /// Polls within.
    fn within(&self, poll: &mut dyn FnMut());
}

/// A helper, and what surrounds it.
struct Surrounded<F> {
    step: Box<dyn Step>,
    work: Pin<Box<F>>,
}

impl<F: Future> Future for Surrounded<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let (mut polled, this) = (Poll::Pending, &mut *self);
        this.step.within(&mut || polled = this.work.as_mut().poll(cx));
        polled
    }
}

/// A lock that is held until it is dropped.
#[must_use = "the lock is given back at once"]
pub struct Lock(
    #[expect(dead_code, reason = "what it holds is given back when it is dropped")]
    Box<dyn Any + Send + Sync>,
);

impl Lock {
    /// A lock that is given back when a value is dropped.
    pub fn new(held: impl Any + Send + Sync) -> Lock {
        Lock(Box::new(held))
    }
}

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

impl Context {
    /// A context over a runtime.
    pub fn new(driver: Arc<dyn Driver>) -> Context {
        Context(driver)
    }

    /// What does the work.
    pub fn driver(&self) -> &dyn Driver {
        &*self.0
    }

    pub(crate) fn shared_driver(&self) -> Arc<dyn Driver> {
        self.0.clone()
    }

    /// The time by the runtime's clock, which tests may set: for what a request says of times.
    pub fn now(&self) -> DateTime {
        self.0.now()
    }

    /// A random UUID (RFC 9562, version 4): for what a service has its clients name. It is another one each time, also when a call is
    /// made again.
    pub fn new_uuid(&self) -> String {
        file::random_uuid()
    }

    /// A `GET` request: `cx.get(path!("/projects/{id}"))`.
    pub fn get(&self, path: impl IntoPath) -> RequestBuilder {
        self.request(Method::GET, path)
    }

    /// A `POST` request.
    pub fn post(&self, path: impl IntoPath) -> RequestBuilder {
        self.request(Method::POST, path)
    }

    /// A `PUT` request.
    pub fn put(&self, path: impl IntoPath) -> RequestBuilder {
        self.request(Method::PUT, path)
    }

    /// A `PATCH` request.
    pub fn patch(&self, path: impl IntoPath) -> RequestBuilder {
        self.request(Method::PATCH, path)
    }

    /// A `DELETE` request.
    pub fn delete(&self, path: impl IntoPath) -> RequestBuilder {
        self.request(Method::DELETE, path)
    }

    /// A request with any method.
    pub fn request(&self, method: Method, path: impl IntoPath) -> RequestBuilder {
        RequestBuilder::new(self.clone(), method, path.into_path())
    }

    /// Waits until nobody else holds the lock of this name, and holds it: what flows of one connection do under the same name
    /// happens one after the other, also where several processes share a store. The name is the author's: `project:7`.
    ///
    /// Whoever takes a second lock may wait for somebody who waits for the first; a call with a deadline then ends there. A process
    /// that hangs for a minute has lost its locks to others.
    ///
    /// ```
    /// use linchpin::prelude::*;
    ///
    /// /// Which counter.
    /// #[fields]
    /// struct Counter {
    ///     /// Id
    ///     id: u64,
    /// }
    ///
    /// /// Counts up a counter that the service only lets us write.
    /// #[helper]
    /// async fn count_up(cx: Context, Input(counter): Input<Counter>) -> Result<u64> {
    ///     let _lock = cx.lock(format!("counter:{}", counter.id)).await?;
    ///     let count: u64 = cx.get(path!("/counters/{counter.id}")).send().await?.json()?;
    ///     cx.put(path!("/counters/{counter.id}")).json(&(count + 1)).send().await?;
    ///     Ok(count + 1)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Code::StoreFailed`] when the store that the processes share cannot be asked.
    pub async fn lock(&self, name: impl Into<String>) -> Result<Lock> {
        self.shared_driver().lock(name.into()).await
    }

    /// Calls a helper with the value of its parameter: `cx.call::<projects>(query).await?`.
    ///
    /// # Errors
    ///
    /// Whatever the helper gives.
    pub fn call<F: Helper>(
        &self,
        args: impl IntoArgs<F::Args>,
    ) -> BoxFuture<'static, Result<<F::Output as Gives>::Value>>
    where
        F::Output: Gives,
    {
        // Boxed, so that the type of the future says nothing of the bounds above: one that does not hold is reported once.
        let (cx, args) = (self.clone(), args.into_args(self));
        let step = self.driver().step(F::DESCRIPTOR);
        Box::pin(async move {
            let work = F::call(cx, args?);
            let output = match step {
                None => work.await,
                Some(step) => Surrounded { step, work: Box::pin(work) }.await,
            };
            output.into_result()
        })
    }
}

/// What a helper takes in place of [`Context`] that gives a configuration value: requests to the service without the
/// connection's credentials, and nothing else of the connection.
///
/// ```
/// use linchpin::prelude::*;
///
/// /// The account that a trust policy names.
/// #[helper]
/// async fn account(cx: Unconnected) -> Result<String> {
///     cx.get(path!("/about/account")).send().await?.json()
/// }
/// ```
#[derive(Debug, Clone)]
pub struct Unconnected(Context);

impl Unconnected {
    pub(crate) fn of(cx: Context) -> Unconnected {
        Unconnected(cx)
    }

    /// A `GET` request without credentials.
    pub fn get(&self, path: impl IntoPath) -> RequestBuilder {
        self.0.get(path).unauthenticated()
    }

    /// A `POST` request without credentials.
    pub fn post(&self, path: impl IntoPath) -> RequestBuilder {
        self.0.post(path).unauthenticated()
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Context({})", self.0.spec().key)
    }
}
