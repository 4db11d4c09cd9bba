//! Signed notes: a text and Ed25519 signatures under it, as C2SP signed-note says. Any tool that knows the format can
//! verify ours with the key that `audit key` prints.

use std::{fmt, str::FromStr};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::{BASE64, HEXLOWER};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The kind of key in a key's id and text: Ed25519.
const ED25519_KIND: u8 = 1;

/// The longest note that is read, in bytes.
pub const NOTE_BYTES_MAX: usize = 64 * 1024;

/// Signatures under one note at most.
const SIGNATURES_MAX: usize = 64;

/// What begins a signature's line.
const DASH: &str = "\u{2014} ";

/// A text that is no note, checkpoint or key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseError(pub &'static str);

/// A public key and the name it signs under. As text, a C2SP verifier key: `<name>+<id>+<key>`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct VerifierKey {
    name: String,
    public: [u8; 32],
}

impl VerifierKey {
    /// A key of that name.
    ///
    /// # Errors
    /// [`ParseError`] where the name is empty or has a space, a control character or a plus sign in it.
    pub fn new(name: impl Into<String>, public: [u8; 32]) -> Result<Self, ParseError> {
        let name = name.into();
        let usable = !name.is_empty() && !name.chars().any(|c| c.is_whitespace() || c.is_control() || c == '+');
        if usable { Ok(Self { name, public }) } else { Err(ParseError("a key's name has no spaces and no plus sign")) }
    }

    /// The name it signs under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The public key.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// The id that stands before its signatures: the beginning of a hash over name and key.
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
            ParseError("a verifier key is <name>+<8 hex digits>+<base64>, as `audit key` prints it");
        let (name, rest) = text.trim().split_once('+').ok_or(WRONG)?;
        let (id, key) = rest.split_once('+').ok_or(WRONG)?;
        let key = read_base64(key).ok_or(WRONG)?;
        let Some((&ED25519_KIND, public)) = key.split_first() else {
            return Err(ParseError("only verifier keys of kind 1 (Ed25519) can be used"));
        };
        let key = Self::new(name, public.try_into().map_err(|_| WRONG)?)?;
        if HEXLOWER.encode(&key.id()) == id {
            Ok(key)
        } else {
            Err(ParseError("the verifier key's id does not fit its name and key"))
        }
    }
}

/// A private key. Never printed, wiped when dropped.
#[derive(Clone)]
pub struct SigningKey {
    seed: Zeroizing<[u8; 32]>,
    verifier: VerifierKey,
}

impl SigningKey {
    /// The key that follows from 32 random bytes, signing under `name`.
    ///
    /// # Errors
    /// [`ParseError`] where the name cannot be one.
    pub fn new(name: &str, seed: [u8; 32]) -> Result<Self, ParseError> {
        let seed = Zeroizing::new(seed);
        let public = <[u8; 32]>::try_from(pair(&seed)?.public_key().as_ref());
        let public = public.map_err(|_| ParseError("an Ed25519 key has 32 bytes"))?;
        Ok(Self { seed, verifier: VerifierKey::new(name, public)? })
    }

    /// What verifies it.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The bytes it follows from, to be wrapped and stored and nothing else.
    pub fn seed(&self) -> &[u8; 32] {
        &self.seed
    }

    /// `text`, which ends with a line end, as a note with our signature under it.
    ///
    /// # Errors
    /// [`ParseError`] where the library below refuses its own key.
    pub fn sign(&self, text: &str) -> Result<Note, ParseError> {
        let bytes = pair(&self.seed)?.sign(text.as_bytes()).as_ref().to_vec();
        let signature = Signature { name: self.verifier.name.clone(), id: self.verifier.id(), bytes };
        Ok(Note { text: text.to_owned(), signatures: vec![signature] })
    }
}

fn pair(seed: &[u8; 32]) -> Result<Ed25519KeyPair, ParseError> {
    Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| ParseError("the bytes make no Ed25519 key"))
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

/// Why nobody vouches for a note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// No signature is by a key that is known.
    #[error("it is signed by {0}, which is not among the known keys")]
    UnknownKey(String),
    /// A signature says it is by a known key, and is not.
    #[error("its signature by {0} is false")]
    WrongSignature(String),
}

impl Note {
    /// Reads a note. Whether its signatures are good is another question.
    ///
    /// # Errors
    /// [`ParseError`].
    pub fn parse(whole: &str) -> Result<Self, ParseError> {
        if whole.len() > NOTE_BYTES_MAX {
            return Err(ParseError("a note has at most 64 KiB"));
        }
        if whole.chars().any(|c| c.is_ascii_control() && c != '\n') {
            return Err(ParseError("a note has no control characters but line ends"));
        }
        let at = whole.rfind("\n\n").ok_or(ParseError("a note has an empty line before its signatures"))?;
        let (text, below) = (&whole[..=at], &whole[at + 2..]);
        let below = below.strip_suffix('\n').ok_or(ParseError("a note ends with a line end"))?;
        let signatures: Option<Vec<Signature>> = below.split('\n').map(signature).collect();
        let signatures = signatures.ok_or(ParseError("a signature is a dash, a name and base64"))?;
        if signatures.len() > SIGNATURES_MAX {
            return Err(ParseError("a note has at most 64 signatures"));
        }
        Ok(Self { text: text.to_owned(), signatures })
    }

    /// What is signed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The key among `known` that signed it. Signatures by others prove nothing and are passed over.
    ///
    /// # Errors
    /// [`SignatureError`]: one false signature by a known key is enough.
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

/// The bytes that `text` stands for. Several padded texts in a row, which the library reads as one, are refused: bytes have one text.
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
