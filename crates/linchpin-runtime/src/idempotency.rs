//! The idempotency keys of a call's writes.

use std::{
    collections::HashMap,
    sync::{Mutex, OnceLock, PoisonError},
};

use http::header::CONTENT_TYPE;
use linchpin::{
    Code, Result,
    request::{Body, Part, Request, Target},
};
use sha2::{Digest, Sha256};

use crate::random;

/// Makes keys, and remembers for which writes it did.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    /// What tells the call apart that was given no id; made when the first key is needed.
    random: OnceLock<[u8; 16]>,
    /// How many keys were made for writes that are all the same, by their digest.
    made: Mutex<HashMap<[u8; 32], u32>>,
}

impl Keys {
    /// The key of a write, in the form of a random UUID (RFC 9562 §5.4).
    ///
    /// It follows from the run, the flow and what is written, so that a call which is made again under the same run's id sends
    /// the same keys, in whatever order its writes go. A write that the flow makes twice gets two keys.
    pub(crate) fn key(&self, run: Option<&str>, flow: &str, request: &Request) -> Result<String> {
        let mut hash = Sha256::new();
        let mut add = |part: &[u8]| {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        };
        match run {
            Some(run) => add(run.as_bytes()),
            None => add(self.random()?),
        }
        add(flow.as_bytes());
        add(request.method.as_str().as_bytes());
        match &request.target {
            Target::Path(text) | Target::Url(text) => add(text.as_bytes()),
            Target::Next { link, .. } => add(link.as_bytes()),
        }
        add(request.encoded_query().as_bytes());
        match &request.body {
            None => {}
            Some(Body::Bytes(bytes)) => add(bytes),
            Some(Body::Parts(parts)) => {
                // Random, and thus another one each time.
                let kind = request.headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
                let boundary =
                    kind.and_then(|kind| kind.split_once("boundary=")).map_or("", |(_, boundary)| boundary);
                for part in parts {
                    match part {
                        Part::Bytes(bytes) if boundary.is_empty() => add(bytes),
                        Part::Bytes(bytes) => {
                            add(String::from_utf8_lossy(bytes).replace(boundary, "").as_bytes());
                        }
                        // What is in a file would have to be read twice; its name and size tell uploads of one call apart.
                        Part::File(file) => {
                            add(file.file_name().as_bytes());
                            add(&file.size().unwrap_or_default().to_be_bytes());
                        }
                    }
                }
            }
        }
        let write: [u8; 32] = hash.finalize().into();
        let number = {
            let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
            let number = made.entry(write).or_default();
            *number += 1;
            *number
        };
        let digest = Sha256::new().chain_update(write).chain_update(number.to_be_bytes()).finalize();
        let (half, _) = digest.as_slice().split_at(16);
        let mut bits = half.iter().fold(0, |bits, byte| bits << 8 | u128::from(*byte));
        bits = bits & !(0xf << 76) | 0x4 << 76;
        bits = bits & !(0x3 << 62) | 0x2 << 62;
        let hex = format!("{bits:032x}");
        Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
    }

    fn random(&self) -> Result<&[u8; 16]> {
        if let Some(random) = self.random.get() {
            return Ok(random);
        }
        let random = random::bytes(Code::RequestInvalid, "for an idempotency key")?;
        Ok(self.random.get_or_init(|| random))
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::*;

    fn write(path: &str, body: &'static str) -> Request {
        let mut request = Request::new(Method::POST, Target::Path(path.to_owned()));
        request.body = Some(Body::Bytes(body.into()));
        request
    }

    #[test]
    fn a_run_that_is_made_again_has_the_same_keys_in_any_order() {
        let (one, two) = (write("/a", "1"), write("/a", "2"));
        let keys = |requests: &[&Request]| {
            let keys = Keys::default();
            let mut made: Vec<_> =
                requests.iter().map(|request| keys.key(Some("run-1"), "create", request).unwrap()).collect();
            made.sort_unstable();
            made
        };
        let made = keys(&[&one, &two, &one]);
        assert_eq!(made, keys(&[&two, &one, &one]));
        assert!(made[0] != made[1] && made[1] != made[2], "{made:?}");
        assert!(made.iter().all(|key| key.len() == 36 && &key[14..15] == "4"), "{made:?}");
    }

    #[test]
    fn the_boundary_between_parts_does_not_matter() {
        let upload = |boundary: &str| {
            let mut request = write("/a", "");
            let kind = format!("multipart/form-data; boundary={boundary}");
            request.headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            let part = Part::Bytes(format!("--{boundary}\r\n\r\nx\r\n--{boundary}--\r\n").into());
            request.body = Some(Body::Parts(vec![part]));
            Keys::default().key(Some("run-1"), "create", &request).unwrap()
        };
        assert_eq!(upload("a1b2"), upload("c3d4"));
    }

    #[test]
    fn another_run_flow_or_write_has_another_key() {
        let key = |run, flow, request: &Request| Keys::default().key(run, flow, request).unwrap();
        let first = key(Some("run-1"), "create", &write("/a", "1"));
        for other in [
            key(Some("run-2"), "create", &write("/a", "1")),
            key(Some("run-1"), "update", &write("/a", "1")),
            key(Some("run-1"), "create", &write("/b", "1")),
            key(Some("run-1"), "create", &write("/a", "2")),
            key(None, "create", &write("/a", "1")),
        ] {
            assert_ne!(first, other);
        }
        assert_ne!(key(None, "create", &write("/a", "1")), key(None, "create", &write("/a", "1")));
    }
}
