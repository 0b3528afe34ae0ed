"""Makes the signature vectors beside it: deliveries of every scheme, each with what it must come to.

Run in a virtual environment with `requirements.txt`:

    python generate.py

Signatures are made by the service's own library where it has one, else by `hmac` and `cryptography`. Keys and times are fixed, so that
every run writes the same bytes. `rsa.pem` and `other-rsa.pem` are keys for these vectors and nothing else.
"""

import base64
import copy
import datetime
import hashlib
import hmac
import json
import pathlib
from importlib.metadata import version
from urllib.parse import parse_qsl, urlencode

import jwt
import slack_sdk.signature
import standardwebhooks
import stripe
import svix.webhooks
import twilio.request_validator
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, utils
from cryptography.x509.oid import NameOID

HERE = pathlib.Path(__file__).parent
# 2025-10-09T08:53:20Z.
NOW = 1_760_000_000
URL = "https://hooks.example/in/Zk3v?source=a%20b"
# Characters of one to four bytes, and escapes that a re-encoding would undo.
BODY = '{"id":"evt_1","type":"issue.opened","title":"na\\u00efve \u00e9\u20ac\U0001f600 <b>","count":1.0}'


def library(name):
    return f"{name} {version(name)}"


def by_hand(*modules):
    return "Python " + " and ".join(["hmac", *modules])


class Scheme:
    """One scheme with the vectors that it gets."""

    def __init__(self, name, hook, made_by, now=NOW):
        self.file = {"scheme": name, "made_by": made_by, "now": now, "hook": hook, "vectors": []}

    def add(self, name, sent, keys, what, **more):
        sent = copy.deepcopy(sent)
        self.file["vectors"].append({
            "name": name,
            "keys": keys,
            "method": sent.get("method", "POST"),
            "url": sent.get("url", URL),
            "headers": sent["headers"],
            "body": sent["body"],
            "is": what,
            **more,
        })

    def write(self):
        text = json.dumps(self.file, indent=1, ensure_ascii=False) + "\n"
        (HERE / f"{self.file['scheme']}.json").write_text(text, encoding="utf-8")


def without(sent, name):
    return {**sent, "headers": [pair for pair in sent["headers"] if pair[0].lower() != name.lower()]}


def replaced(sent, name, value):
    headers = [[known, value if known.lower() == name.lower() else old] for known, old in sent["headers"]]
    return {**sent, "headers": headers}


def header(sent, name):
    return next(value for known, value in sent["headers"] if known.lower() == name.lower())


def tampered(body):
    """The body with one letter changed."""
    at = body.index("e")
    return body[:at] + "f" + body[at + 1 :]


def re_encoded(body):
    """The same JSON, written in another way."""
    return json.dumps(json.loads(body), ensure_ascii=False)


