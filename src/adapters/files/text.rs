//! Decodes UTF-8 and, with a byte order mark, UTF-16. Other encodings would have to be guessed, so they are refused.

use std::borrow::Cow;

/// Decodes a file and removes a byte order mark.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let wide = |bytes: &[u8], of: fn([u8; 2]) -> u16| {
        let units: Vec<u16> = bytes.chunks_exact(2).map(|pair| of([pair[0], pair[1]])).collect();
        match String::from_utf16(&units) {
            Ok(text) if bytes.len().is_multiple_of(2) => Ok(Cow::Owned(text)),
            Ok(_) | Err(_) => Err("the file begins with a UTF-16 byte order mark, but is not UTF-16".to_owned()),
        }
    };
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => utf8(rest),
        [0xff, 0xfe, rest @ ..] => wide(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => wide(rest, u16::from_be_bytes),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, String> {
    let wrong = match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') => return Ok(Cow::Borrowed(text)),
        Ok(_) => return Err("the file is not text: it has zero bytes".to_owned()),
        Err(wrong) => wrong.valid_up_to(),
    };
    let before = bytes.get(..wrong).unwrap_or_default();
    let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
    Err(format!(
        "line {line} is not UTF-8; convert the file first, for instance: iconv -f WINDOWS-1252 -t UTF-8 (or SHIFT_JIS, …)"
    ))
}
