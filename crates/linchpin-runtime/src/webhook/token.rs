//! JSON web tokens that come with deliveries (RFC 7519), checked as RFC 8725 asks.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use http::HeaderName;
use linchpin::{
    Code, DateTime, Delivery, Error, Result, Secret,
    manifest::spec::{DeliveryToken, JwtAlgorithm, TokenAlgorithm},
};
use ring::{
    digest,
    signature::{self, RsaPublicKeyComponents, UnparsedPublicKey},
};
use serde::Deserialize;
use serde_json::{Map, Value};
use subtle::ConstantTimeEq;

use super::{
    LONGEST_VALUE,
    fetcher::Fetcher,
    key::{hex, unhex},
    place::{header, header_value, one},
    refusal,
};
use crate::jwt::SigningKey;

/// So many keys of a set are read.
const KEYS: usize = 64;

/// Who takes tokens.
#[derive(Debug, Clone)]
pub(super) struct Token {
    own: DeliveryToken,
    header: HeaderName,
}

/// The header of a token (RFC 7515 §4.1).
#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// What a token must claim (RFC 7519 §4.1).
#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: f64,
    #[serde(default)]
    nbf: Option<f64>,
    #[serde(default)]
    iat: Option<f64>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// A key set (RFC 7517 §5).
#[derive(Debug)]
pub(super) struct KeySet(Vec<PublicKey>);

#[derive(Debug)]
struct PublicKey {
    id: Option<String>,
    /// The one algorithm that it is for, where the set says.
    algorithm: Option<String>,
    material: Material,
}

#[derive(Debug)]
enum Material {
    Rsa { n: Vec<u8>, e: Vec<u8> },
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A key as it is published (RFC 7517 §4).
#[derive(Deserialize)]
struct Published {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    r#use: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Token {
    pub(super) fn new(own: &DeliveryToken) -> Result<Token> {
        Ok(Token { own: own.clone(), header: header(&own.header)? })
    }

    pub(super) async fn verify(&self, fetcher: &Fetcher, delivery: &Delivery, now: DateTime) -> Result<()> {
        let value = one(&delivery.headers, &self.header).and_then(|value| value.to_str().ok());
        let value = value.filter(|text| !text.is_empty() && text.len() <= LONGEST_VALUE);
        let value = value.ok_or_else(|| {
            refusal(format!("the header `{}` must be there exactly once, with a token", self.header))
        })?;
        let token = match value.split_at_checked(7) {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token,
            _ => value,
        };
        let malformed = || refusal("the token is malformed");
        let (signed, signature) = token.rsplit_once('.').ok_or_else(malformed)?;
        let (head, claims) = signed.split_once('.').ok_or_else(malformed)?;
        let decoded = |text: &str| URL_SAFE_NO_PAD.decode(text).map_err(|_| malformed());
        let (head, claims, signature) = (decoded(head)?, decoded(claims)?, decoded(signature)?);
        let head: Head = serde_json::from_slice(&head).map_err(|_| malformed())?;
        let algorithm = self.own.algorithms.iter().find(|algorithm| algorithm.word() == head.alg);
        let algorithm =
            *algorithm.ok_or_else(|| refusal("the token is signed in a way that the hook does not take"))?;
        if head.crit.is_some() {
            return Err(refusal("the token asks for an extension that is not known"));
        }
        let keys = fetcher.keys(&self.own.jwks_url, head.kid.as_deref(), now).await?;
        let mut fitting = keys.fitting(algorithm, head.kid.as_deref());
        if !fitting.any(|key| key.verifies(algorithm, signed.as_bytes(), &signature)) {
            return Err(refusal("the token is signed by none of the published keys"));
        }
        let claims: Claims = serde_json::from_slice(&claims).map_err(|_| malformed())?;
        self.check(&claims, delivery, now)
    }

    fn check(&self, claims: &Claims, delivery: &Delivery, now: DateTime) -> Result<()> {
        let own = &self.own;
        if claims.iss != own.issuer {
            return Err(refusal("the token is of another issuer"));
        }
        let meant = match &claims.aud {
            Audience::One(audience) => *audience == own.audience,
            Audience::Several(audiences) => audiences.contains(&own.audience),
        };
        if !meant {
            return Err(refusal("the token is meant for somebody else"));
        }
        let (now, tolerance) = (now.unix_millis() as f64 / 1000.0, own.tolerance.as_secs_f64());
        if claims.exp + tolerance <= now {
            return Err(refusal("the token has expired: its time lies too far in the past"));
        }
        if [claims.nbf, claims.iat].into_iter().flatten().any(|time| time - tolerance > now) {
            return Err(refusal("the token is not good yet: its time lies too far in the future"));
        }
        if let Some(name) = &own.body_digest {
            let mut given = [0; 32];
            let text = claims.others.get(name).and_then(Value::as_str);
            let read = text.is_some_and(|text| unhex(text.as_bytes(), &mut given).is_some());
            let digest = digest::digest(&digest::SHA256, &delivery.body);
            if !read || !bool::from(given.ct_eq(digest.as_ref())) {
                return Err(refusal("the token is of another body"));
            }
        }
        Ok(())
    }

