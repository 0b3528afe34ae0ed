//! Temporary.
use linchpin::{context::*, extract::*, flow::*, manifest::spec::*, request::*, *};

pub(crate) struct Plain {
    pub(crate) base: String,
    pub(crate) values: ConnectionValues,
    pub(crate) connector: Connector,
}

impl Driver for Plain {
    fn send(&self, request: Request) -> BoxFuture<'_, Result<Response>> {
        Box::pin(async move {
            let spec = self.connector.spec()?;
            let url = match &request.target {
                Target::Path(path) => {
                    let q = request.encoded_query();
                    if q.is_empty() { format!("{}{path}", self.base) } else { format!("{}{path}?{q}", self.base) }
                }
                Target::Next { link, .. } => link.clone(),
                Target::Url(url) => url.clone(),
            };
            let client = reqwest::Client::builder().user_agent("linchpin").build().unwrap();
            let mut req = client.request(request.method.clone(), &url);
            let mut headers = http::HeaderMap::new();
            for (k, v) in &spec.http.headers {
                headers.insert(http::HeaderName::from_bytes(k.as_bytes()).unwrap(), v.parse().unwrap());
            }
            headers.extend(request.headers.clone());
            req = req.headers(headers);
            if request.authenticated {
                req = req.header("authorization", format!("Bearer {}", self.values.need("token")?.expose()));
            }
            if let Some(b) = request.body.clone() {
                req = req.body(b);
            }
            let res = req.send().await.map_err(|e| Error::coded(Code::Unreachable, e.to_string()))?;
            let (status, headers) = (res.status(), res.headers().clone());
            let body = res.bytes().await.map_err(|e| Error::coded(Code::Unreachable, e.to_string()))?;
            let text = String::from_utf8_lossy(&body).into_owned();
            let response = Response::new(status, headers.clone(), body, url.into());
            if status.is_success() {
                return Ok(response);
            }
            let code = match status.as_u16() {
                401 => Code::Unauthorized,
                403 if headers.get("x-ratelimit-remaining").is_some_and(|v| v == "0") => Code::RateLimited,
                403 if text.contains("secondary rate limit") => Code::RateLimited,
                403 => Code::Forbidden,
                404 => Code::NotFound,
                429 => Code::RateLimited,
                500.. => Code::ServiceFailed,
                _ => Code::Rejected,
            };
            let v: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let mut e = Error::coded(code, v["message"].as_str().unwrap_or("").to_owned()).status(status.as_u16());
            if let Some(c) = v["errors"][0]["code"].as_str() {
                e = e.service_code(c);
            }
            Err(e.request_id(headers["x-github-request-id"].to_str().unwrap()))
        })
    }
    fn spec(&self) -> &Spec {
        self.connector.spec().unwrap()
    }
    fn connection(&self) -> &ConnectionValues {
        &self.values
    }
}
