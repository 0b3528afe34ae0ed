//! Messages of Amazon SNS (<https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>).
//!
//! The key is that of a certificate which the message names. That it is Amazon's follows from where it comes from: over TLS from
//! a host of SNS, and from no other. What a message's signature does not cover, as `MessageAttributes`, could be anybody's.

use base64::{Engine, engine::general_purpose::STANDARD};
use linchpin::{
    Code, DateTime, Delivery, Error, Result, Secret,
    manifest::spec::{AwsSns, JwtAlgorithm},
};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::{fetcher::Fetcher, guard::check_time, handshake::is_at, refusal};
use crate::jwt::SigningKey;

/// What a stand-in for the service names as its certificate.
const STAND_IN: &str = "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-linchpin.pem";

/// Who takes messages of SNS.
#[derive(Debug, Clone)]
pub(super) struct Sns {
    own: AwsSns,
}

/// A message, as far as its signature covers it. A member that is there twice makes it none.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    r#type: String,
    message_id: String,
    topic_arn: String,
    subject: Option<String>,
    message: String,
    timestamp: String,
    token: Option<String>,
    #[serde(rename = "SubscribeURL")]
    subscribe_url: Option<String>,
    signature_version: String,
    #[serde(default)]
    signature: String,
    #[serde(rename = "SigningCertURL")]
    signing_cert_url: String,
}

impl Sns {
    pub(super) fn new(own: &AwsSns) -> Sns {
        Sns { own: own.clone() }
    }

    pub(super) async fn verify(&self, fetcher: &Fetcher, delivery: &Delivery, now: DateTime) -> Result<()> {
        let message: Message = serde_json::from_slice(&delivery.body)
            .map_err(|_| refusal("the body is no message of SNS with a signature"))?;
        let algorithm = match message.signature_version.as_str() {
            "2" => &RSA_PKCS1_2048_8192_SHA256,
            "1" if self.own.sha1 => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
            "1" => {
                return Err(refusal("the message is signed over SHA-1, which the hook does not take").hint(
                    "set the topic's attribute `SignatureVersion` to 2, or say `sha1 = true` in the spec",
                ));
            }
            _ => return Err(refusal("the message has an unknown signature version")),
        };
        if !self.own.topics.is_empty() && !self.own.topics.contains(&message.topic_arn) {
            return Err(refusal("the message is of a topic that the hook does not take"));
        }
        let time: DateTime =
            message.timestamp.parse().map_err(|_| refusal("the message's time is malformed"))?;
        check_time(time.unix_millis(), now, self.own.tolerance)?;
        let signed = message.signed().ok_or_else(|| refusal("the message lacks what its type has"))?;
        let signature =
            STANDARD.decode(&message.signature).map_err(|_| refusal("the signature is malformed"))?;
        let url = certificate_url(&message.signing_cert_url)
            .ok_or_else(|| refusal("the message names a certificate that is not at a host of SNS"))?;
        let key = fetcher.certificate(&url, now).await?;
        UnparsedPublicKey::new(algorithm, key.as_slice())
            .verify(signed.as_bytes(), &signature)
            .map_err(|_| refusal("the signature is not that of the message"))
    }

    /// Signs a message as SNS would, under the RSA key of a stand-in.
    pub(super) fn sign(&self, key: &Secret, delivery: &mut Delivery, id: &str, at: DateTime) -> Result<()> {
        let unfit = || {
            Error::coded(
                Code::InputInvalid,
                "the body is no message of SNS: an object with `Type`, `TopicArn` and `Message`",
            )
        };
        let mut body: Value = serde_json::from_slice(&delivery.body).map_err(|_| unfit())?;
        let members = body.as_object_mut().ok_or_else(unfit)?;
        for (name, value) in [("MessageId", id), ("SigningCertURL", STAND_IN), ("SignatureVersion", "2")] {
            members.entry(name).or_insert_with(|| value.into());
        }
        members.entry("Timestamp").or_insert_with(|| at.to_string().into());
        let message: Message = serde_json::from_value(Value::Object(members.clone())).map_err(|_| unfit())?;
        let signed = message.signed().ok_or_else(unfit)?;
        let key = SigningKey::read(JwtAlgorithm::Rs256, key.expose())?;
        members.insert("Signature".to_owned(), STANDARD.encode(key.sign(signed.as_bytes())?).into());
        delivery.body = body.to_string().into();
        Ok(())
    }
}

impl Message {
    /// What is signed: names and values, each on a line.
    fn signed(&self) -> Option<String> {
        let mut text = String::with_capacity(self.message.len() + 256);
        let mut line = |name: &str, value: &str| {
            for part in [name, "\n", value, "\n"] {
                text.push_str(part);
            }
        };
        line("Message", &self.message);
        line("MessageId", &self.message_id);
        match self.r#type.as_str() {
            "Notification" => {
                if let Some(subject) = &self.subject {
                    line("Subject", subject);
                }
                line("Timestamp", &self.timestamp);
            }
            "SubscriptionConfirmation" | "UnsubscribeConfirmation" => {
                line("SubscribeURL", self.subscribe_url.as_ref()?);
                line("Timestamp", &self.timestamp);
                line("Token", self.token.as_ref()?);
            }
            _ => return None,
        }
        line("TopicArn", &self.topic_arn);
        line("Type", &self.r#type);
        Some(text)
    }
}

/// The URL of a certificate of SNS: `https`, at `sns.<region>.amazonaws.com` or its namesake in China, a file in PEM.
fn certificate_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|_| text.len() <= 512)?;
    let file = url.path().ends_with(".pem") && url.query().is_none() && url.fragment().is_none();
    (file && is_at(&url, AwsSns::HOSTS.into_iter())).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_come_from_hosts_of_sns_only() {
        for good in [
            "https://sns.us-east-1.amazonaws.com/SimpleNotificationService-0.pem",
            "https://sns.cn-north-1.amazonaws.com.cn/SimpleNotificationService-0.pem",
            "https://SNS.us-east-1.amazonaws.com:443/a.pem",
        ] {
            assert!(certificate_url(good).is_some(), "{good}");
        }
        for bad in [
            "http://sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com/a.crt",
            "https://sns.us-east-1.amazonaws.com/a.pem?x",
            "https://sns.us-east-1.amazonaws.com:8443/a.pem",
            "https://u@sns.us-east-1.amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com.evil.example/a.pem",
            "https://sns.amazonaws.com/a.pem",
            "https://sns.a.b.amazonaws.com/a.pem",
            "https://evil.s3.amazonaws.com/a.pem",
            "https://sns..amazonaws.com/a.pem",
            "https://sns.us-east-1.amazonaws.com./a.pem",
            "https://127.0.0.1/a.pem",
            "a.pem",
        ] {
            assert!(certificate_url(bad).is_none(), "{bad}");
        }
    }
}
