//! Secrets at rest: sealed under a ring of keys, each bound to its place.
//!
//! What is sealed is encrypted and authenticated with XChaCha20-Poly1305, under a random nonce. Kind and id of the record, the
//! format and the key are authenticated with it, so that nothing opens at another place than that for which it was sealed.

mod home;
mod key_file;
mod rotation;

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    sync::{Arc, Mutex, PoisonError},
};

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};
use linchpin::{Code, Error, Result};
use sha2::{Digest, Sha256};
/// A text that is wiped from memory when it is dropped.
pub use zeroize::Zeroizing;

use self::key_file::KeyFile;
pub use self::{home::KeyHome, rotation::rotate};
use crate::store::Store;

/// The environment variable for [`Keys`].
pub const KEY_VARIABLE: &str = "LINCHPIN_KEY";

/// The note by which a wrong key is told before anything is written.
pub(crate) const CHECK: &str = "key-check";

const VERSION: u8 = 1;
const ID: usize = 8;
const NONCE: usize = 24;

/// Padding may be left off: people copy keys by hand.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A sealed text, which only the right key opens, and only at its place.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub(crate) Vec<u8>);

impl Sealed {
    /// The key under which it is sealed; `None` when this is no sealed text of a known format.
    pub fn key(&self) -> Option<KeyId> {
        self.parts().map(|(key, ..)| key)
    }

    /// The id of the key and what comes behind it; `None` when this is no sealed text of a known format.
    fn parts(&self) -> Option<(KeyId, &[u8], &[u8])> {
        let (&VERSION, rest) = self.0.split_first()? else { return None };
        let (id, rest) = rest.split_first_chunk::<ID>()?;
        let (nonce, text) = rest.split_at_checked(NONCE)?;
        Some((KeyId(*id), nonce, text))
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

/// Where a sealed text stands: what it is, and of which record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// What it is.
    pub kind: Kind,
    /// The id of its record.
    pub id: String,
}

impl Place {
    /// Everything that a sealed text is bound to. The id comes last: all else has a fixed length or an end.
    fn bond(&self, key: KeyId) -> Vec<u8> {
        let kind = self.kind.as_str().as_bytes();
        [&[VERSION][..], &key.0, kind, &[0], self.id.as_bytes()].concat()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of `{}`", self.kind.as_str(), self.id)
    }
}

/// What is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// The fields of a connection.
    Fields,
    /// The tokens of a connection.
    Grant,
    /// What a revocation needs.
    Revocation,
    /// The secret of an OAuth client; the id is `connector/method`.
    Client,
    /// The note by which a wrong key is told; the id is its name.
    Check,
    /// The token, the keys and the registration of a hook.
    Hook,
}

impl Kind {
    const ALL: [Kind; 6] =
        [Kind::Fields, Kind::Grant, Kind::Revocation, Kind::Client, Kind::Check, Kind::Hook];

    /// Its number in a store's order.
    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    /// The kind of a number.
    pub(crate) fn numbered(number: i64) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.number() == number)
    }

    fn as_str(self) -> &'static str {
        match self {
            Kind::Fields => "fields",
            Kind::Grant => "grant",
            Kind::Revocation => "revocation",
            Kind::Client => "client",
            Kind::Check => "check",
            Kind::Hook => "hook",
        }
    }
}

/// By what a sealed text names its key: a part of the key's hash, which says nothing of the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyId(pub(crate) [u8; ID]);

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

struct Key {
    id: KeyId,
    bytes: Zeroizing<[u8; 32]>,
}

impl Key {
    fn new(bytes: Zeroizing<[u8; 32]>) -> Key {
        let hash = Sha256::new().chain_update("linchpin key\0").chain_update(bytes.as_slice()).finalize();
        let mut id = [0; ID];
        id.copy_from_slice(&hash[..ID]);
        Key { id: KeyId(id), bytes }
    }

