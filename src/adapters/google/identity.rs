//! Ids of our entries, in Google's alphabet: `0-9a-v` (base32hex in lower case), 5 to 1024 characters.

use data_encoding::BASE32_DNSSEC;
use sha2::{Digest as _, Sha256};

use crate::domain::ids::{Generation, LinkId, RemoteId};

/// 38 digits are 190 bits: no two links of any ledgers collide by chance.
const DIGITS: usize = 38;

/// The id of a generation of a link: deterministic.
pub fn identity(link: &LinkId, generation: Generation) -> RemoteId {
    let mut hash = Sha256::new();
    hash.update(link.as_str().as_bytes());
    hash.update([0]);
    hash.update(generation.0.to_be_bytes());
    // RFC 4648's base32hex, in lower case and without padding, as in RFC 5155.
    let mut digits = BASE32_DNSSEC.encode(&hash.finalize());
    digits.truncate(DIGITS);
    RemoteId(format!("sl{digits}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_fixed_for_ever_and_differs_by_generation() {
        let link = LinkId::new("uschedule.1001.0a1b2c3d").unwrap();
        let one = identity(&link, Generation(1));
        // Computed with Python's hashlib and base64.b32hexencode.
        assert_eq!(one.as_str(), "slmcd16nkk8q0ln3ts0ocmsr0j265f9o51vnoc46");
        assert_eq!(identity(&link, Generation(2)).as_str(), "sl9b84b9ajj49h5udksm5doejteqc34nkb4ge8bo");
        assert_eq!(one.as_str().len(), 40);
        assert!(one.as_str().bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'v')));
    }
}