    /// Adds a token as the service would, under the private key of a stand-in.
    pub(super) fn sign(&self, key: &Secret, delivery: &mut Delivery, at: DateTime) -> Result<()> {
        let known = self.own.algorithms.iter().find_map(|algorithm| match algorithm {
            TokenAlgorithm::Rs256 => Some(JwtAlgorithm::Rs256),
            TokenAlgorithm::Es256 => Some(JwtAlgorithm::Es256),
            _ => None,
        });
        let known = known.ok_or_else(|| {
            Error::coded(Code::NotCarriedOut, "linchpin signs tokens by RS256 and ES256 only")
        })?;
        let now = at.unix_millis().div_euclid(1000);
        let mut claims = Map::new();
        claims.insert("iss".to_owned(), self.own.issuer.as_str().into());
        claims.insert("aud".to_owned(), self.own.audience.as_str().into());
        claims.insert("iat".to_owned(), now.into());
        claims.insert("exp".to_owned(), (now + 300).into());
        if let Some(name) = &self.own.body_digest {
            let digest = digest::digest(&digest::SHA256, &delivery.body);
            claims.insert(name.clone(), hex(digest.as_ref()).into());
        }
        let token = SigningKey::read(known, key.expose())?.token(None, claims)?;
        delivery.headers.insert(self.header.clone(), header_value(&format!("Bearer {token}"))?);
        Ok(())
    }
}

impl KeySet {
    /// Reads a key set; keys of kinds that nobody here knows are passed over (RFC 7517 §5).
    pub(super) fn read(text: &[u8]) -> Option<KeySet> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let set: Set = serde_json::from_slice(text).ok()?;
        let published = set.keys.into_iter().take(KEYS).filter_map(|key| serde_json::from_value(key).ok());
        Some(KeySet(published.filter_map(PublicKey::of).collect()))
    }

    /// Whether there is a key of this id; without an id, any.
    pub(super) fn has(&self, id: Option<&str>) -> bool {
        self.0.iter().any(|key| id.is_none() || key.id.as_deref() == id)
    }

    fn fitting(&self, algorithm: TokenAlgorithm, id: Option<&str>) -> impl Iterator<Item = &PublicKey> {
        self.0.iter().filter(move |key| {
            (id.is_none() || key.id.as_deref() == id)
                && key.algorithm.as_deref().is_none_or(|only| only == algorithm.word())
        })
    }
}

impl PublicKey {
    fn of(key: Published) -> Option<PublicKey> {
        if key.r#use.as_deref().is_some_and(|purpose| purpose != "sig") {
            return None;
        }
        let bytes = |text: &Option<String>| URL_SAFE_NO_PAD.decode(text.as_ref()?).ok();
        let point = |length: usize| {
            let (x, y) = (bytes(&key.x)?, bytes(&key.y)?);
            // Uncompressed (SEC 1 §2.3.3).
            (x.len() == length && y.len() == length).then(|| [&[4][..], &x, &y].concat())
        };
        let material = match (key.kty.as_str(), key.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { n: bytes(&key.n)?, e: bytes(&key.e)? },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(&key.x)?),
            _ => return None,
        };
        Some(PublicKey { id: key.kid, algorithm: key.alg, material })
    }

    /// Whether a signature is by this key; the kind of the key decides how it may be used, not the token.
    fn verifies(&self, algorithm: TokenAlgorithm, signed: &[u8], given: &[u8]) -> bool {
        let rsa = |parameters, n: &[u8], e: &[u8]| {
            // A leading zero is no part of the number (RFC 7518 §2).
            let trim =
                |bytes: &[u8]| bytes.iter().copied().skip_while(|byte| *byte == 0).collect::<Vec<u8>>();
            RsaPublicKeyComponents { n: trim(n), e: trim(e) }.verify(parameters, signed, given).is_ok()
        };
        let other =
            |algorithm, key: &[u8]| UnparsedPublicKey::new(algorithm, key).verify(signed, given).is_ok();
        match (algorithm, &self.material) {
            (TokenAlgorithm::Rs256, Material::Rsa { n, e }) => {
                rsa(&signature::RSA_PKCS1_2048_8192_SHA256, n, e)
            }
            (TokenAlgorithm::Rs384, Material::Rsa { n, e }) => {
                rsa(&signature::RSA_PKCS1_2048_8192_SHA384, n, e)
            }
            (TokenAlgorithm::Rs512, Material::Rsa { n, e }) => {
                rsa(&signature::RSA_PKCS1_2048_8192_SHA512, n, e)
            }
            (TokenAlgorithm::Es256, Material::P256(key)) => other(&signature::ECDSA_P256_SHA256_FIXED, key),
            (TokenAlgorithm::Es384, Material::P384(key)) => other(&signature::ECDSA_P384_SHA384_FIXED, key),
            (TokenAlgorithm::EdDsa, Material::Ed25519(key)) => other(&signature::ED25519, key),
            _ => false,
        }
    }
}