    fn random() -> Result<Key> {
        let mut bytes = Zeroizing::new([0; 32]);
        random(bytes.as_mut_slice())?;
        Ok(Key::new(bytes))
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.bytes).into())
    }
}

fn random(bytes: &mut [u8]) -> Result<()> {
    getrandom::fill(bytes).map_err(|error| {
        let message = format!("the system gives no random numbers: {error}");
        Error::coded(Code::StoreFailed, message)
    })
}

/// A ring of keys. The first is current and seals; all open.
///
/// As a text a key is the Base64 of 32 random bytes, as `openssl rand -base64 32` makes it; several are separated by commas or
/// stand on lines of their own, and lines that begin with `#` are passed over.
#[derive(Clone)]
pub struct Keys(Arc<Vec<Key>>);

impl Keys {
    /// A ring of one new key.
    ///
    /// # Errors
    ///
    /// [`Code::StoreFailed`] when the system has no random numbers.
    pub fn random() -> Result<Keys> {
        Ok(Keys(Arc::new(vec![Key::random()?])))
    }

    /// These keys behind a new one.
    fn renewed(&self) -> Result<Keys> {
        let old = self.0.iter().map(|key| Key { id: key.id, bytes: key.bytes.clone() });
        Ok(Keys(Arc::new([Key::random()?].into_iter().chain(old).collect())))
    }

    /// The current key alone.
    fn newest(&self) -> Keys {
        let Key { id, bytes } = self.current();
        Keys(Arc::new(vec![Key { id: *id, bytes: bytes.clone() }]))
    }

    #[expect(clippy::expect_used, reason = "every way to make a ring puts a key in")]
    fn current(&self) -> &Key {
        self.0.first().expect("a ring has a key")
    }

    fn ids(&self) -> impl Iterator<Item = KeyId> {
        self.0.iter().map(|key| key.id)
    }

    /// The ids of all but the current.
    fn old(&self) -> Vec<KeyId> {
        self.ids().skip(1).collect()
    }

    fn find(&self, id: KeyId) -> Option<&Key> {
        self.0.iter().find(|key| key.id == id)
    }

    /// Their text, as a home keeps it.
    fn text(&self) -> Zeroizing<String> {
        const HEAD: &str =
            "# The keys of a linchpin store. Whoever has them and the store has every secret in it.\n";
        // Room for everything, so that no half of it is left behind where the text grew.
        let mut text = Zeroizing::new(String::with_capacity(HEAD.len() + 48 * self.0.len()));
        text.push_str(HEAD);
        for key in self.0.iter() {
            BASE64.encode_string(key.bytes.as_slice(), &mut text);
            text.push('\n');
        }
        text
    }
}

impl FromStr for Keys {
    type Err = Error;

    fn from_str(text: &str) -> Result<Keys> {
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let words = lines.flat_map(|line| line.split(',')).map(str::trim).filter(|word| !word.is_empty());
        let mut keys = Vec::new();
        for (index, word) in words.enumerate() {
            let mut bytes = Zeroizing::new([0; 32]);
            // One byte more than a key has, to see that nothing is cut off.
            let mut room = Zeroizing::new([0; 33]);
            match BASE64.decode_slice(word, room.as_mut_slice()) {
                Ok(32) => bytes.copy_from_slice(&room[..32]),
                _ => {
                    let message = format!("key {} is not the Base64 of 32 bytes", index + 1);
                    return Err(Error::coded(Code::KeyWrong, message)
                        .hint("`openssl rand -base64 32` makes a key; several are separated by commas"));
                }
            }
            keys.push(Key::new(bytes));
        }
        if keys.is_empty() {
            return Err(Error::coded(Code::KeyWrong, "there is no key in it")
                .hint("`openssl rand -base64 32` makes a key"));
        }
        Ok(Keys(Arc::new(keys)))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| format_args!("{}", key.id).to_string())).finish()
    }
}

