//! Signatures over requests as they are sent.
//!
//! AWS Signature Version 4 is written out here over `hmac` and `sha2`, and held by AWS's published vectors: the crate
//! `reqsign-aws-v4` has a clock of its own, and brings configuration files and credential chains for what is one page.

use std::{fmt, sync::Arc};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, Method, header::CONTENT_TYPE};
use jiff::Timestamp;
use linchpin::{
    Actor, Code, DateTime, Error, Result,
    extract::ConnectionValues,
    manifest::spec::{
        AuthKind, AuthMethod, HmacAlgorithm, HmacHeader, SignatureEncoding, SigningScheme, Template,
        TemplatePart,
    },
    request::Body,
};
use percent_encoding::{percent_decode_str, utf8_percent_encode};
use sha2::{Digest, Sha256, Sha512};
use url::Url;

use crate::{
    connection::{Ready, sensitive},
    runtime::Runtime,
    template::{self, ENCODED},
};

/// Signs requests: for services whose signatures are none that specs can say.
///
/// Registered by [`RuntimeBuilder::signer`](crate::RuntimeBuilder::signer), and named in the spec: `scheme = "custom:acme"`.
/// It is the last to touch a request, and is asked again when the request is repeated or redirected to another trusted host.
///
/// ```
/// use linchpin_runtime::{Outgoing, Runtime, Signer};
///
/// #[derive(Debug)]
/// struct Acme;
///
/// impl Signer for Acme {
///     fn sign(&self, request: &mut Outgoing<'_>) -> linchpin::Result<()> {
///         let key = request.values().need("key")?.expose().len();
///         let signature = format!("{}-{}-{key}", request.method(), request.body().len());
///         request.header("X-Acme-Signature", &signature)
///     }
/// }
///
/// let runtime = Runtime::builder().signer("acme", Acme).build();
/// # let _ = runtime;
/// ```
pub trait Signer: fmt::Debug + Send + Sync + 'static {
    /// Adds the signature.
    ///
    /// # Errors
    ///
    /// When the request cannot be signed; it is then not sent.
    fn sign(&self, request: &mut Outgoing<'_>) -> Result<()>;
}

/// A request as it is about to be sent.
#[derive(Debug)]
pub struct Outgoing<'r> {
    method: &'r Method,
    url: &'r mut Url,
    headers: &'r mut HeaderMap,
    body: &'r [u8],
    values: &'r ConnectionValues,
    now: DateTime,
}

impl Outgoing<'_> {
    /// The method.
    pub fn method(&self) -> &Method {
        self.method
    }

    /// The whole URL.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// The host as the `Host` header has it: with the port where it is not the scheme's own.
    pub fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// The path, encoded as it is sent.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// The query, encoded as it is sent; empty where there is none.
    pub fn query(&self) -> &str {
        self.url.query().unwrap_or_default()
    }

    /// The headers, without those that the transport writes: `Host` and `Content-Length`.
    pub fn headers(&self) -> &HeaderMap {
        self.headers
    }

    /// The body; empty where there is none.
    pub fn body(&self) -> &[u8] {
        self.body
    }

    /// The connection's fields.
    pub fn values(&self) -> &ConnectionValues {
        self.values
    }

    /// The time of day.
    pub fn now(&self) -> DateTime {
        self.now
    }

    /// Sets a header. Its value is never shown.
    ///
    /// # Errors
    ///
    /// When it is none that can be sent.
    pub fn header(&mut self, name: &str, value: &str) -> Result<()> {
        sensitive(self.headers, name, value)
    }

    /// Adds a query parameter, name and value not yet encoded.
    pub fn add_query(&mut self, name: &str, value: &str) {
        self.url.query_pairs_mut().append_pair(name, value);
    }
}

/// Who signs a connection's requests.
#[derive(Debug)]
pub(crate) enum Signing {
    Shipped(Box<dyn Signer>),
    /// Whoever is registered by this name.
    Registered(String),
}

impl Signing {
    /// What a method wants.
    pub(crate) fn of(method: &AuthMethod) -> Option<Signing> {
        let AuthKind::Signed(signed) = &method.kind else { return None };
        Some(match &signed.scheme {
            SigningScheme::Custom(name) => Signing::Registered(name.clone()),
            scheme => Signing::Shipped(Box::new(Scheme(scheme.clone()))),
        })
    }
}

/// Signs a request, where its connection's are signed; nothing of it may change afterwards.
pub(crate) fn sign(
    runtime: &Runtime,
    ready: &Ready,
    method: &Method,
    url: &mut Url,
    headers: &mut HeaderMap,
    body: Option<&Body>,
) -> Result<()> {
    let Some(signing) = &ready.signing else { return Ok(()) };
    let body = match body {
        None => &[][..],
        Some(Body::Bytes(bytes)) => bytes,
        Some(Body::Parts(_)) => {
            let message = "the connection's requests are signed over their body, and a file is not all there to be signed";
            return Err(
                Error::coded(Code::NotCarriedOut, message).hint("send its bytes in place of the file")
            );
        }
    };
    let mut request = Outgoing { method, url, headers, body, values: &ready.values, now: ready.clock.now() };
    match signing {
        Signing::Shipped(signer) => signer.sign(&mut request),
        Signing::Registered(name) => {
            let Some(signer) = runtime.signer(name) else {
                let message =
                    format!("no signer `{name}` is registered, and the connection's method asks for it");
                return Err(Error::coded(Code::NotCarriedOut, message)
                    .actor(Actor::Operator)
                    .hint("give it to the runtime by `Runtime::builder().signer(..)`"));
            };
            Arc::clone(signer).sign(&mut request)
        }
    }
}

