//! NATS subjects of published events and accepted commands: `syncledger.<workspace>.<category>.<id>.<name>`.
//!
//! Each part is one token. In a token, every byte except `A-Z a-z 0-9 - _ ~`, including the dot, is written as `%` and two
//! upper-case hex digits, which any URL decoder reverses (RFC 3986 §2.1).

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::stream::{Category, StreamName};

/// First token of all our subjects.
pub const ROOT: &str = "syncledger";

/// Encodes a text as a token.
pub fn token(text: &str) -> String {
    const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'~');
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// Decodes a token; `None` if it is not the encoding of any text.
pub fn text(token: &str) -> Option<String> {
    let plain = percent_decode_str(token).decode_utf8().ok()?;
    (!plain.is_empty() && self::token(&plain) == token).then(|| plain.into_owned())
}

/// The subject of an event of that type in that stream.
pub fn of_event(workspace: &str, stream: &StreamName, kind: &str) -> String {
    let category = stream.category.as_str();
    // The subject already contains the category. A type of another category keeps its own.
    let name = kind.strip_prefix(category).and_then(|rest| rest.strip_prefix('.')).unwrap_or(kind);
    format!("{ROOT}.{}.{category}.{}.{}", token(workspace), token(&stream.id), token(name))
}

/// Splits the subject of an event: workspace, stream, and the type without its category.
pub fn read_event(subject: &str) -> Option<(String, StreamName, String)> {
    let mut tokens = subject.split('.');
    if tokens.next() != Some(ROOT) {
        return None;
    }
    let workspace = text(tokens.next()?)?;
    let category = tokens.next()?;
    let category = Category::ALL.into_iter().find(|known| known.as_str() == category)?;
    let id = text(tokens.next()?)?;
    let name = text(tokens.next()?)?;
    tokens.next().is_none().then_some((workspace, StreamName { category, id }, name))
}

/// The subjects of all events of a workspace, one wildcard per category.
pub fn all_events(workspace: &str) -> Vec<String> {
    Category::ALL.iter().map(|category| format!("{ROOT}.{}.{}.>", token(workspace), category.as_str())).collect()
}

/// The subject of commands about bookings, without the verb.
pub fn booking_commands(workspace: &str) -> String {
    format!("{ROOT}.{}.commands.booking", token(workspace))
}

/// The subject of all commands of a workspace, including unknown ones.
pub fn all_commands(workspace: &str) -> String {
    format!("{ROOT}.{}.commands.>", token(workspace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_one_token_and_comes_back() {
        for plain in ["uschedule.1001", "a b", "*", ">", "x.>", "予約", "50%", "~2e", "%2E", "\u{7f}", "-_~", "a\tb"]
        {
            let token = token(plain);
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_~%".contains(&b)), "{token}");
            assert_eq!(text(&token).as_deref(), Some(plain));
        }
        assert_eq!(token("uschedule.1001"), "uschedule%2E1001");
        // Each text has exactly one encoding; anything else is rejected.
        for odd in ["", "%", "%2", "%zz", "%2e", "%41", "%FF", "a.b", "a b"] {
            assert_eq!(text(odd), None, "{odd}");
        }
    }

    #[test]
    fn a_subject_is_taken_apart_as_it_was_put_together() {
        let stream = StreamName { category: Category::Link, id: "api.x y.>".into() };
        let subject = of_event("loft.eu", &stream, "link.command_issued");
        assert_eq!(subject, "syncledger.loft%2Eeu.link.api%2Ex%20y%2E%3E.command_issued");
        assert_eq!(read_event(&subject), Some(("loft.eu".into(), stream.clone(), "command_issued".into())));
        assert_eq!(of_event("w", &stream, "other.thing"), "syncledger.w.link.api%2Ex%20y%2E%3E.other%2Ething");
        assert_eq!(read_event("syncledger.w.commands.booking.create"), None);
        assert_eq!(read_event("syncledger.w.link.a.b.c"), None);
    }
}
