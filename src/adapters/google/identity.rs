//! The ids that we give our entries, in Google's alphabet: `0-9a-v` (base32hex in lower case), 5 to 1024 characters.

use sha2::{Digest as _, Sha256};

use crate::domain::ids::{Generation, LinkId, RemoteId};

const ALPHABET: &[u8; 32] = b"0123456789abcdefghijklmnopqrstuv";
/// 38 digits are 190 bits: no two links of any ledger meet by chance.
const DIGITS: usize = 38;

/// The id of this generation of this link: always the same.
pub fn identity(link: &LinkId, generation: Generation) -> RemoteId {
    let mut hash = Sha256::new();
    hash.update(link.as_str().as_bytes());
    hash.update([0]);
    hash.update(generation.0.to_be_bytes());
    RemoteId(format!("sl{}", base32hex(&hash.finalize()).chars().take(DIGITS).collect::<String>()))
}

fn base32hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    let (mut bits, mut held) = (0_u32, 0_u32);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            out.push(char::from(ALPHABET[((bits >> held) & 31) as usize]));
        }
        bits &= (1 << held) - 1;
    }
    if held > 0 {
        out.push(char::from(ALPHABET[((bits << (5 - held)) & 31) as usize]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base32hex_is_that_of_the_rfc() {
        // RFC 4648 §10, lowered and without padding.
        for (text, coded) in [("", ""), ("f", "co"), ("fo", "cpng"), ("foo", "cpnmu"), ("foobar", "cpnmuoj1e8")] {
            assert_eq!(base32hex(text.as_bytes()), coded);
        }
    }

    #[test]
    fn an_identity_is_fixed_for_ever_and_differs_by_generation() {
        let link = LinkId::new("uschedule.1001.0a1b2c3d").unwrap();
        let one = identity(&link, Generation(1));
        assert_eq!(one, identity(&link, Generation(1)));
        assert_ne!(one, identity(&link, Generation(2)));
        assert_eq!(one.as_str().len(), 40);
        assert!(one.as_str().starts_with("sl"));
        assert!(one.as_str().bytes().all(|b| ALPHABET.contains(&b)));
    }
}
