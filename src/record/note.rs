//! Signed notes: a text with Ed25519 signatures, in the format of C2SP signed-note. Any tool for that format can
//! verify ours with the key printed by `audit key`.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Key type Ed25519, in key ids and texts.
const ED25519_KIND: u8 = 1;

/// Maximum size of a note, in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// Maximum number of signatures under a note.
const SIGNATURES_MAX: usize = 64;

/// Prefix of a signature line.
const DASH: &str = "\u{2014} ";

/// A text that is not a note, checkpoint or key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub &'static str);

/// A public key and its name. As text, a C2SP verifier key: `<name>+<id>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// A key with this name.
    ///
    /// # Errors
    /// [`ParseError`] if the name is empty or contains a space, a control character or a plus sign.
    pub fn new(name: impl Into<String>, public: [u8; 32]) -> Result<Self, ParseError> {
        let name = name.into();
        let usable = !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
        if usable {
            Ok(Self { name, public })
        } else {
            Err(ParseError("a key's name must not contain spaces or plus signs"))
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The key id in front of its signatures: the start of a hash over name and key.
    pub fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(self.name.as_bytes());
        hash.update([b'\n', ED25519_KIND]);
        hash.update(self.public);
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        [a, b, c, d]
    }

    fn verifies(&self, text: &str, signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.public).verify(text.as_bytes(), signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut key = vec![ED25519_KIND];
        key.extend_from_slice(&self.public);
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id()), BASE64.encode(&key))
    }
}

impl FromStr for VerifierKey {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        const WRONG: ParseError =
            ParseError("a verifier key must be <name>+<8 hex digits>+<base64>, as printed by `audit key`");
        let (name, rest) = text.trim().split_once('+').ok_or(WRONG)?;
        let (id, key) = rest.split_once('+').ok_or(WRONG)?;
        let key = read_base64(key).ok_or(WRONG)?;
        let Some((&ED25519_KIND, public)) = key.split_first() else {
            return Err(ParseError("only verifier keys of type 1 (Ed25519) are supported"));
        };
        let key = Self::new(name, public.try_into().map_err(|_| WRONG)?)?;
        if HEXLOWER.encode(&key.id()) == id {
            Ok(key)
        } else {
            Err(ParseError("the verifier key's id does not match its name and key"))
        }
    }
}

/// A private key. Not printed by `Debug`, wiped when dropped.
#[derive(Clone)]
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    verifier: VerifierKey,
}

impl SigningKey {
    /// The key derived from 32 random bytes, with this name.
    ///
    /// # Errors
    /// [`ParseError`] if the name is invalid.
    pub fn new(name: &str, seed: [u8; 32]) -> Result<Self, ParseError> {
        let seed = Zeroizing::new(seed);
        let public = <[u8; 32]>::try_from(pair(&seed)?.public_key().as_ref());
        let public = public.map_err(|_| ParseError("an Ed25519 key must have 32 bytes"))?;
        Ok(Self { seed, verifier: VerifierKey::new(name, public)? })
    }

    /// Its public key.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// Its seed, to be encrypted and stored and nothing else.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// `text`, which must end with a line break, as a note with our signature.
    ///
    /// # Errors
    /// [`ParseError`] if the crypto library refuses its own key.
    pub fn sign(&self, text: &str) -> Result<Note, ParseError> {
        let bytes = pair(&self.seed)?.sign(text.as_bytes()).as_ref().to_vec();
        let signature = Signature { name: self.verifier.name.clone(), id: self.verifier.id(), bytes };
        Ok(Note { text: text.to_owned(), signatures: vec![signature] })
    }
}

fn pair(seed: &[u8; 32]) -> Result<Ed25519KeyPair, ParseError> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| ParseError("the bytes are not an Ed25519 key"))
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.verifier)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Signature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

/// A text with signatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

/// Why a note is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature is by a known key.
    #[error("it is signed by {0}, which is not a known key")]
    UnknownKey(String),
    /// A signature names a known key, but is invalid.
    #[error("its signature by {0} is invalid")]
    WrongSignature(String),
}

impl Note {
    /// Parses a note, without verifying its signatures.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(whole: &str) -> Result<Self, ParseError> {
        if whole.len() > NOTE_BYTES_MAX {
            return Err(ParseError("a note must not exceed 64 KiB"));
        }
        if whole.chars().any(|c| c.is_ascii_control() && c != '\n') {
            return Err(ParseError("a note must not contain control characters except line breaks"));
        }
        let at = whole.rfind("\n\n").ok_or(ParseError("a note must have an empty line before its signatures"))?;
        let (text, below) = (&whole[..=at], &whole[at + 2..]);
        let below = below.strip_suffix('\n').ok_or(ParseError("a note must end with a line break"))?;
        let signatures: Option<Vec<Signature>> = below.split('\n').map(signature).collect();
        let signatures = signatures.ok_or(ParseError("a signature must be a dash, a name and base64"))?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(ParseError("a note must not have more than 64 signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// The signed text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The key among `known` that signed it. Signatures by unknown keys are ignored.
    ///
    /// # Errors
    /// [`SignatureError`]; a single invalid signature by a known key is enough.
    pub fn signer<'k>(&self, known: &'k [VerifierKey]) -> Result<&'k VerifierKey, SignatureError> {
        let mut by = None;
        for signature in &self.signatures {
            let Some(key) = known.iter().find(|k| k.name == signature.name && k.id() == signature.id) else { continue };
            if !key.verifies(&self.text, &signature.bytes) {
                return Err(SignatureError::WrongSignature(describe(signature)));
            }
            by = by.or(Some(key));
        }
        let stranger = || SignatureError::UnknownKey(self.signatures.first().map(describe).unwrap_or_default());
        by.ok_or_else(stranger)
    }
}

fn describe(signature: &Signature) -> String {
    format!("{}+{}", signature.name, HEXLOWER.encode(&signature.id))
}

/// Decodes base64. Several padded texts in a row, which the library accepts, are refused: each value has one encoding.
pub(super) fn read_base64(text: &str) -> Option<Vec<u8>> {
    BASE64.decode(text.as_bytes()).ok().filter(|bytes| BASE64.encode(bytes) == text)
}

fn signature(line: &str) -> Option<Signature> {
    let (name, base64) = line.strip_prefix(DASH)?.split_once(' ')?;
    let bytes = read_base64(base64)?;
    let (id, bytes) = bytes.split_first_chunk::<4>()?;
    let named = !name.is_empty() && !name.contains('+') && !bytes.is_empty();
    named.then(|| Signature { name: name.to_owned(), id: *id, bytes: bytes.to_vec() })
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        for Signature { name, id, bytes } in &self.signatures {
            let all = [id.as_slice(), bytes].concat();
            writeln!(f, "{DASH}{name} {}", BASE64.encode(&all))?;
        }
        Ok(())
    }
}