/// Where keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// From the caller, as a rule the value of [`KEY_VARIABLE`].
    Given(Keys),
    /// From a file, which is made at first use.
    File(PathBuf),
    /// From another home, where they are made at first use.
    Home(Arc<dyn KeyHome>),
}

impl KeySource {
    /// The file beside a store's file: `store.key` beside `store.db`.
    pub fn beside(store: &Path) -> KeySource {
        KeySource::File(store.with_extension("key"))
    }
}

/// Seals and opens.
#[derive(Debug)]
pub struct Vault {
    home: Option<Arc<dyn KeyHome>>,
    made: bool,
    held: Mutex<Keys>,
}

impl Vault {
    /// The vault for a store: with the keys of its file or home or the ones given, which are made sure to be those that the
    /// store was sealed with.
    ///
    /// A key file or home that has none gets one, unless the store was sealed before.
    ///
    /// # Errors
    ///
    /// [`Code::KeyWrong`] when the store was sealed with other keys; [`Code::StoreFailed`] when the key file is unsafe or cannot
    /// be read or made; the errors of another home.
    pub async fn unlock(store: &dyn Store, source: KeySource) -> Result<Vault> {
        let check = store.note(CHECK).await?;
        let vault = match source {
            KeySource::Given(keys) => Vault::new(keys),
            KeySource::File(path) => Vault::at(Arc::new(KeyFile(path)), check.is_none())?,
            KeySource::Home(home) => Vault::at(home, check.is_none())?,
        };
        let place = Place { kind: Kind::Check, id: CHECK.to_owned() };
        let check = match check {
            Some(check) => check,
            // Another process may have been first, with its own key.
            None => store.note_once(CHECK, &vault.seal(&place, CHECK.as_bytes())?.0).await?,
        };
        vault.open(&place, &Sealed(check)).map_err(|error| match error.code() {
            Code::KeyWrong => vault.wrong(),
            _ => error,
        })?;
        Ok(vault)
    }

    /// A vault of these keys, whatever they fit.
    pub fn new(keys: Keys) -> Vault {
        Vault { home: None, made: false, held: Mutex::new(keys) }
    }

    fn at(home: Arc<dyn KeyHome>, make: bool) -> Result<Vault> {
        let mut made = false;
        let mut keys = keys_of(&*home)?;
        if keys.is_none() && make {
            made = home.make(&Keys::random()?.text())?;
            // Another process may have been first.
            keys = keys_of(&*home)?;
        }
        let Some(keys) = keys else {
            let message = format!("the store was sealed before, and {} is missing", home.name());
            return Err(Error::coded(Code::KeyWrong, message).hint(format!(
                "put it back, or give its key in `{KEY_VARIABLE}` instead; without the key nothing in the store can be opened"
            )));
        };
        Ok(Vault { home: Some(home), made, held: Mutex::new(keys) })
    }

    /// What the keys' home is called, if unlocking made them: their user should know.
    pub fn made(&self) -> Option<String> {
        self.home.as_ref().filter(|_| self.made).map(|home| home.name())
    }

