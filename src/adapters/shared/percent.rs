//! Percent-encoding of what is put into a URL.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Encodes `text` as one path segment, or a query name or value: all characters except the unreserved ones
/// (RFC 3986 §2.3) are percent-encoded.
pub fn percent_encoded(text: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_but_the_unreserved_characters_are_escaped() {
        assert_eq!(
            percent_encoded("a/b?c=d&e f+g%h~i-j_k.l:日\u{7f}"),
            "a%2Fb%3Fc%3Dd%26e%20f%2Bg%25h~i-j_k.l%3A%E6%97%A5%7F"
        );
    }
}
