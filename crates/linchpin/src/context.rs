//! What a flow works with.

use std::{fmt, sync::Arc};

use http::Method;
use linchpin_manifest::spec::Spec;

use crate::{
    Result, Secret,
    extract::ConnectionValues,
    file::FileRef,
    flow::{BoxFuture, Gives, Helper, IntoArgs},
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

    /// A configuration value that the spec writes, for the connection.
    fn config(&self, key: &str) -> Result<Secret>;
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
        Box::pin(async move { F::call(cx, args?).await.into_result() })
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