    /// Seals a text for a place.
    ///
    /// # Errors
    ///
    /// [`Code::StoreFailed`] or [`Code::KeyWrong`] when the keys' home is gone or unsafe: what was sealed now could never be opened.
    pub fn seal(&self, place: &Place, text: &[u8]) -> Result<Sealed> {
        let keys = self.keys()?;
        let key = keys.current();
        let mut nonce = [0; NONCE];
        random(&mut nonce)?;
        let payload = Payload { msg: text, aad: &place.bond(key.id) };
        let sealed = key
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Error::coded(Code::StoreFailed, format!("the {place} is too large to be sealed")))?;
        Ok(Sealed([&[VERSION][..], &key.id.0, &nonce, &sealed].concat()))
    }

    /// Opens what was sealed for a place. The text is wiped from memory when it is dropped.
    ///
    /// # Errors
    ///
    /// [`Code::KeyWrong`] when it was sealed under a key that is not on the ring, [`Code::SealBroken`] when it was sealed for
    /// another place or changed since.
    pub fn open(&self, place: &Place, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>> {
        let broken = || {
            let message = format!("the {place} is not what was sealed there");
            Error::coded(Code::SealBroken, message)
                .hint("restore the store from a backup, or make the connection anew")
        };
        let (id, nonce, text) = sealed.parts().ok_or_else(broken)?;
        let held = self.held();
        // Another process may have rotated the keys since.
        let keys = if held.find(id).is_some() { held } else { self.keys()? };
        let Some(key) = keys.find(id) else {
            let message =
                format!("the {place} was sealed under the key {id}, which is not among the keys given");
            return Err(Error::coded(Code::KeyWrong, message).hint(format!(
                "give the key with which the store was sealed, behind the current one where that is another: in `{KEY_VARIABLE}` or where the keys are kept"
            )));
        };
        let payload = Payload { msg: text, aad: &place.bond(id) };
        let nonce = XNonce::try_from(nonce).map_err(|_| broken())?;
        key.cipher().decrypt(&nonce, payload).map(Zeroizing::new).map_err(|_| broken())
    }

    /// Whether a sealed text is under the current key.
    fn is_current(&self, sealed: &Sealed) -> Result<bool> {
        let current = self.keys()?.current().id;
        Ok(sealed.key() == Some(current))
    }

    fn held(&self) -> Keys {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The keys as their home has them now: nothing may be sealed under a key that is about to go.
    fn keys(&self) -> Result<Keys> {
        let Some(home) = &self.home else { return Ok(self.held()) };
        let keys = keys_of(&**home)?.ok_or_else(|| {
            Error::coded(Code::KeyWrong, format!("{} is gone", home.name()))
                .hint("put it back before anything else is sealed")
        })?;
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = keys.clone();
        Ok(keys)
    }

    fn wrong(&self) -> Error {
        let (whence, hint) = match &self.home {
            Some(home) => (
                format!("those in {}", home.name()),
                format!("put the right keys there, or give the key in `{KEY_VARIABLE}` instead"),
            ),
            None => (
                "those given".to_owned(),
                format!(
                    "set `{KEY_VARIABLE}` to the key with which the store was made, or leave it unset to use the key file"
                ),
            ),
        };
        let message = format!("the store was sealed with other keys than {whence}");
        Error::coded(Code::KeyWrong, message).hint(hint)
    }
}

/// The keys that a home has; `None` when it has none.
fn keys_of(home: &dyn KeyHome) -> Result<Option<Keys>> {
    let Some(text) = home.read()? else { return Ok(None) };
    text.parse().map(Some).map_err(|error: Error| {
        let message = format!("{} has no keys: {error}", home.name());
        Error::coded(Code::KeyWrong, message).hint("put the right keys there")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(kind: Kind, id: &str) -> Place {
        Place { kind, id: id.to_owned() }
    }

    fn vault() -> Vault {
        Vault::new(Keys::random().unwrap())
    }

    #[test]
    fn what_was_sealed_opens_at_its_place_only() {
        let vault = vault();
        let here = place(Kind::Fields, "a");
        let sealed = vault.seal(&here, b"s3cr3t").unwrap();
        assert_eq!(*vault.open(&here, &sealed).unwrap(), b"s3cr3t");
        for there in [place(Kind::Grant, "a"), place(Kind::Fields, "b"), place(Kind::Fields, "")] {
            let error = vault.open(&there, &sealed).unwrap_err();
            assert_eq!(error.code(), Code::SealBroken, "{there}");
        }
    }

    #[test]
    fn a_change_of_any_byte_is_noticed() {
        let vault = vault();
        let here = place(Kind::Grant, "a");
        let sealed = vault.seal(&here, b"s3cr3t").unwrap();
        assert_eq!(sealed.0.len(), 1 + ID + NONCE + 6 + 16);
        for at in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[at] ^= 1;
            let code = vault.open(&here, &changed).unwrap_err().code();
            let of_the_key = (1..=ID).contains(&at);
            assert_eq!(code, if of_the_key { Code::KeyWrong } else { Code::SealBroken }, "byte {at}");
            let cut = Sealed(sealed.0[..at].to_owned());
            assert_eq!(vault.open(&here, &cut).unwrap_err().code(), Code::SealBroken, "{at} bytes");
        }
    }

    #[test]
    fn a_text_is_bound_to_the_name_of_its_key() {
        let vault = Vault::new(Keys::random().unwrap().renewed().unwrap());
        let here = place(Kind::Grant, "a");
        let mut sealed = vault.seal(&here, b"s3cr3t").unwrap();
        sealed.0[1..=ID].copy_from_slice(&vault.held().0[1].id.0);
        assert_eq!(vault.open(&here, &sealed).unwrap_err().code(), Code::SealBroken);
    }

    #[test]
    fn a_text_is_never_sealed_the_same_way_twice() {
        let vault = vault();
        let here = place(Kind::Grant, "a");
        assert_ne!(vault.seal(&here, b"s3cr3t").unwrap(), vault.seal(&here, b"s3cr3t").unwrap());
    }

    #[test]
    fn old_keys_open_and_the_first_seals() {
        let old = Keys::random().unwrap();
        let here = place(Kind::Grant, "a");
        let sealed = Vault::new(old.clone()).seal(&here, b"s3cr3t").unwrap();
        let vault = Vault::new(old.renewed().unwrap());
        assert_eq!(*vault.open(&here, &sealed).unwrap(), b"s3cr3t");
        let anew = vault.seal(&here, b"s3cr3t").unwrap();
        assert_eq!(Vault::new(old).open(&here, &anew).unwrap_err().code(), Code::KeyWrong);
    }

    #[test]
    fn keys_are_read_as_people_write_them() {
        let text = |byte: u8| BASE64.encode([byte; 32]);
        let ids = |keys: &Keys| keys.0.iter().map(|key| key.id.to_string()).collect::<Vec<_>>();
        let wanted =
            ids(&Keys(Arc::new(vec![Key::new(Zeroizing::new([1; 32])), Key::new(Zeroizing::new([2; 32]))])));
        let (one, two) = (text(1), text(2));
        let bare = one.trim_end_matches('=');
        for written in [
            format!("{one},{two}"),
            format!(" {bare} , {two}\n"),
            format!("# a note, with a comma\n{one}\n\n{two}\n"),
            format!("{one}\r\n{two},\r\n"),
        ] {
            assert_eq!(ids(&written.parse().unwrap()), wanted, "{written}");
        }
    }

    #[test]
    fn a_bad_key_is_refused_without_being_shown() {
        let good = BASE64.encode([1; 32]);
        for bad in [
            "",
            " ,\n",
            "# only a note",
            "pa55word",
            &format!("{good},pa55word"),
            &good[..40],
            &format!("{good}{good}"),
        ] {
            let error = bad.parse::<Keys>().unwrap_err();
            assert_eq!(error.code(), Code::KeyWrong, "{bad}");
            let shown = format!("{error:?}");
            assert!(!shown.contains("pa55word") && !shown.contains(&good[..40]), "{shown}");
        }
    }

    #[test]
    fn keys_do_not_show_in_debug_output() {
        let keys = Keys::random().unwrap();
        let shown = format!("{keys:?} {:?} {:?}", Vault::new(keys.clone()), KeySource::Given(keys.clone()));
        let bytes = keys.current().bytes.as_slice();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        for form in [BASE64.encode(bytes), hex, format!("{bytes:?}")] {
            assert!(!shown.contains(&form), "{shown}");
        }
        assert!(shown.contains(&keys.current().id.to_string()), "{shown}");
    }
}
