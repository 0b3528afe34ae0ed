//! The rules of hooks: how deliveries are trusted, answered, told apart and routed.

use std::time::Duration;

use super::spec::Check;
use crate::rules;
use crate::source::join;
use crate::spec::{
    DeliveryPlace, Detached, Handshake, HandshakeReply, Hook, HookScope, Proof, Signature,
    SignatureAlgorithm, SignatureKey, SignatureLayout, SignedPart, Template,
};

/// The furthest that a signed time may be from now.
const FURTHEST: Duration = Duration::from_secs(24 * 3600);

impl Check<'_> {
    pub(super) fn hooks(&mut self) {
        let spec = self.spec;
        for hook in &spec.hooks {
            let path = join("/hook", &hook.key);
            if !self.has(&format!("{path}/signature")) {
                self.key(
                    &rules::LP171,
                    &path,
                    format!("nothing says how deliveries of `{}` are trusted", hook.key),
                    "add `signature = { scheme = \"..\" }` as the service signs them, or \
                     `signature = { scheme = \"code\" }` and a `#[webhook(verify)]` function",
                );
            }
            if self.clean && !spec.events.iter().any(|event| event.hook.as_deref() == Some(&hook.key)) {
                self.key(
                    &rules::LP176,
                    &path,
                    format!("`{}` delivers no event", hook.key),
                    format!("add an event with `hook = \"{}\"`, or take the hook away", hook.key),
                );
            }
            let proof = hook.signature.as_ref().map(|signature| (&signature.proof, &signature.scheme));
            // A scheme that is named for a service has its place already.
            let secret = matches!(proof, Some((Proof::SharedSecret(_), scheme)) if scheme == "shared-secret");
            self.places(&path, secret);
            if let Some(signature) = &hook.signature {
                self.signature(&format!("{path}/signature"), signature);
            }
            self.scope(&path, hook);
            self.scrubbed(&path, hook);
            self.handshakes(&path, hook);
        }
    }

    /// Each place of a delivery is one place.
    fn places(&mut self, path: &str, secret: bool) {
        let mut places: Vec<String> =
            ["order_by", "route"].iter().map(|key| format!("{path}/{key}")).collect();
        for key in ["delivery_id", "scrub"] {
            let several = (0..).map(|index| format!("{path}/{key}/{index}"));
            places.extend(several.take_while(|place| self.has(place)));
            if !self.has(&format!("{path}/{key}/0")) {
                places.push(format!("{path}/{key}"));
            }
        }
        for index in 0.. {
            let handshake = format!("{path}/handshake/{index}");
            if !self.has(&handshake) {
                break;
            }
            places.extend(["take", "token"].iter().map(|key| format!("{handshake}/{key}")));
        }
        if secret {
            places.push(format!("{path}/signature"));
        }
        for place in places {
            if !self.has(&place) {
                continue;
            }
            let given = ["header", "query", "body"].iter();
            let given = given.filter(|key| self.has(&format!("{place}/{key}"))).count();
            if given != 1 && (given > 1 || self.clean) {
                let message = match given {
                    0 => "this place in a delivery is none",
                    _ => "this place in a delivery is more than one",
                };
                let help = "say one of `header = \"..\"`, `query = \"..\"` and `body = \"/..\"`";
                self.key(&rules::LP341, &place, message.to_owned(), help);
            }
        }
    }

    fn signature(&mut self, path: &str, signature: &Signature) {
        match &signature.key {
            Some(SignatureKey::Field(field)) => self.field_key(path, field, &signature.proof),
            Some(SignatureKey::Public(key)) if !is_public_key(key) => {
                let help = "write its 32 bytes in hexadecimal or base64, or the whole PEM with its first and last line";
                self.at(
                    &rules::LP347,
                    &format!("{path}/public_key"),
                    "this is no public key".to_owned(),
                    help,
                );
            }
            _ => {}
        }
        let tolerance = match &signature.proof {
            Proof::Detached(own) => {
                self.detached(path, own);
                own.tolerance
            }
            Proof::AwsSns(own) => own.tolerance,
            Proof::Jwt(own) => {
                if own.algorithms.is_empty() && self.clean {
                    let at = format!("{path}/algorithms");
                    let help = "list those that the service signs with, as in `algorithms = [\"RS256\"]`";
                    self.at(&rules::LP348, &at, "no algorithm is taken".to_owned(), help);
                }
                own.tolerance
            }
            _ => return,
        };
        if tolerance > FURTHEST {
            let message = "whoever finds a delivery could send it again for more than a day".to_owned();
            self.at(&rules::LP345, &format!("{path}/tolerance"), message, "write at most \"1d\"");
        }
    }

    /// A key that is a field of the connection.
    fn field_key(&mut self, path: &str, key: &str, proof: &Proof) {
        let spec = self.spec;
        let public = matches!(proof, Proof::Detached(own) if own.algorithm == SignatureAlgorithm::Ed25519);
        let at = format!("{path}/{}", if public { "public_key" } else { "key" });
        let has = |fields: &[crate::spec::ConnectionField]| {
            fields.iter().any(|field| field.key == key && (!field.optional || field.default.is_some()))
        };
        let lacking = spec.auth.iter().find(|method| !has(&method.fields));
        if spec.auth.is_empty() || lacking.is_some() {
            let message = match lacking {
                Some(method) => format!("a connection by `auth.{}` may lack `{{{key}}}`", method.key),
                None => format!("`{{{key}}}` is not a field: the spec has no auth method"),
            };
            let field = if public { "{}" } else { "{ secret = true }" };
            let help = format!("add `fields.{key} = {field}` to every method");
            self.at(&rules::LP173, &at, message, help);
        }
        let mut fields = spec.auth.iter().flat_map(|method| &method.fields);
        if !public && fields.any(|field| field.key == key && !field.secret) {
            let message = format!("`{{{key}}}` signs deliveries, but is not secret");
            self.at(&rules::LP174, &at, message, "say `secret = true` in the field");
        }
    }

    fn detached(&mut self, path: &str, own: &Detached) {
        let stated = |key: &str| self.has(&format!("{path}/{key}"));
        // Of a scheme that is named for a service there is nothing to say.
        if !stated("header") {
            return;
        }
        let elements = matches!(own.layout, SignatureLayout::Elements { .. });
        let twice = [
            (
                elements && stated("several"),
                "several",
                "a list of elements may have several signatures anyway",
            ),
            (elements && stated("prefix"), "prefix", "the name of the element stands before each signature"),
            (
                !elements && stated("timestamp_element"),
                "timestamp_element",
                "the header is no list without `element`",
            ),
            (
                stated("timestamp_element") && stated("timestamp_header"),
                "timestamp_header",
                "the time stands in the list already",
            ),
            (
                stated("key_prefix") && matches!(own.key_format, crate::spec::KeyFormat::Text),
                "key_prefix",
                "a key has a prefix where `key_encoding = \"base64\"`",
            ),
        ];
        let clean = self.clean;
        for (_, key, help) in twice.into_iter().filter(|(wrong, _, _)| *wrong && clean) {
            let message = format!("`{key}` does not fit the other keys of the signature");
            self.key(&rules::LP340, &format!("{path}/{key}"), message, help);
        }
        self.whole(path, own);
    }

    /// What is signed is the whole delivery.
    fn whole(&mut self, path: &str, own: &Detached) {
        let at = format!("{path}/signed");
        let has = |part: SignedPart| own.signed.contains(&part);
        let headers = own.headers.first();
        let timed = headers.is_some_and(|headers| headers.timestamp.is_some())
            || matches!(&own.layout, SignatureLayout::Elements { timestamp: Some(_), .. });
        let named = headers.is_some_and(|headers| headers.id.is_some());
        let digest = own.body_digest.is_some();
        let problem = if !has(SignedPart::Body) && !has(SignedPart::Params) && !digest {
            ("the body is not signed", "put `{body}` into `signed`")
        } else if digest && !has(SignedPart::Url) {
            ("the digest of the body stands in the URL, which is not signed", "put `{url}` into `signed`")
        } else if has(SignedPart::Timestamp) && !timed {
            ("nothing says where `{timestamp}` stands", "add `timestamp_header` or `timestamp_element`")
        } else if timed && !has(SignedPart::Timestamp) {
            ("the time is not signed, so that anybody could change it", "put `{timestamp}` into `signed`")
        } else if has(SignedPart::Id) && !named {
            ("nothing says where `{id}` stands", "add `id_header`")
        } else if named && !has(SignedPart::Id) {
            ("the id is not signed", "put `{id}` into `signed`, or name the header in `delivery_id`")
        } else {
            return;
        };
        let at = if self.has(&at) { at } else { path.to_owned() };
        self.key(&rules::LP179, &at, problem.0.to_owned(), problem.1);
    }

    fn scope(&mut self, path: &str, hook: &Hook) {
        let (scope, route) = (format!("{path}/scope"), format!("{path}/route"));
        // A route without any place is told by another rule.
        let empty = matches!(&hook.scope, HookScope::App { route, .. } if route.is_empty())
            && self.has(&format!("{route}/body"));
        let problem = match (hook.is_app(), self.has(&route)) {
            (true, false) => {
                (&scope, "nothing says whom deliveries are for", "add `route = { .., connection = \"..\" }`")
            }
            (false, true) => (
                &route,
                "deliveries are for the registration to whose URL they come",
                "say `scope = \"app\"`, or take `route` away",
            ),
            (true, true) if self.clean && empty => {
                (&route, "no place says whom deliveries are for", "name one, as in `body = \"/team\"`")
            }
            _ => {
                let own =
                    |key: &SignatureKey| matches!(key, SignatureKey::Registration | SignatureKey::Field(_));
                let key = hook.signature.as_ref().and_then(|signature| signature.key.as_ref());
                if hook.is_app() && key.is_some_and(own) {
                    let at = format!("{path}/signature/key");
                    let at = if self.has(&at) { at } else { format!("{path}/signature") };
                    let message = "deliveries are verified before it is known whom they are for".to_owned();
                    self.key(&rules::LP343, &at, message, "say `key = \"app\"` in the signature");
                }
                return;
            }
        };
        self.key(&rules::LP343, problem.0, problem.1.to_owned(), problem.2);
    }

    /// What is blanked once a delivery is trusted tells nothing of it.
    fn scrubbed(&mut self, path: &str, hook: &Hook) {
        if !self.clean {
            return;
        }
        let spec = self.spec;
        let secret = hook.secret_places();
        let mut read: Vec<(String, DeliveryPlace)> = Vec::new();
        for (index, place) in hook.delivery_id.iter().enumerate() {
            let at = format!("{path}/delivery_id/{index}");
            let at = if self.has(&at) { at } else { format!("{path}/delivery_id") };
            read.push((at, place.clone()));
        }
        if let HookScope::App { route, .. } = &hook.scope {
            read.extend(route.iter().map(|place| (format!("{path}/route"), place.clone())));
        }
        if let Some(items) = &hook.items {
            read.push((format!("{path}/items/at"), DeliveryPlace::Body(items.at.clone())));
        }
        // These point into an item.
        let whole = |place: &DeliveryPlace| match (&hook.items, place) {
            (Some(items), DeliveryPlace::Body(pointer)) => {
                DeliveryPlace::Body(format!("{}/*{pointer}", items.at))
            }
            _ => place.clone(),
        };
        let id = hook.items.as_ref().and_then(|items| items.id.clone());
        read.extend(id.map(|id| (format!("{path}/items/id"), whole(&DeliveryPlace::Body(id)))));
        read.extend(hook.order_by.iter().map(|place| (format!("{path}/order_by"), whole(place))));
        for event in spec.events.iter().filter(|event| event.hook.as_deref() == Some(&hook.key)) {
            let at = join("/event", &event.key);
            let matching = event.matching.places().map(|place| (format!("{at}/match"), whole(&place)));
            let filter = event.filter.iter().map(|(place, _)| (format!("{at}/filter"), whole(place)));
            read.extend(matching.chain(filter));
        }
        let blanked = read.into_iter().find(|(_, place)| secret.iter().any(|secret| secret.holds(place)));
        if let Some((at, place)) = blanked {
            let (DeliveryPlace::Header(name) | DeliveryPlace::Query(name) | DeliveryPlace::Body(name)) =
                place;
            // What a scheme implies has no place in the file.
            let at = if self.has(&at) { at } else { format!("{path}/scrub") };
            let at = if self.has(&at) { at } else { path.to_owned() };
            let message = format!("`{name}` is a secret, which is blanked in what is kept");
            self.key(&rules::LP349, &at, message, "name another place, or take it out of `scrub`");
        }
    }

    fn handshakes(&mut self, path: &str, hook: &Hook) {
        // What everybody may know shows nobody.
        let keyless = hook.signature.as_ref().is_none_or(|signature| {
            let public = signature.detached().is_some_and(|own| own.algorithm == SignatureAlgorithm::Ed25519);
            signature.key.is_none() || public
        });
        for (index, handshake) in hook.handshakes.iter().enumerate() {
            let at = format!("{path}/handshake/{index}");
            // Those that the scheme implies have no place in the file.
            if !self.has(&at) {
                break;
            }
            self.twice(
                &format!("{at}/when/header"),
                handshake.when.headers.iter().map(|(name, _)| name.as_str()),
            );
            if let Some((message, help)) = self.unanswerable(&at, handshake, keyless) {
                self.key(&rules::LP342, &at, message, help);
            }
        }
    }

    /// Why a handshake cannot be told from deliveries, or cannot be answered.
    fn unanswerable(&self, at: &str, own: &Handshake, keyless: bool) -> Option<(String, &'static str)> {
        let given = ["text", "json", "header"].iter();
        let replies = given.filter(|key| self.has(&format!("{at}/reply/{key}"))).count();
        let templates: Vec<&Template> = match &own.reply {
            HandshakeReply::Text(text) => vec![text],
            HandshakeReply::Json(texts) => texts.iter().map(|(_, text)| text).collect(),
            _ => Vec::new(),
        };
        let places: Vec<&str> = templates.iter().flat_map(|template| template.fields()).collect();
        let needs = !places.is_empty() || matches!(own.reply, HandshakeReply::Header(_));
        let confirms = [format!("{at}/confirm"), format!("{at}/confirm_hosts")].map(|path| self.has(&path));
        let told = |message: &str, help| Some((message.to_owned(), help));
        if !self.clean {
            None
        } else if own.when.is_empty() && own.take.is_none() && own.token.is_none() {
            told(
                "every request is this handshake",
                "say in `when` what it looks like, or in `take` what only it has",
            )
        } else if replies > 1 || (replies == 0 && self.has(&format!("{at}/reply"))) {
            told("the answer is not one", "say one of `text`, `json` and `header` in `reply`")
        } else if needs && own.take.is_none() {
            told("nothing says what the answer gives back", "add `take = { .. }`")
        } else if keyless && (places.contains(&"hmac") || own.token.is_some()) {
            told("the hook has no secret key", "use a scheme with a key, or take `{hmac}` and `token` out")
        } else if confirms[0] != confirms[1] || own.confirm.as_ref().is_some_and(|own| own.hosts.is_empty()) {
            told("a URL is confirmed only at hosts that are known", "say both `confirm` and `confirm_hosts`")
        } else {
            None
        }
    }

    /// The template by which deliveries of an app's hook find their connections.
    pub(super) fn route_of(hook: &Hook) -> Option<(String, &Template)> {
        match &hook.scope {
            HookScope::App { connection, .. } => {
                Some((format!("{}/route/connection", join("/hook", &hook.key)), connection))
            }
            HookScope::Registration => None,
        }
    }
}

