//! Clients that show a certificate when TLS begins.

use std::sync::{Arc, Mutex};

use linchpin::{Code, Error, Secret, connector::SpecFile, extract::ConnectionValues};
use linchpin_runtime::{Connection, Invocation, Runtime};
use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig,
        crypto::ring,
        pki_types::{CertificateDer, PrivateKeyDer},
        server::WebPkiClientVerifier,
    },
};

const SPEC: SpecFile = spec!(
    r#"
        [auth.certificate]
        kind = "none"
        client_certificate = { certificate = "{certificate}", private_key = "{private_key}" }
        fields.certificate = {}
        fields.private_key = { secret = true }

        [auth.both]
        kind = "bearer"
        client_certificate = { certificate = "{certificate}", private_key = "{private_key}" }
        fields.token = { secret = true }
        fields.certificate = {}
        fields.private_key = { secret = true }

        [auth.oauth]
        kind = "oauth2"
        grant = "client_credentials"
        client = "customer"
        client_authentication = "none"
        token_url = "https://tracker.example/token"
        client_certificate = { certificate = "{certificate}", private_key = "{private_key}" }
        fields.certificate = {}
        fields.private_key = { secret = true }

        [auth.plain]
        kind = "none"
    "#
);

/// An authority, and what it issues.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) certificate: rcgen::Certificate,
}

/// A certificate with its key.
pub(crate) struct Issued {
    pub(crate) certificate: rcgen::Certificate,
    pub(crate) key: KeyPair,
}

impl Authority {
    pub(crate) fn new() -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Authority { issuer: Issuer::new(params, key), certificate }
    }

    pub(crate) fn issue(&self, name: &str, purpose: ExtendedKeyUsagePurpose) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        Issued { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }
}

/// A service that speaks only to whoever shows a certificate of its authority.
struct Service {
    authority: Authority,
    runtime: Runtime,
    port: u16,
    /// The certificate that was shown, and the head of the request.
    seen: Arc<Mutex<Vec<(CertificateDer<'static>, String)>>>,
}

impl Service {
    async fn start() -> Service {
        let authority = Authority::new();
        let own = authority.issue("localhost", ExtendedKeyUsagePurpose::ServerAuth);
        let mut roots = RootCertStore::empty();
        roots.add(authority.certificate.der().clone()).unwrap();
        let provider = Arc::new(ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                vec![own.certificate.der().clone()],
                PrivateKeyDer::try_from(own.key.serialize_der()).unwrap(),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let runtime = Runtime::builder().trust(&authority.certificate.pem()).unwrap().build();
        let service = Service { authority, runtime, port, seen: seen.clone() };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                // Whoever shows no good certificate gets no further.
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone();
                let mut head = Vec::new();
                while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                    head.push(stream.read_u8().await.unwrap());
                }
                seen.lock().unwrap().push((shown, String::from_utf8(head).unwrap().to_lowercase()));
                let body = r#"{"access_token":"at-1","token_type":"bearer"}"#;
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
                stream.shutdown().await.unwrap();
            }
        });
        service
    }

    fn connect(
        &self,
        method: &str,
        fields: &[(&str, &str)],
        shown: Option<&Issued>,
    ) -> Result<Connection, Error> {
        let mut values = ConnectionValues { method: method.to_owned(), ..ConnectionValues::default() };
        values.fields.extend(fields.iter().map(|(key, value)| ((*key).to_owned(), Secret::new(*value))));
        if let Some(shown) = shown {
            values.fields.insert("certificate".to_owned(), Secret::new(shown.certificate.pem()));
            values.fields.insert("private_key".to_owned(), Secret::new(shown.key.serialize_pem()));
        }
        let base = format!("https://localhost:{}", self.port);
        Connection::builder(&super::connector(SPEC), values).base_url(base).build()
    }

    async fn ask(&self, connection: &Connection) -> Result<(), Error> {
        let invocation = Invocation::named(connection, "get_me").unwrap();
        self.runtime.run(invocation).await.map(drop).map_err(Error::from)
    }
}

#[tokio::test]
async fn each_connection_shows_its_own_certificate() {
    let service = Service::start().await;
    let (ann, bob) = ("ann.example", "bob.example");
    let [ann, bob] =
        [ann, bob].map(|name| service.authority.issue(name, ExtendedKeyUsagePurpose::ClientAuth));
    for (method, fields, shown) in
        [("certificate", &[][..], &ann), ("both", &[("token", "t0k3n")], &bob), ("certificate", &[], &ann)]
    {
        service.ask(&service.connect(method, fields, Some(shown)).unwrap()).await.unwrap();
        let (certificate, head) = service.seen.lock().unwrap().pop().unwrap();
        assert_eq!(&certificate, shown.certificate.der());
        assert!(head.starts_with("get /me?page=2 http/1.1"), "{head}");
        assert_eq!(head.contains("authorization: bearer t0k3n"), method == "both", "{head}");
    }
}

#[tokio::test]
async fn the_token_endpoint_sees_the_certificate_too() {
    let service = Service::start().await;
    let ann = service.authority.issue("ann.example", ExtendedKeyUsagePurpose::ClientAuth);
    let connection = service.connect("oauth", &[("client_id", "ann")], Some(&ann)).unwrap();
    service.ask(&connection).await.unwrap();
    let seen = service.seen.lock().unwrap();
    let heads: Vec<&str> = seen.iter().map(|(_, head)| head.lines().next().unwrap()).collect();
    assert_eq!(heads, ["post /token http/1.1", "get /me?page=2 http/1.1"]);
    assert!(seen.iter().all(|(certificate, _)| certificate == ann.certificate.der()));
}

#[tokio::test]
async fn without_a_good_certificate_nothing_is_answered() {
    let service = Service::start().await;
    let stranger = Authority::new().issue("ann.example", ExtendedKeyUsagePurpose::ClientAuth);
    for (method, shown) in [("plain", None), ("certificate", Some(&stranger))] {
        let error = service.ask(&service.connect(method, &[], shown).unwrap()).await.unwrap_err();
        assert_eq!(error.code(), Code::Unreachable, "{error}");
    }
    // A request without the connection's credentials shows no certificate either.
    let ann = service.authority.issue("ann.example", ExtendedKeyUsagePurpose::ClientAuth);
    let cx = service.runtime.context(&service.connect("certificate", &[], Some(&ann)).unwrap());
    let error = cx.get(linchpin::path!("/me")).unauthenticated().send().await.unwrap_err();
    assert_eq!(error.code(), Code::Unreachable, "{error}");
    assert_eq!(service.seen.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn what_is_no_certificate_is_told_without_showing_it() {
    let service = Service::start().await;
    let ann = service.authority.issue("ann.example", ExtendedKeyUsagePurpose::ClientAuth);
    let (certificate, key) = (ann.certificate.pem(), ann.key.serialize_pem());
    for (certificate, key) in [("nothing", key.as_str()), (&certificate, "s3cret")] {
        let fields = [("certificate", certificate), ("private_key", key)];
        let error = service.connect("certificate", &fields, None).unwrap_err();
        assert_eq!(error.code(), Code::ConnectionInvalid, "{error}");
        assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
    }
    let other = service.authority.issue("bob.example", ExtendedKeyUsagePurpose::ClientAuth);
    let mixed = Issued { certificate: ann.certificate, key: other.key };
    let error = service.ask(&service.connect("certificate", &[], Some(&mixed)).unwrap()).await.unwrap_err();
    assert_eq!(error.code(), Code::ConnectionInvalid, "{error}");
}