/// The schemes that specs say.
#[derive(Debug)]
struct Scheme(SigningScheme);

impl Signer for Scheme {
    fn sign(&self, request: &mut Outgoing<'_>) -> Result<()> {
        match &self.0 {
            SigningScheme::AwsSigV4 { access_key, secret_key, session_token, region, service } => {
                let text = |template: &Template| template::text(template, request.values);
                let present =
                    |template: &&Template| template.fields().all(|key| request.values.get(key).is_some());
                let aws = Aws {
                    access_key: text(access_key)?,
                    secret_key: text(secret_key)?,
                    token: session_token.as_ref().filter(present).map(text).transpose()?,
                    region: text(region)?,
                    service: text(service)?,
                };
                aws.sign(request)
            }
            SigningScheme::HmacHeader(scheme) => hmac_header(scheme, request),
            other => {
                let message = format!("this version of linchpin does not sign by `{}`", other.word());
                Err(Error::coded(Code::NotCarriedOut, message))
            }
        }
    }
}

fn hmac_header(scheme: &HmacHeader, request: &mut Outgoing<'_>) -> Result<()> {
    let millis = request.now.unix_millis();
    let timestamp = if scheme.timestamp_millis { millis } else { millis.div_euclid(1000) }.to_string();
    let mut signed: Vec<u8> = Vec::new();
    for part in &scheme.string.parts {
        match part {
            TemplatePart::Text(text) => signed.extend_from_slice(text.as_bytes()),
            TemplatePart::Field(name) => match name.as_str() {
                "method" => signed.extend_from_slice(request.method.as_str().as_bytes()),
                "path" => signed.extend_from_slice(request.path().as_bytes()),
                "query" => signed.extend_from_slice(request.query().as_bytes()),
                "timestamp" => signed.extend_from_slice(timestamp.as_bytes()),
                "body" => signed.extend_from_slice(request.body),
                "body_sha256" => signed.extend_from_slice(sha256(request.body).as_bytes()),
                field => signed.extend_from_slice(request.values.need(field)?.expose().as_bytes()),
            },
        }
    }
    let key = template::text(&scheme.key, request.values)?;
    let bytes = match scheme.algorithm {
        HmacAlgorithm::Sha256 => hmac::<Hmac<Sha256>>(key.as_bytes(), &signed),
        HmacAlgorithm::Sha512 => hmac::<Hmac<Sha512>>(key.as_bytes(), &signed),
    };
    let prefix = template::text(&scheme.prefix, request.values)?;
    let signature = match scheme.encoding {
        SignatureEncoding::Base64 => STANDARD.encode(bytes),
        _ => hex(&bytes),
    };
    if let Some(name) = &scheme.timestamp_header {
        request.header(name, &timestamp)?;
    }
    request.header(&scheme.header, &format!("{prefix}{signature}"))
}

/// AWS Signature Version 4, as the AWS IAM User Guide describes it under "Create a signed AWS API request".
struct Aws {
    access_key: String,
    secret_key: String,
    token: Option<String>,
    region: String,
    service: String,
}

impl Aws {
    fn sign(&self, request: &mut Outgoing<'_>) -> Result<()> {
        let time = Timestamp::from_millisecond(request.now.unix_millis()).map_err(|error| {
            Error::coded(Code::RequestInvalid, format!("the time of day cannot be signed: {error}"))
        })?;
        let (day, time) = (time.strftime("%Y%m%d").to_string(), time.strftime("%Y%m%dT%H%M%SZ").to_string());
        let body = sha256(request.body);
        request.header("x-amz-date", &time)?;
        if let Some(token) = &self.token {
            request.header("x-amz-security-token", token)?;
        }
        // The one service that wants it as a header too.
        if self.service == "s3" {
            request.header("x-amz-content-sha256", &body)?;
        }
        let headers = signed_headers(request);
        let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join(";");
        let mut canonical = format!("{}\n{}\n{}\n", request.method, self.path(request), query(request.url));
        for (name, value) in &headers {
            canonical.push_str(&format!("{name}:{value}\n"));
        }
        canonical.push_str(&format!("\n{names}\n{body}"));
        let scope = format!("{day}/{}/{}/aws4_request", self.region, self.service);
        let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
        let mut key = format!("AWS4{}", self.secret_key).into_bytes();
        for part in [&day, &self.region, &self.service, "aws4_request", &text] {
            key = hmac::<Hmac<Sha256>>(&key, part.as_bytes());
        }
        let (access_key, signature) = (&self.access_key, hex(&key));
        request.header(
            "authorization",
            &format!("AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, Signature={signature}"),
        )
    }