/// What a place is called in a message.
#[cfg(feature = "check")]
pub(super) fn section(place: &crate::spec::DeliveryPlace) -> (&'static str, &str) {
    use crate::spec::DeliveryPlace;
    match place {
        DeliveryPlace::Header(name) => ("header", name),
        DeliveryPlace::Query(name) => ("query", name),
        DeliveryPlace::Body(pointer) => ("body", pointer),
    }
}

/// Whether a text could be an Ed25519 public key: 32 bytes in hexadecimal or base64, or PEM.
fn is_public_key(text: &str) -> bool {
    let base64 = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/';
    match text.len() {
        64 => text.bytes().all(|byte| byte.is_ascii_hexdigit()),
        44 => text.strip_suffix('=').is_some_and(|text| text.bytes().all(base64)),
        _ => {
            text.trim().starts_with("-----BEGIN PUBLIC KEY-----")
                && text.trim().ends_with("-----END PUBLIC KEY-----")
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::spec;

    /// What is said of a hook whose secret is `/items/*/secret`, with further keys and an event.
    fn told(hook: &str, event: &str) -> Vec<(&'static str, u32)> {
        let text = format!(
            "schema = 1\nkey = \"tracker\"\nname = \"Tracker\"\nversion = \"0.1.0\"\ndescription = \"Issues in Tracker.\"\n\
             documentation_url = \"https://tracker.example/docs\"\nsupport_email = \"support@tracker.example\"\n\
             http.base_url = \"https://tracker.example\"\n[hook.h]\n\
             signature = {{ scheme = \"shared-secret\", body = \"/items/*/secret\" }}\n{hook}\n\
             [event.opened]\nname = \"Opened\"\nhook = \"h\"\n{event}\n"
        );
        let found = spec::parse("specs/tracker.toml", &text).diagnostics;
        found.iter().map(|found| (found.code, found.labels[0].location.line)).collect()
    }

    #[test]
    fn nothing_is_told_by_a_secret_also_within_items() {
        let items = "items = { at = \"/items\", id = \"/id\" }";
        assert_eq!(told(items, "match = { body = { \"/kind\" = \"opened\", \"/secrets\" = 1 } }"), []);
        assert_eq!(told(items, "filter = { body = { \"/secret\" = \"{of}\" } }"), [("LP349", 15)]);
        assert_eq!(told(items, "match = { body = { \"/secret/x\" = 1 } }"), [("LP349", 15)]);
        assert_eq!(told("items = { at = \"/items\", id = \"/secret\" }", ""), [("LP349", 11)]);
        assert_eq!(told("order_by = { body = \"/items/0/secret\" }", ""), [("LP349", 11)]);
        assert_eq!(
            told("delivery_id = { header = \"x-pin\" }\nscrub = { header = \"X-Pin\" }", ""),
            [("LP349", 11)]
        );
        assert_eq!(told("delivery_id = { query = \"x-pin\" }\nscrub = { header = \"X-Pin\" }", ""), []);
        assert_eq!(told("scrub = { header = \"X-A\", body = \"/b\" }", ""), [("LP341", 11)]);
    }
}
