//! The connector that meets the service.

use linchpin::{Connector, FileRef, connector::SpecFile, prelude::*, serde_json::Value};

/// A spec: small limits, and the lines of `[http]` that differ.
macro_rules! spec {
    ($($more:literal)*) => {
        SpecFile {
            path: "specs/tracker.toml",
            text: concat!(
                "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\n",
                "[auth.token]\nkind = \"bearer\"\nfields.token = { label = \"Token\", secret = true }\n",
                "[http]\nbase_url = \"https://tracker.example\"\nidempotency = { header = \"Idempotency-Key\" }\n",
                $($more, "\n"),*
            ),
        }
    };
}

/// Lists go on by `Link` headers.
pub(super) const PLAIN: SpecFile = spec!(
    "limits = { body = \"1MiB\", file = \"4MiB\", pages = 20 }"
    "pagination = { style = \"link-header\" }"
);

/// The same with little patience. Cases have it in which the service says no more.
pub(super) const HASTY: SpecFile = spec!(
    "timeout = \"300ms\""
    "retry = { attempts = 2 }"
    "limits = { body = \"1MiB\", file = \"4MiB\" }"
);

/// The usual limits.
pub(super) const ROOMY: SpecFile = spec!("");

/// Knows where the service says how much it still allows.
pub(super) const LIMITED: SpecFile =
    spec!("rate_limit = { budget = \"1000/1s\", remaining = \"x-left\", reset = \"x-reset\" }");

pub(super) const CURSOR: SpecFile = spec!(
    "limits = { pages = 20 }"
    "pagination = { style = \"cursor\", items = \"/items\", cursor = \"/next\", query = \"after\" }"
);

pub(super) const NEXT_URL: SpecFile = spec!(
    "limits = { pages = 20 }"
    "pagination = { style = \"next-url\", items = \"/items\", next = \"/next\" }"
);

pub(super) const PAGE_NUMBER: SpecFile = spec!(
    "limits = { pages = 20 }"
    "pagination = { style = \"page-number\", items = \"/items\", query = \"page\" }"
);

/// Gets its token from the service, for itself.
pub(super) const GRANT: SpecFile = SpecFile {
    path: "specs/tracker.toml",
    text: r#"
        schema = 1
        key = "tracker"
        name = "Tracker"
        version = "0.1.0"
        http = { base_url = "https://tracker.example" }

        [auth.token]
        kind = "oauth2"
        grant = "client_credentials"
        client = "customer"
        token_url = "https://tracker.example/token"
    "#,
};

/// The fields of a connection: those of the spec's only method.
pub(super) fn fields(spec: &SpecFile) -> &'static [(&'static str, &'static str)] {
    match spec.text.contains("oauth2") {
        true => &[("client_id", "a client"), ("client_secret", SECRET)],
        false => &[("token", TOKEN)],
    }
}

/// What the client says to the token endpoint, and to nobody else.
pub(super) const SECRET: &str = "s3cr3t-0f-th3-h0st1l3-su1t3";

/// What the bearer of the connection says to the service, and to nobody else.
pub(super) const TOKEN: &str = "t0k3n-0f-th3-h0st1l3-su1t3";

#[fields]
struct Thing {
    id: u64,
}

async fn id(request: linchpin::RequestBuilder) -> Result<u64> {
    Ok(request.send().await?.json::<Thing>()?.id)
}

/// What the service has at `/well`, where it is without fault.
#[action(read)]
async fn well(cx: Context) -> Result<Thing> {
    cx.get(path!("/well")).send().await?.json()
}

#[action(read)]
async fn thing(cx: Context) -> Result<u64> {
    id(cx.get(path!("/thing"))).await
}

/// Two reads, one after the other.
#[action(read)]
async fn twice(cx: Context) -> Result<Vec<u64>> {
    Ok(vec![id(cx.get(path!("/thing"))).await?, id(cx.get(path!("/thing"))).await?])
}

/// A read, and then a write that must not come twice.
#[action(create, idempotency = "none")]
async fn read_and_append(cx: Context) -> Result<u64> {
    id(cx.get(path!("/thing"))).await?;
    id(cx.post(path!("/things")).json("a thing")).await
}

/// Whatever JSON the service has.
#[action(read)]
async fn any(cx: Context) -> Result<Value> {
    cx.get(path!("/thing")).send().await?.json()
}

/// How long a text of the service is.
#[action(read)]
async fn length(cx: Context) -> Result<u64> {
    Ok(cx.get(path!("/thing")).send().await?.json::<String>()?.len() as u64)
}

#[action(read)]
async fn head(cx: Context) -> Result<u16> {
    Ok(cx.request(linchpin::http::Method::HEAD, path!("/thing")).send().await?.status())
}

#[action(read)]
async fn list(cx: Context) -> Result<Records<Thing>> {
    Ok(cx.get(path!("/things")).records())
}

/// May come twice, under its key.
#[action(create, idempotency = "key")]
async fn create(cx: Context) -> Result<u64> {
    id(cx.post(path!("/things")).json("a thing")).await
}

/// Must not come twice.
#[action(create, idempotency = "none")]
async fn append(cx: Context) -> Result<u64> {
    id(cx.post(path!("/things")).json("a thing")).await
}

/// May come twice.
#[action(update, idempotency = "natural")]
async fn replace(cx: Context) -> Result<u64> {
    id(cx.put(path!("/thing")).json("a thing")).await
}

/// How many bytes a file has.
#[action(read)]
async fn download(cx: Context) -> Result<u64> {
    let mut stream = cx.get(path!("/file")).download().await?.open().await?;
    let mut count = 0;
    while let Some(bytes) = stream.next().await? {
        count += bytes.len() as u64;
    }
    Ok(count)
}

/// Sends more than all buffers on the way can hold.
#[action(create, idempotency = "none")]
async fn upload(cx: Context) -> Result<u64> {
    let file = FileRef::from_bytes("zeros", vec![0; 32 << 20]);
    id(cx.post(path!("/files")).upload(&file)).await
}

pub(super) fn tracker(spec: SpecFile) -> Connector {
    Connector::builder(spec)
        .flow::<well>()
        .flow::<thing>()
        .flow::<twice>()
        .flow::<read_and_append>()
        .flow::<any>()
        .flow::<length>()
        .flow::<head>()
        .flow::<list>()
        .flow::<create>()
        .flow::<append>()
        .flow::<replace>()
        .flow::<download>()
        .flow::<upload>()
        .build()
        .unwrap()
}