    /// Each segment as it is sent, encoded once more; for S3 not so.
    fn path(&self, request: &Outgoing<'_>) -> String {
        let segments = request.path().split('/').map(|segment| {
            let decoded: Vec<u8> = percent_decode_str(segment).collect();
            let once = percent_encoding::percent_encode(&decoded, ENCODED).to_string();
            match self.service.as_str() {
                "s3" => once,
                _ => utf8_percent_encode(&once, ENCODED).to_string(),
            }
        });
        segments.collect::<Vec<_>>().join("/")
    }
}

/// The host, the media type and whatever is AWS's own, by name: what AWS wants signed at the least.
fn signed_headers(request: &Outgoing<'_>) -> Vec<(String, String)> {
    let mut headers = vec![("host".to_owned(), request.host())];
    for (name, value) in request.headers.iter() {
        if name == CONTENT_TYPE || name.as_str().starts_with("x-amz-") {
            let value = String::from_utf8_lossy(value.as_bytes());
            let value = value.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
            headers.push((name.to_string(), value));
        }
    }
    headers.sort();
    headers
}

fn query(url: &Url) -> String {
    let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
    let mut pairs: Vec<_> = url.query_pairs().map(|(name, value)| (encode(&name), encode(&value))).collect();
    pairs.sort();
    let pairs = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    pairs.collect::<Vec<_>>().join("&")
}

fn hmac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Vec<u8> {
    // RFC 2104 takes keys of any length.
    <M as KeyInit>::new_from_slice(key)
        .map(|mac| mac.chain_update(text).finalize().into_bytes().to_vec())
        .unwrap_or_default()
}

fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// What a request is signed with.
    fn signed(service: &str, secret: &str, time: &str, method: Method, url: &str, body: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        }
        let mut url = Url::parse(url).unwrap();
        let values = ConnectionValues::default();
        let mut request = Outgoing {
            method: &method,
            url: &mut url,
            headers: &mut headers,
            body: body.as_bytes(),
            values: &values,
            now: time.parse().unwrap(),
        };
        let aws = Aws {
            access_key: "AKIDEXAMPLE".to_owned(),
            secret_key: secret.to_owned(),
            token: None,
            region: "us-east-1".to_owned(),
            service: service.to_owned(),
        };
        aws.sign(&mut request).unwrap();
        headers
    }

    #[test]
    fn requests_of_awss_test_suite_are_signed_as_it_says() {
        const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let (get, post) = (Method::GET, Method::POST);
        for (name, method, rest, body, names, signature) in [
            (
                "get-vanilla",
                &get,
                "/",
                "",
                "",
                "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
            ),
            (
                "get-vanilla-query-order-key-case",
                &get,
                "/?Param2=value2&Param1=value1",
                "",
                "",
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
            (
                "get-vanilla-utf8-query",
                &get,
                "/?\u{1234}=bar",
                "",
                "",
                "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04",
            ),
            (
                "post-vanilla",
                &post,
                "/",
                "",
                "",
                "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            ),
            (
                "post-x-www-form-urlencoded",
                &post,
                "/",
                "Param1=value1",
                "content-type;",
                "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            ),
        ] {
            let url = format!("https://example.amazonaws.com{rest}");
            let headers = signed("service", SECRET, "2015-08-30T12:36:00Z", method.clone(), &url, body);
            let wanted = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders={names}host;x-amz-date, Signature={signature}"
            );
            assert_eq!(headers["authorization"], wanted.as_str(), "{name}");
            assert_eq!(headers["x-amz-date"], "20150830T123600Z");
        }
    }

    #[test]
    fn requests_of_s3s_documentation_are_signed_as_it_says() {
        const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
        for (query, signature) in [
            ("lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
            ("max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
        ] {
            let url = format!("https://examplebucket.s3.amazonaws.com/?{query}");
            let headers = signed("s3", SECRET, "2013-05-24T00:00:00Z", Method::GET, &url, "");
            let authorization = headers["authorization"].to_str().unwrap();
            assert!(
                authorization.contains("SignedHeaders=host;x-amz-content-sha256;x-amz-date,"),
                "{authorization}"
            );
            assert!(authorization.ends_with(signature), "{query}: {authorization}");
        }
    }

    #[test]
    fn a_path_is_encoded_twice_but_for_s3() {
        let path = |service: &str| {
            let aws = Aws {
                access_key: String::new(),
                secret_key: String::new(),
                token: None,
                region: String::new(),
                service: service.to_owned(),
            };
            let mut url = Url::parse("https://example.com/a%20b/c:d/~").unwrap();
            let values = ConnectionValues::default();
            aws.path(&Outgoing {
                method: &Method::GET,
                url: &mut url,
                headers: &mut HeaderMap::new(),
                body: b"",
                values: &values,
                now: "2015-08-30T12:36:00Z".parse().unwrap(),
            })
        };
        assert_eq!(path("s3"), "/a%20b/c%3Ad/~");
        assert_eq!(path("es"), "/a%2520b/c%253Ad/~");
    }
}
