//! Signed JSON web tokens (RFC 7519), by which a client or a service account proves itself (RFC 7523).
//!
//! Put together here and signed by ring, which TLS brings anyway. The crate `jsonwebtoken` would do no more: of its own two
//! backends one brings `rsa` 0.9 (RUSTSEC-2023-0071) and the other a second cryptography, and one over ring would have to be
//! installed for the whole process, which is not ours alone.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use linchpin::{Code, Error, Result, manifest::spec::JwtAlgorithm};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256, RsaKeyPair},
};
use rustls::pki_types::{PrivateKeyDer, pem::PemObject};
use serde_json::{Map, Value, json};

use crate::random;

/// A key that has been read, ready to sign any number of tokens.
pub(crate) enum SigningKey {
    Rs256(Box<RsaKeyPair>),
    Es256(Box<EcdsaKeyPair>),
    Hs256(hmac::Key),
}

impl SigningKey {
    /// Reads a key: PEM, and for HS256 any text. Nothing of it is in the error.
    pub(crate) fn read(algorithm: JwtAlgorithm, text: &str) -> Result<SigningKey> {
        let unusable = |problem: &str, hint: &str| {
            let word = algorithm.word();
            let message = format!("the connection's private key cannot sign with {word}: {problem}");
            Error::coded(Code::ConnectionInvalid, message).hint(hint.to_owned())
        };
        if algorithm == JwtAlgorithm::Hs256 {
            return Ok(SigningKey::Hs256(hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes())));
        }
        // Copied out of a JSON file, a key has its line breaks as `\n`.
        let pem = text.replace("\\n", "\n");
        let der = PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| {
            unusable(
                "it is no private key in PEM",
                "give the whole text, from `-----BEGIN` to `PRIVATE KEY-----`",
            )
        })?;
        let rejected = |error: ring::error::KeyRejected| {
            unusable(
                &error.to_string(),
                "RS256 wants an RSA key of 2048 to 4096 bits, ES256 a key of the curve P-256",
            )
        };
        let convert = || {
            unusable(
                "it is not in PKCS#8",
                "convert it by `openssl pkcs8 -topk8 -nocrypt -in KEY -out NEW_KEY`",
            )
        };
        Ok(match (algorithm, &der) {
            (JwtAlgorithm::Es256, PrivateKeyDer::Pkcs8(der)) => {
                let (algorithm, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
                let key = EcdsaKeyPair::from_pkcs8(algorithm, der.secret_pkcs8_der(), &random);
                SigningKey::Es256(Box::new(key.map_err(rejected)?))
            }
            (JwtAlgorithm::Rs256, PrivateKeyDer::Pkcs8(der)) => {
                let key = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der());
                SigningKey::Rs256(Box::new(key.map_err(rejected)?))
            }
            (JwtAlgorithm::Rs256, PrivateKeyDer::Pkcs1(der)) => {
                let key = RsaKeyPair::from_der(der.secret_pkcs1_der());
                SigningKey::Rs256(Box::new(key.map_err(rejected)?))
            }
            _ => return Err(convert()),
        })
    }

    fn algorithm(&self) -> JwtAlgorithm {
        match self {
            SigningKey::Rs256(_) => JwtAlgorithm::Rs256,
            SigningKey::Es256(_) => JwtAlgorithm::Es256,
            SigningKey::Hs256(_) => JwtAlgorithm::Hs256,
        }
    }

    /// A token that claims this, in the compact form (RFC 7515 §7.1).
    pub(crate) fn token(&self, key_id: Option<&str>, claims: Map<String, Value>) -> Result<String> {
        let mut header = json!({ "alg": self.algorithm().word(), "typ": "JWT" });
        if let Some(id) = key_id {
            header["kid"] = id.into();
        }
        let encoded = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut token = format!("{}.{}", encoded(header), encoded(Value::Object(claims)));
        let signature = self.sign(token.as_bytes())?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }

    /// The signature of a text.
    pub(crate) fn sign(&self, text: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| Error::coded(Code::RequestInvalid, "the private key failed to sign");
        let random = SystemRandom::new();
        Ok(match self {
            SigningKey::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).map_err(failed)?;
                signature
            }
            SigningKey::Es256(key) => key.sign(&random, text).map_err(failed)?.as_ref().to_vec(),
            SigningKey::Hs256(key) => hmac::sign(key, text).as_ref().to_vec(),
        })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.algorithm().word())
    }
}

/// A name that no other token has (RFC 7519 §4.1.7).
pub(crate) fn fresh_id() -> Result<String> {
    let random: [u8; 16] = random::bytes(Code::RequestInvalid, "for the id of an assertion")?;
    Ok(URL_SAFE_NO_PAD.encode(random))
}
