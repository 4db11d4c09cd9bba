//! Percent-encoding of what is put into a URL.

/// `text` as one segment of a URL's path, or one name or value of its query: all but the unreserved characters
/// (RFC 3986 §2.3) are percent-encoded.
pub fn percent_encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