def general(scheme, sign, signature, keys, timed=(), bound=(), body=BODY, url=False, tolerance=300):
    """What every scheme that signs the body must come to.

    `sign(key, body, at)` gives a delivery, `signature` is the header with its signature; `timed` and `bound` are further headers that are
    signed, of which the former hold a time.
    """
    key, other, old = keys
    sent = sign(key, body, NOW)
    scheme.add("valid", sent, [key], "delivery")
    scheme.add("an empty body", sign(key, "", NOW), [key], "delivery")
    scheme.add("tampered body", {**sent, "body": tampered(sent["body"])}, [key], "refused")
    scheme.add("body with a blank added", {**sent, "body": sent["body"] + " "}, [key], "refused")
    scheme.add("truncated body", {**sent, "body": sent["body"][:-1]}, [key], "refused")
    scheme.add("body that is missing", {**sent, "body": ""}, [key], "refused")
    if sent["body"].startswith("{"):
        scheme.add("re-encoded body", {**sent, "body": re_encoded(sent["body"])}, [key], "refused")
    scheme.add("wrong key", sent, [other], "refused")
    scheme.add("no key", sent, [], "refused")
    scheme.add("empty key", sign(key, body, NOW), [""], "refused")
    scheme.add("rotated key, signed with the old one", sign(old, body, NOW), [key, old], "delivery")
    scheme.add("rotated key, signed with the new one", sent, [key, old], "delivery")
    scheme.add("rotated key, the old one is no longer good", sign(old, body, NOW), [key], "refused")
    value = header(sent, signature)
    scheme.add("truncated signature", replaced(sent, signature, value[:-1]), [key], "refused")
    scheme.add("half a signature", replaced(sent, signature, value[: len(value) // 2]), [key], "refused")
    scheme.add("signature with something added", replaced(sent, signature, value + "0"), [key], "refused")
    for name in [signature, *timed, *bound]:
        scheme.add(f"missing header {name}", without(sent, name), [key], "refused")
        scheme.add(f"empty header {name}", replaced(sent, name, ""), [key], "refused")
        twice = {**sent, "headers": [*sent["headers"], [name, header(sent, name)]]}
        scheme.add(f"doubled header {name}", twice, [key], "refused")
    for name in bound:
        scheme.add(f"tampered header {name}", replaced(sent, name, header(sent, name) + "x"), [key], "refused")
    for name in timed:
        moved = str(int(header(sent, name)) + 1)
        scheme.add(f"tampered header {name}", replaced(sent, name, moved), [key], "refused")
        for wrong in [" ", "+1", "1e9", "0x1", "-1", "99999999999999999999", "now"]:
            scheme.add(f"malformed header {name}: {wrong!r}", replaced(sent, name, wrong), [key], "refused")
    if timed is not None and tolerance and sign(key, body, NOW) != sign(key, body, NOW + 1):
        for name, seconds, what in [
            ("just in time", -tolerance, "delivery"),
            ("just not too early", tolerance, "delivery"),
            ("stale", -tolerance - 1, "refused"),
            ("future", tolerance + 1, "refused"),
        ]:
            scheme.add(name, sign(key, body, NOW + seconds), [key], what)
    if url:
        scheme.add("another path", {**sent, "url": sent.get("url", URL).replace("/in/", "/on/")}, [key], "refused")
        scheme.add("another query", {**sent, "url": sent.get("url", URL) + "&x=1"}, [key], "refused")
        scheme.add("no query", {**sent, "url": sent.get("url", URL).split("?")[0]}, [key], "refused")
        scheme.add("a URL that nobody knows", {**sent, "url": ""}, [key], "refused")


def mac(key, text, digest="sha256", encoding="hex"):
    key, text = (part.encode() if isinstance(part, str) else part for part in (key, text))
    value = hmac.new(key, text, digest).digest()
    return value.hex() if encoding == "hex" else base64.b64encode(value).decode()


PLAIN = ["a key of this hook", "a key of another hook", "the key before this one"]
BASE64 = ["whsec_" + base64.b64encode(hashlib.sha256(key.encode()).digest()).decode() for key in PLAIN]
TEXT = {"content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff"}
JSON = {"content-type": "application/json", "x-content-type-options": "nosniff"}


def over_body(name, header_name, prefix="", digest="sha256", encoding="hex", hook=None, weaker=None, more=None):
    scheme = Scheme(name, hook or f'signature = {{ scheme = "{name}" }}', by_hand())

    def sign(key, body, at):
        return {"headers": [[header_name, prefix + mac(key, body, digest, encoding)]], "body": body}

    general(scheme, sign, header_name, PLAIN)
    sent = sign(PLAIN[0], BODY, NOW)
    value = header(sent, header_name)
    if encoding == "hex":
        scheme.add("upper-case digits", replaced(sent, header_name, prefix + value[len(prefix) :].upper()), PLAIN[:1], "delivery")
        scheme.add("no digits", replaced(sent, header_name, prefix + "g" * (len(value) - len(prefix))), PLAIN[:1], "refused")
    else:
        scheme.add("without padding", replaced(sent, header_name, value.rstrip("=")), PLAIN[:1], "refused")
        scheme.add("base64 for URLs", replaced(sent, header_name, value.replace("+", "-").replace("/", "_") + "_"), PLAIN[:1], "refused")
    if prefix:
        scheme.add("without its prefix", replaced(sent, header_name, value[len(prefix) :]), PLAIN[:1], "refused")
        scheme.add("prefix without a signature", replaced(sent, header_name, prefix), PLAIN[:1], "refused")
    scheme.add("another digest", replaced(sent, header_name, prefix + mac(PLAIN[0], BODY, "sha1" if digest != "sha1" else "sha256", encoding)), PLAIN[:1], "refused")
    if weaker:
        weak_header, weak_prefix = weaker
        weak = {"headers": [[weak_header, weak_prefix + mac(PLAIN[0], BODY, "sha1")]], "body": BODY}
        scheme.add("a weaker signature only", weak, PLAIN[:1], "refused")
        scheme.add("a weaker signature beside it", {**sent, "headers": sent["headers"] + weak["headers"]}, PLAIN[:1], "delivery")
    if more:
        more(scheme)
    scheme.write()


def stripe_vectors():
    scheme = Scheme("stripe", 'signature = { scheme = "stripe" }', library("stripe"))

    def sign(key, body, at):
        value = stripe.WebhookSignature.generate_signature_header(body, key, at)
        return {"headers": [["Stripe-Signature", value]], "body": body}

    general(scheme, sign, "Stripe-Signature", PLAIN)
    key = PLAIN[0]
    sent = sign(key, BODY, NOW)
    value = header(sent, "Stripe-Signature")
    junk = "0" * 64
    for name, changed, what in [
        ("a second signature of another secret", value + ",v1=" + junk, "delivery"),
        ("another secret's signature first", value.replace(",v1=", f",v1={junk},v1="), "delivery"),
        ("a test signature beside it", value + ",v0=" + junk, "delivery"),
        ("only a scheme of test mode", value.replace("v1=", "v0="), "refused"),
        ("another time in the header", value.replace(f"t={NOW}", f"t={NOW + 1}"), "refused"),
        ("no time", value.split(",")[1], "refused"),
        ("two times", f"t={NOW}," + value, "refused"),
        ("only a time", f"t={NOW}", "refused"),
        ("no elements", "x", "refused"),
    ]:
        scheme.add(name, replaced(sent, "Stripe-Signature", changed), [key], what)
    scheme.write()


def slack_vectors():
    scheme = Scheme("slack", 'signature = { scheme = "slack" }', library("slack_sdk"))

    def sign(key, body, at):
        value = slack_sdk.signature.SignatureVerifier(key).generate_signature(timestamp=str(at), body=body)
        return {"headers": [["X-Slack-Request-Timestamp", str(at)], ["X-Slack-Signature", value]], "body": body}

    general(scheme, sign, "X-Slack-Signature", PLAIN, timed=["X-Slack-Request-Timestamp"])
    asked = json.dumps({"token": "t", "challenge": "3eZbrw1aBm2rZgRN", "type": "url_verification"})
    reply = {"status": 200, "headers": TEXT, "body": "3eZbrw1aBm2rZgRN"}
    scheme.add("url_verification", sign(PLAIN[0], asked, NOW), PLAIN[:1], "handshake", reply=reply)
    scheme.add("url_verification, unsigned", {"headers": [], "body": asked}, PLAIN[:1], "refused")
    scheme.add("url_verification, stale", sign(PLAIN[0], asked, NOW - 301), PLAIN[:1], "refused")
    scheme.add("url_verification without a challenge", sign(PLAIN[0], '{"type":"url_verification"}', NOW), PLAIN[:1], "delivery")
    scheme.write()


def zoom_vectors():
    scheme = Scheme("zoom", 'signature = { scheme = "zoom" }', by_hand())

    def sign(key, body, at):
        value = "v0=" + mac(key, f"v0:{at}:{body}")
        return {"headers": [["x-zm-request-timestamp", str(at)], ["x-zm-signature", value]], "body": body}

    general(scheme, sign, "x-zm-signature", PLAIN, timed=["x-zm-request-timestamp"])
    token = "qgg8vlvZRS6UYooatFL8Aw"
    asked = json.dumps({"payload": {"plainToken": token}, "event_ts": NOW * 1000, "event": "endpoint.url_validation"})
    answer = {"plainToken": token, "encryptedToken": mac(PLAIN[0], token)}
    reply = {"status": 200, "headers": JSON, "json": answer}
    scheme.add("endpoint.url_validation", sign(PLAIN[0], asked, NOW), [PLAIN[0], PLAIN[2]], "handshake", reply=reply)
    by_old = {**answer, "encryptedToken": mac(PLAIN[2], token)}
    scheme.add("endpoint.url_validation, signed with the old key", sign(PLAIN[2], asked, NOW), [PLAIN[0], PLAIN[2]], "handshake", reply={**reply, "json": by_old})
    scheme.add("endpoint.url_validation, wrong key", sign(PLAIN[1], asked, NOW), PLAIN[:1], "refused")
    scheme.write()


def standard_webhooks(name, prefix, made_by, signer):
    scheme = Scheme(name, 'signature = { scheme = "standard-webhooks" }', made_by)
    headers = [f"{prefix}-{part}" for part in ("id", "timestamp", "signature")]

    def sign(key, body, at):
        value = signer(key, "msg_2Lh9KRb0pzN4LePd3XiA4v12Axj", at, body)
        values = ["msg_2Lh9KRb0pzN4LePd3XiA4v12Axj", str(at), value]
        return {"headers": [list(pair) for pair in zip(headers, values)], "body": body}

    general(scheme, sign, headers[2], BASE64, timed=[headers[1]], bound=[headers[0]])
    key = BASE64[0]
    sent = sign(key, BODY, NOW)
    value = header(sent, headers[2])
    junk = base64.b64encode(bytes(32)).decode()
    for case, changed, what in [
        ("another signature first", f"v1,{junk} {value}", "delivery"),
        ("a signature of another kind beside it", f"v1a,{junk} {value}", "delivery"),
        ("only a signature of another kind", value.replace("v1,", "v2,"), "refused"),
        ("without its version", value.removeprefix("v1,"), "refused"),
        ("with commas between signatures", f"v1,{junk},{value}", "refused"),
        ("seventeen signatures", " ".join([f"v1,{junk}"] * 16 + [value]), "refused"),
    ]:
        scheme.add(case, replaced(sent, headers[2], changed), [key], what)
    scheme.add("a key without its prefix", sent, [key.removeprefix("whsec_")], "delivery")
    scheme.add("a key that is no base64", sent, ["whsec_?"], "refused")
    scheme.write()


def sign_standard(key, id, at, body):
    time = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    return standardwebhooks.Webhook(key).sign(id, time, body)


def sign_svix(key, id, at, body):
    time = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    return svix.webhooks.Webhook(key).sign(id, time, body)


FORM = [("CallSid", "CA1234"), ("From", "+14158675309"), ("Body", "na\u00efve & = + %"), ("Digits", ""), ("body", "x")]
KIND = ["Content-Type", "application/x-www-form-urlencoded; charset=UTF-8"]


def twilio_vectors():
    validator = twilio.request_validator.RequestValidator
    form = Scheme("twilio-form", 'signature = { scheme = "twilio" }', library("twilio"))

    def sign(key, body, at):
        params = dict(parse_qsl(body, keep_blank_values=True))
        return {"headers": [KIND, ["X-Twilio-Signature", validator(key).compute_signature(URL, params)]], "body": body}

    body = urlencode(FORM)
    general(form, sign, "X-Twilio-Signature", PLAIN, body=body, url=True, tolerance=None)
    key, sent = PLAIN[0], sign(PLAIN[0], body, NOW)
    # The library sorts and decodes as well: these mean the same.
    form.add("the same form in another order", {**sent, "body": urlencode(FORM[::-1])}, [key], "delivery")
    form.add("the same form with blanks as %20", {**sent, "body": body.replace("+", "%20")}, [key], "delivery")
    form.add("the port that it is anyway", {**sent, "url": URL.replace(".example/", ".example:443/")}, [key], "delivery")
    form.add("another port", {**sent, "url": URL.replace("https", "http")}, [key], "refused")
    form.add("signed with the port", {**sent, "headers": [KIND, ["X-Twilio-Signature", validator(key).compute_signature(URL.replace(".example/", ".example:443/"), dict(FORM))]]}, [key], "delivery")
    for name, changed in [
        ("a parameter twice", body + "&body=x"),
        ("a parameter more", body + "&x=1"),
        ("a parameter moved into another's name", body.replace("CallSid=CA1234", "CallSidCA1234=")[:-1] + "y"),
        ("a parameter without a value sign", body.replace("CallSid=CA", "CallSid&CA")),
        ("a value sign within a value", body.replace("CA1234", "CA=1234")),
        ("broken escapes", body.replace("%2B", "%2")),
        ("bytes that are no form", body.replace("+", " ")),
    ]:
        form.add(name, {**sent, "body": changed}, [key], "refused")
    form.add("a form that says it is JSON", {**sent, "headers": [["Content-Type", "application/json"], sent["headers"][1]]}, [key], "refused")
    form.add("a form that does not say so", without(sent, "Content-Type"), [key], "refused")
    get = {"method": "GET", "headers": [["X-Twilio-Signature", validator(key).compute_signature(URL, {})]], "body": ""}
    form.add("a GET without a body", get, [key], "delivery")
    form.add("a GET's signature for a body", {**get, "method": "POST", "body": BODY}, [key], "refused")
    sha256 = validator(key).compute_signature(URL, dict(FORM), "HMAC_SHA256")
    form.add("signed over SHA-256 in place of SHA-1", replaced(sent, "X-Twilio-Signature", sha256), [key], "refused")
    form.write()

    own = 'signature = { scheme = "hmac-sha256", header = "X-Twilio-Signature", encoding = "base64", signed = "{url}{params}", body_digest = "bodySHA256", any_port = true }'
    shared = Scheme("twilio-shared-key", own, library("twilio"))

    def sign_sha256(key, body, at):
        params = dict(parse_qsl(body, keep_blank_values=True))
        signature = validator(key).compute_signature(URL, params, "HMAC_SHA256")
        return {"headers": [KIND, ["X-Twilio-Signature", signature]], "body": body}

    general(shared, sign_sha256, "X-Twilio-Signature", PLAIN, body=body, url=True, tolerance=None)
    shared.add("signed over SHA-1 in place of SHA-256", sent, [key], "refused")
    shared.write()

    other = Scheme("twilio-json", 'signature = { scheme = "twilio" }', library("twilio"))

    def sign_json(key, body, at):
        url = URL + "&bodySHA256=" + validator(key).compute_hash(body)
        return {"url": url, "headers": [["Content-Type", "application/json"], ["X-Twilio-Signature", validator(key).compute_signature(url, {})]], "body": body}

    general(other, sign_json, "X-Twilio-Signature", PLAIN, url=True, tolerance=None)
    sent = sign_json(key, BODY, NOW)
    other.add("another body and its digest", {**sent, "body": "{}", "url": URL + "&bodySHA256=" + validator(key).compute_hash("{}")}, [key], "refused")
    other.add("two digests", {**sent, "url": sent["url"] + "&bodySHA256=" + validator(key).compute_hash(BODY)}, [key], "refused")
    bare = {**sent, "url": URL, "headers": [sent["headers"][0], ["X-Twilio-Signature", validator(key).compute_signature(URL, {})]]}
    other.add("no digest, so that nothing is signed of the body", bare, [key], "refused")
    other.write()


def meta_handshakes(scheme):
    url = "https://hooks.example/in/Zk3v?"
    key = PLAIN[0]
    asked = {"hub.mode": "subscribe", "hub.challenge": "1158201444", "hub.verify_token": key}

    def get(**changed):
        query = {name: value for name, value in {**asked, **changed}.items() if value is not None}
        return {"method": "GET", "url": url + urlencode(query), "headers": [], "body": ""}

    reply = {"status": 200, "headers": TEXT, "body": "1158201444"}
    scheme.add("hub.challenge", get(), [key], "handshake", reply=reply)
    scheme.add("hub.challenge, rotated key", get(), [PLAIN[1], key], "handshake", reply=reply)
    for wrong in ["", "x", key + "x", key[:-1], None]:
        scheme.add(f"hub.challenge, wrong token {wrong!r}", get(**{"hub.verify_token": wrong}), [key], "refused")
    scheme.add("hub.challenge, no key", get(**{"hub.verify_token": ""}), [""], "refused")
    scheme.add("hub.challenge by POST", {**get(), "method": "POST"}, [key], "refused")
    scheme.add("hub.challenge with a line break", get(**{"hub.challenge": "a\r\nb: c"}), [key], "refused")
    scheme.add("another mode", get(**{"hub.mode": "unsubscribe"}), [key], "refused")


def dropbox_handshakes(scheme):
    url = "https://hooks.example/in/Zk3v?challenge="
    get = {"method": "GET", "headers": [], "body": ""}
    reply = {"status": 200, "headers": TEXT, "body": "<script>a+b"}
    scheme.add("challenge", {**get, "url": url + "%3Cscript%3Ea%2Bb"}, PLAIN[:1], "handshake", reply=reply)
    scheme.add("challenge twice", {**get, "url": url + "a&challenge=b"}, PLAIN[:1], "refused")
    scheme.add("challenge that is too long", {**get, "url": url + "a" * 2049}, PLAIN[:1], "refused")
    scheme.add("challenge with a NUL", {**get, "url": url + "a%00"}, PLAIN[:1], "refused")
    scheme.add("challenge by POST", {**get, "url": url + "a", "method": "POST"}, PLAIN[:1], "refused")


def shared_secrets():
    okta = Scheme("okta", 'signature = { scheme = "okta" }', by_hand().split()[0])
    key, other, old = PLAIN
    sent = {"headers": [["Authorization", key]], "body": BODY}
    okta.add("valid", sent, [key], "delivery")
    okta.add("a changed body is not noticed: nothing is signed", {**sent, "body": tampered(BODY)}, [key], "delivery")
    okta.add("wrong key", sent, [other], "refused")
    okta.add("rotated key", {**sent, "headers": [["Authorization", old]]}, [key, old], "delivery")
    okta.add("no key", sent, [], "refused")
    okta.add("empty key", {**sent, "headers": [["Authorization", ""]]}, [""], "refused")
    okta.add("missing header", {**sent, "headers": []}, [key], "refused")
    okta.add("empty header", {**sent, "headers": [["Authorization", ""]]}, [key], "refused")
    okta.add("doubled header", {**sent, "headers": sent["headers"] * 2}, [key], "refused")
    okta.add("truncated", {**sent, "headers": [["Authorization", key[:-1]]]}, [key], "refused")
    okta.add("with something added", {**sent, "headers": [["Authorization", key + "x"]]}, [key], "refused")
    okta.add("in another case", {**sent, "headers": [["Authorization", key.upper()]]}, [key], "refused")
    challenge = ["X-Okta-Verification-Challenge", "Me_rShK8JHsTnbyYrWXCEoMGbM_zsZ6k0hLPZ_Pg"]
    get = {"method": "GET", "headers": [challenge, *sent["headers"]], "body": ""}
    reply = {"status": 200, "headers": JSON, "json": {"verification": challenge[1]}}
    okta.add("one-time verification", get, [key], "handshake", reply=reply)
    okta.add("one-time verification without the secret", {**get, "headers": [challenge]}, [key], "refused")
    okta.add("a delivery with a challenge", {**sent, "headers": get["headers"]}, [key], "delivery")
    okta.write()

    graph = Scheme("microsoft-graph", 'signature = { scheme = "microsoft-graph" }', by_hand().split()[0])

    def batch(*states):
        items = [{"id": str(at), "changeType": "updated", **({} if state is None else {"clientState": state})} for at, state in enumerate(states)]
        return {"headers": [["Content-Type", "application/json"]], "body": json.dumps({"value": items})}

    graph.add("valid", batch(key), [key], "delivery")
    graph.add("several notifications", batch(key, key, key), [key], "delivery")
    graph.add("rotated key", batch(key, old), [key, old], "delivery")
    for name, sent in [
        ("wrong key", batch(other)),
        ("one with a wrong key", batch(key, other)),
        ("one without", batch(key, None)),
        ("one that is empty", batch(key, "")),
        ("one that is a number", batch(key, 1)),
        ("no notification", batch()),
        ("no list", {"headers": [], "body": json.dumps({"value": {"clientState": key}})}),
        ("no JSON", {"headers": [], "body": key}),
        ("truncated", {**batch(key), "body": batch(key)["body"][:-1]}),
        ("no body", {"headers": [], "body": ""}),
    ]:
        graph.add(name, sent, [key], "refused")
    url = "https://hooks.example/in/Zk3v?validationToken=Validation%3a+Testing+client%2bapp"
    asked = {"url": url, "headers": [["Content-Type", "text/plain; charset=utf-8"]], "body": ""}
    reply = {"status": 200, "headers": TEXT, "body": "Validation: Testing client+app"}
    graph.add("validationToken", asked, [key], "handshake", reply=reply)
    graph.add("validationToken with a delivery is no delivery", {**batch(other), "url": url}, [key], "handshake", reply=reply)
    graph.write()


def ed25519_vectors():
    pairs = [ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(key.encode()).digest()) for key in PLAIN]
    raw = [pair.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw) for pair in pairs]
    texts = [key.hex() for key in raw]
    own = 'signature = {{ scheme = "ed25519", header = "X-Signature-Ed25519", signed = "{{timestamp}}{{body}}", timestamp_header = "X-Signature-Timestamp", public_key = "{}" }}'
    scheme = Scheme("ed25519", own.format("app"), "cryptography " + version("cryptography"))

    def sign(key, body, at):
        value = pairs[texts.index(key)].sign(f"{at}{body}".encode()).hex()
        return {"headers": [["X-Signature-Timestamp", str(at)], ["X-Signature-Ed25519", value]], "body": body}

    general(scheme, sign, "X-Signature-Ed25519", texts, timed=["X-Signature-Timestamp"])
    sent = sign(texts[0], BODY, NOW)
    pem = pairs[0].public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    scheme.add("a key in PEM", sent, [pem], "delivery")
    scheme.add("a key in base64", sent, [base64.b64encode(raw[0]).decode()], "delivery")
    scheme.add("a key that is none", sent, ["00"], "refused")
    scheme.add("an HMAC under the public key", replaced(sent, "X-Signature-Ed25519", mac(raw[0], f"{NOW}{BODY}", "sha512")), texts[:1], "refused")
    # The order of the group added to S gives the same signature again, which RFC 8032 §5.1.7 refuses.
    value = bytes.fromhex(header(sent, "X-Signature-Ed25519"))
    order = 2**252 + 27742317777372353535851937790883648493
    s = int.from_bytes(value[32:], "little") + order
    scheme.add("a second spelling of the signature", replaced(sent, "X-Signature-Ed25519", (value[:32] + s.to_bytes(32, "little")).hex()), texts[:1], "refused")
    scheme.write()

    fixed = Scheme("ed25519-in-spec", own.format(texts[0]), "cryptography " + version("cryptography"))
    fixed.add("valid", sent, [], "delivery")
    fixed.add("the spec's key alone counts", sign(texts[1], BODY, NOW), [texts[1]], "refused")
    fixed.write()


def load(name):
    return serialization.load_pem_private_key((HERE / name).read_bytes(), None)


CERTIFICATE = "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-010a507c1833636cd94bdb98bd93083a.pem"
TOPIC = "arn:aws:sns:us-west-2:123456789012:MyTopic"


def certificate(key):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    start = datetime.datetime(2025, 1, 1)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, start, start.replace(year=2035))
    return built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def sns_vectors():
    key, other = load("rsa.pem"), load("other-rsa.pem")
    fetched = {
        CERTIFICATE: certificate(key),
        CERTIFICATE.replace("010a", "020a"): certificate(other),
        CERTIFICATE.replace("010a", "030a"): "no certificate",
    }
    made_by = "cryptography " + version("cryptography")
    scheme = Scheme("aws-sns", f'signature = {{ scheme = "aws-sns", topics = ["{TOPIC}"] }}', made_by)
    old = Scheme("aws-sns-sha1", 'signature = { scheme = "aws-sns", sha1 = true, tolerance = "5m" }', made_by)
    scheme.file["fetched"] = old.file["fetched"] = fetched

    def at(seconds):
        return datetime.datetime.fromtimestamp(NOW + seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    base = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "My First Message",
        "Message": "Hello world!\nna\u00efve \u20ac",
        "Timestamp": at(0),
        "SignatureVersion": "2",
        "SigningCertURL": CERTIFICATE,
        "UnsubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe",
    }
    hello = {
        **base,
        "Type": "SubscriptionConfirmation",
        "Token": "2336412f37",
        "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
    }
    del hello["Subject"], hello["UnsubscribeURL"]

    def signed(message, key=key, **changed):
        message = {name: value for name, value in {**message, **changed}.items() if value is not None}
        names = ["Message", "MessageId", "SubscribeURL", "Subject", "Timestamp", "Token", "TopicArn", "Type"]
        text = "".join(f"{name}\n{message[name]}\n" for name in names if name in message)
        digest = hashes.SHA256() if message["SignatureVersion"] == "2" else hashes.SHA1()
        signature = key.sign(text.encode(), padding.PKCS1v15(), digest)
        return {**message, "Signature": base64.b64encode(signature).decode()}

    def sent(message):
        body = message if isinstance(message, str) else json.dumps(message)
        return {"headers": [["x-amz-sns-message-type", "Notification"], ["Content-Type", "text/plain; charset=UTF-8"]], "body": body}

    good = signed(base)
    scheme.add("valid", sent(good), [], "delivery")
    scheme.add("without a subject", sent(signed(base, Subject=None)), [], "delivery")
    scheme.add("re-encoded, since values are signed", sent(json.dumps(good, indent=2, ensure_ascii=False)), [], "delivery")
    for name in ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type", "Signature", "SigningCertURL", "SignatureVersion"]:
        scheme.add(f"tampered {name}", sent({**good, name: good[name] + "x"}), [], "refused")
        scheme.add(f"missing {name}", sent({known: value for known, value in good.items() if known != name}), [], "refused")
        scheme.add(f"empty {name}", sent({**good, name: ""}), [], "refused")
    scheme.add("truncated body", sent(json.dumps(good)[:-1]), [], "refused")
    scheme.add("truncated signature", sent({**good, "Signature": good["Signature"][:-4]}), [], "refused")
    scheme.add("a member twice", sent(json.dumps(good)[:-1] + ', "Message": "Hello"}'), [], "refused")
    scheme.add("wrong key", sent(signed(base, key=other)), [], "refused")
    scheme.add("rotated key, by another certificate of SNS", sent(signed(base, key=other, SigningCertURL=CERTIFICATE.replace("010a", "020a"))), [], "delivery")
    scheme.add("a certificate that is none", sent(signed(base, SigningCertURL=CERTIFICATE.replace("010a", "030a"))), [], "refused")
    scheme.add("another topic", sent(signed(base, TopicArn=TOPIC + "2")), [], "refused")
    scheme.add("version 1", sent(signed(base, SignatureVersion="1")), [], "refused")
    scheme.add("version 1 that says it is 2", sent({**signed(base, SignatureVersion="1"), "SignatureVersion": "2"}), [], "refused")
    for seconds, name, what in [(-3600, "just in time", "delivery"), (-3601, "stale", "refused"), (3600, "just not too early", "delivery"), (3601, "future", "refused")]:
        scheme.add(name, sent(signed(base, Timestamp=at(seconds))), [], what)
    for url in [
        CERTIFICATE.replace("https", "http"),
        CERTIFICATE.replace("amazonaws.com", "amazonaws.com.evil.example"),
        CERTIFICATE.replace("sns.us-west-2", "evil.s3"),
        CERTIFICATE.replace("sns.us-west-2", "sns.us.west"),
        CERTIFICATE.replace("https://", "https://sns.us-west-2.amazonaws.com@evil.example/"),
        CERTIFICATE.replace(".com/", ".com:8443/"),
        CERTIFICATE.removesuffix("pem") + "crt",
        CERTIFICATE + "?a=b.pem",
        "https://169.254.169.254/a.pem",
        "file:///etc/a.pem",
    ]:
        scheme.add(f"certificate at {url}", sent(signed(base, SigningCertURL=url)), [], "refused")
    reply = {"status": 200, "headers": {}, "body": "", "confirm": hello["SubscribeURL"]}
    scheme.add("subscription confirmation", sent(signed(hello)), [], "handshake", reply=reply)
    for name in ["SubscribeURL", "Token"]:
        scheme.add(f"subscription confirmation, tampered {name}", sent({**signed(hello), name: hello[name] + "1"}), [], "refused")
        scheme.add(f"subscription confirmation, missing {name}", sent({k: v for k, v in signed(hello).items() if k != name}), [], "refused")
    scheme.add("subscription confirmation elsewhere", sent(signed(hello, SubscribeURL="https://evil.example/")), [], "refused")
    scheme.add("unsubscribe confirmation", sent(signed(hello, Type="UnsubscribeConfirmation")), [], "delivery")
    scheme.add("an unknown type", sent(signed(base, Type="Other")), [], "refused")
    scheme.add("raw delivery, which is not signed", sent("Hello world!"), [], "refused")
    scheme.write()

    old.add("version 1", sent(signed(base, SignatureVersion="1")), [], "delivery")
    old.add("version 2", sent(good), [], "delivery")
    old.add("version 2 that says it is 1", sent({**good, "SignatureVersion": "1"}), [], "refused")
    old.add("tampered", sent({**signed(base, SignatureVersion="1"), "Message": "x"}), [], "refused")
    old.add("stale", sent(signed(base, SignatureVersion="1", Timestamp=at(-301))), [], "refused")
    old.add("version 3", sent({**good, "SignatureVersion": "3"}), [], "refused")
    old.write()


def b64url(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value):
    return b64url(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def jwt_vectors():
    rsa, other = load("rsa.pem"), load("other-rsa.pem")
    p256 = ec.derive_private_key(int.from_bytes(hashlib.sha256(b"p256").digest(), "big"), ec.SECP256R1())
    edwards = ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"edwards").digest())
    url = "https://issuer.example/.well-known/jwks.json"

    def rsa_jwk(key, **more):
        numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "n": number(numbers.n), "e": number(numbers.e), **more}

    point = p256.public_key().public_numbers()
    raw = edwards.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    keys = [
        rsa_jwk(rsa, kid="rsa", alg="RS256", use="sig"),
        {"kty": "EC", "crv": "P-256", "kid": "p256", "x": b64url(point.x.to_bytes(32, "big")), "y": b64url(point.y.to_bytes(32, "big"))},
        {"kty": "OKP", "crv": "Ed25519", "kid": "edwards", "x": b64url(raw)},
        rsa_jwk(other, kid="encryption", use="enc"),
        {"kty": "oct", "kid": "shared", "k": b64url(b"a shared key in public")},
        {"kty": "new", "kid": "new"},
    ]
    hook = 'signature = {{ scheme = "jwt", header = "Authorization", jwks_url = "{}", issuer = "https://issuer.example", audience = "linchpin", algorithms = ["RS256", "ES256", "EdDSA"]{} }}'
    scheme = Scheme("jwt", hook.format(url, ', body_digest = "request_body_sha256"'), library("PyJWT"))
    scheme.file["fetched"] = {url: json.dumps({"keys": keys})}

    def claims(body=BODY, **changed):
        own = {
            "iss": "https://issuer.example",
            "aud": "linchpin",
            "sub": "service",
            "iat": NOW,
            "nbf": NOW,
            "exp": NOW + 300,
            "request_body_sha256": hashlib.sha256(body.encode()).hexdigest(),
        }
        return {name: value for name, value in {**own, **changed}.items() if value is not None}

    def token(claims, key=rsa, algorithm="RS256", kid="rsa", **head):
        headers = {**({"kid": kid} if kid else {}), **head}
        return jwt.encode(claims, key, algorithm, headers)

    def sent(token, body=BODY, scheme="Bearer "):
        return {"headers": [["Authorization", scheme + token]], "body": body}

    good = token(claims())
    scheme.add("valid", sent(good), [], "delivery")
    scheme.add("without Bearer", sent(good, scheme=""), [], "delivery")
    scheme.add("bearer in another case", sent(good, scheme="bEARER "), [], "delivery")
    scheme.add("Ed25519", sent(token(claims(), edwards, "EdDSA", "edwards")), [], "delivery")
    head = b64url(json.dumps({"alg": "ES256", "kid": "p256"}).encode())
    text = head + "." + b64url(json.dumps(claims()).encode())
    r, s = utils.decode_dss_signature(p256.sign(text.encode(), ec.ECDSA(hashes.SHA256(), deterministic_signing=True)))
    es256 = text + "." + b64url(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    scheme.add("ES256", sent(es256), [], "delivery")
    scheme.add("audience in a list", sent(token(claims(aud=["other", "linchpin"]))), [], "delivery")
    scheme.add("no kid", sent(token(claims(), kid=None)), [], "delivery")
    scheme.add("tampered body", sent(good, tampered(BODY)), [], "refused")
    scheme.add("truncated body", sent(good, BODY[:-1]), [], "refused")
    scheme.add("re-encoded body", sent(good, re_encoded(BODY)), [], "refused")
    scheme.add("no digest of the body", sent(token(claims(request_body_sha256=None))), [], "refused")
    parts = good.split(".")
    forged = b64url(json.dumps(claims(body="{}")).encode())
    scheme.add("tampered claims", sent(".".join([parts[0], forged, parts[2]]), "{}"), [], "refused")
    scheme.add("truncated token", sent(good[:-1]), [], "refused")
    scheme.add("token without its signature", sent(".".join(parts[:2]) + "."), [], "refused")
    scheme.add("half a token", sent(".".join(parts[:2])), [], "refused")
    scheme.add("five parts", sent(good + ".a.b"), [], "refused")
    scheme.add("wrong key", sent(token(claims(), other)), [], "refused")
    scheme.add("a key that is not published", sent(token(claims(), other, kid="gone")), [], "refused")
    scheme.add("a key for another use", sent(token(claims(), other, kid="encryption")), [], "refused")
    scheme.add("missing header", {"headers": [], "body": BODY}, [], "refused")
    scheme.add("empty header", {"headers": [["Authorization", ""]], "body": BODY}, [], "refused")
    scheme.add("doubled header", {"headers": [["Authorization", "Bearer " + good]] * 2, "body": BODY}, [], "refused")
    scheme.add("another issuer", sent(token(claims(iss="https://issuer.example/"))), [], "refused")
    scheme.add("another audience", sent(token(claims(aud="linchpin2"))), [], "refused")
    for name in ["iss", "aud", "exp"]:
        scheme.add(f"missing {name}", sent(token(claims(**{name: None}))), [], "refused")
    for name, changed, what in [
        ("just in time", {"exp": NOW - 59}, "delivery"),
        ("stale", {"exp": NOW - 60}, "refused"),
        ("just not too early", {"nbf": NOW + 60, "iat": NOW + 60}, "delivery"),
        ("future", {"nbf": NOW + 61}, "refused"),
        ("issued in the future", {"iat": NOW + 61}, "refused"),
    ]:
        scheme.add(name, sent(token(claims(**changed))), [], what)
    none = jwt.encode(claims(), None, "none", {"kid": "rsa"})
    scheme.add("alg none", sent(none), [], "refused")

    def by_hmac(key, kid, alg="HS256"):
        text = b64url(json.dumps({"alg": alg, "kid": kid}).encode()) + "." + b64url(json.dumps(claims()).encode())
        return text + "." + b64url(hmac.new(key, text.encode(), "sha256").digest())

    public = rsa.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    scheme.add("HMAC with the public key", sent(by_hmac(public, "rsa")), [], "refused")
    scheme.add("HMAC with a published shared key", sent(by_hmac(b"a shared key in public", "shared")), [], "refused")
    scheme.add("RS512, which the hook does not take", sent(token(claims(), algorithm="RS512")), [], "refused")
    scheme.add("a header that must be understood", sent(token(claims(), crit=["b64"], b64=True)), [], "refused")
    scheme.add("an algorithm that the key is not for", sent(token(claims(), edwards, "EdDSA", "rsa")), [], "refused")
    jwk = {"jwk": rsa_jwk(other), "jku": "https://evil.example/keys"}
    scheme.add("a key that the token brings itself", sent(token(claims(), other, **jwk)), [], "refused")
    scheme.write()

    alone = Scheme("jwt-alone", hook.format(url, ""), library("PyJWT"))
    alone.file["fetched"] = scheme.file["fetched"]
    alone.add("valid", sent(good), [], "delivery")
    alone.add("a changed body is not noticed: the token says nothing of it", sent(good, tampered(BODY)), [], "delivery")
    alone.write()


def all_parts():
    """The general scheme with everything that it can sign."""
    hook = 'signature = { scheme = "hmac-sha512", header = "X-Signature", encoding = "base64", signed = "{id}|{timestamp}|{url}|{body}", id_header = "X-Id", timestamp_header = "X-Time", timestamp_unit = "ms", tolerance = "1m" }'
    scheme = Scheme("hmac-sha512-all", hook, by_hand())

    def sign(key, body, at):
        value = mac(key, f"id-1|{at}000|{URL}|{body}", "sha512", "base64")
        return {"headers": [["X-Id", "id-1"], ["X-Time", f"{at}000"], ["X-Signature", value]], "body": body}

    general(scheme, sign, "X-Signature", PLAIN, timed=["X-Time"], bound=["X-Id"], url=True, tolerance=60)
    scheme.write()


over_body("github", "X-Hub-Signature-256", "sha256=", weaker=("X-Hub-Signature", "sha1="))
over_body("meta", "X-Hub-Signature-256", "sha256=", weaker=("X-Hub-Signature", "sha1="), more=meta_handshakes)
over_body("dropbox", "X-Dropbox-Signature", more=dropbox_handshakes)
over_body("shopify", "X-Shopify-Hmac-Sha256", encoding="base64")
over_body("hmac-sha1", "X-Signature", digest="sha1", encoding="base64", hook='signature = { scheme = "hmac-sha1", header = "X-Signature", encoding = "base64" }')
over_body("hmac-sha512", "X-Signature", "v=", digest="sha512", hook='signature = { scheme = "hmac-sha512", header = "X-Signature", prefix = "v=" }')
stripe_vectors()
slack_vectors()
zoom_vectors()
standard_webhooks("standard-webhooks", "webhook", library("standardwebhooks"), sign_standard)
standard_webhooks("svix", "svix", library("svix"), sign_svix)
twilio_vectors()
shared_secrets()
ed25519_vectors()
sns_vectors()
jwt_vectors()
all_parts()
