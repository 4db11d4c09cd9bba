//! Validation and conflict rules of appends, the same for every backend.

use chrono::{DateTime, Utc};

use crate::{
    domain::ids::{EventId, Position, Version},
    ports::event_store::{APPEND_EVENTS_MAX, AppendOutcome, EVENT_BYTES_MAX, ExpectedVersion, Failure},
    record::{
        envelope::{NewEvent, StoredEvent, leaf_bytes, leaf_hash},
        stream::StreamName,
    },
};

/// Maximum size of an append's data in bytes, over all its events.
pub const APPEND_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Maximum length of a text in the envelope (type, actor, correlation), in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// Maximum nesting of event data: common JSON parsers stop at 128 levels, and stored data must be readable.
pub const DATA_LEVELS_MAX: usize = 64;

/// Validates an append and truncates its times to microseconds, as they are stored.
///
/// # Errors
/// [`Failure::Invalid`] with the limit that is exceeded.
pub fn checked(stream: &StreamName, mut events: Vec<NewEvent>) -> Result<Vec<NewEvent>, Failure> {
    let invalid = |why: String| Err(Failure::Invalid(why));
    if StreamName::parse(&stream.to_string()).as_ref() != Ok(stream) {
        return invalid(format!("{:?} is not a stream name", stream.to_string()));
    }
    if events.is_empty() || events.len() > APPEND_EVENTS_MAX {
        return invalid(format!("the append has {} events; 1 to {APPEND_EVENTS_MAX} are allowed", events.len()));
    }
    let bytes: usize = events.iter().map(|e| e.data.len()).sum();
    if bytes > APPEND_BYTES_MAX {
        return invalid(format!("the append's data has {bytes} bytes; the maximum is {APPEND_BYTES_MAX}"));
    }
    let mut ids: Vec<EventId> = events.iter().map(|e| e.id).collect();
    ids.sort_unstable();
    if let Some(twice) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return invalid(format!("the append contains event {} twice", twice[0]));
    }
    for event in &mut events {
        check_event(event)?;
        event.recorded_at = to_micros(event.recorded_at);
        event.effective_at = to_micros(event.effective_at);
    }
    Ok(events)
}

fn check_event(event: &NewEvent) -> Result<(), Failure> {
    let invalid = |why: String| Err(Failure::Invalid(format!("event {}: {why}", event.id)));
    let texts = [
        ("type", &event.kind),
        ("actor's kind", &event.actor.kind),
        ("actor's id", &event.actor.id),
        ("correlation", &event.correlation.0),
    ];
    for (name, text) in texts {
        // Control characters are refused because PostgreSQL cannot store a zero byte, and every backend accepts the same events.
        if text.is_empty() || text.len() > TEXT_BYTES_MAX || has_control(text) {
            return invalid(format!(
                "its {name} must be 1 to {TEXT_BYTES_MAX} bytes of text without control characters"
            ));
        }
    }
    if event.schema == 0 {
        return invalid("schema versions start at 1".to_owned());
    }
    if event.data.len() > EVENT_BYTES_MAX {
        return invalid(format!("its data has {} bytes; the maximum is {EVENT_BYTES_MAX}", event.data.len()));
    }
    if !event.data.starts_with('{') || serde_json::from_str::<serde::de::IgnoredAny>(&event.data).is_err() {
        return invalid("its data is not a JSON object".to_owned());
    }
    if levels(&event.data) > DATA_LEVELS_MAX {
        return invalid(format!("its data is nested deeper than {DATA_LEVELS_MAX} levels"));
    }
    Ok(())
}

/// Whether a control character is in `text`. Nearly all texts are ASCII, where bytes suffice.
fn has_control(text: &str) -> bool {
    if text.is_ascii() { text.bytes().any(|b| b.is_ascii_control()) } else { text.chars().any(char::is_control) }
}

/// Nesting depth of a valid JSON text.
fn levels(json: &str) -> usize {
    let (mut level, mut deepest, mut quoted, mut escaped) = (0_usize, 0, false, false);
    for byte in json.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => quoted = !quoted,
            b'{' | b'[' if !quoted => level += 1,
            b'}' | b']' if !quoted => level = level.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(level);
    }
    deepest
}

/// The instant truncated to microseconds. A leap second becomes the following second, which every backend can store.
pub fn to_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(at.timestamp_micros()).unwrap_or(at)
}

/// An event that is stored, or will be in the same durable step.
#[derive(Debug, Clone, Copy)]
pub struct PlacedEvent<'a> {
    /// Its stream.
    pub stream: &'a StreamName,
    /// Its version in the stream.
    pub version: Version,
    /// Its position in the ledger.
    pub position: Position,
    /// The appended event.
    pub event: &'a NewEvent,
}

impl<'a> From<&'a StoredEvent> for PlacedEvent<'a> {
    fn from(it: &'a StoredEvent) -> Self {
        Self { stream: &it.stream, version: it.version, position: it.position, event: &it.event }
    }
}

/// The outcome of judging an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Write its events, the first at this version.
    Write(Version),
    /// Already stored: return this result.
    Repeated(AppendOutcome),
}

/// Judges an append by the stream's last version and by those of its ids that are already stored.
///
/// Ids come first: a repeated append gets its first result, even if the stream has moved on since. Only an
/// append with unknown ids is checked against its expected version.
///
/// # Errors
/// `IdTaken` if an id is stored with other content or elsewhere; `Conflict` if the stream has another version.
pub fn judge<'a>(
    stream: &StreamName,
    expected: ExpectedVersion,
    events: &[NewEvent],
    last: Option<Version>,
    stored: impl Fn(EventId) -> Option<PlacedEvent<'a>>,
) -> Result<Verdict, Failure> {
    if let Some(known) = events.iter().find(|e| stored(e.id).is_some()) {
        return repeated(stream, expected, events, stored).map(Verdict::Repeated).ok_or(Failure::IdTaken(known.id));
    }
    let fits = match expected {
        ExpectedVersion::Any => true,
        ExpectedVersion::NoStream => last.is_none(),
        ExpectedVersion::Exact(version) => last == Some(version),
    };
    if !fits {
        return Err(Failure::Conflict { stream: stream.clone(), actual: last });
    }
    Ok(Verdict::Write(last.map_or(Version(0), Version::next)))
}

fn repeated<'a>(
    stream: &StreamName,
    expected: ExpectedVersion,
    events: &[NewEvent],
    stored: impl Fn(EventId) -> Option<PlacedEvent<'a>>,
) -> Option<AppendOutcome> {
    let first = stored(events.first()?.id)?.version;
    let matches_version = match expected {
        ExpectedVersion::Any => true,
        ExpectedVersion::NoStream => first == Version(0),
        ExpectedVersion::Exact(version) => version.0.checked_add(1) == Some(first.0),
    };
    let mut appended = None;
    for (event, version) in events.iter().zip(first.0..) {
        let standing = stored(event.id)?;
        if standing.stream != stream || standing.version.0 != version || !event.repeats(standing.event) {
            return None;
        }
        appended = Some(AppendOutcome { version: standing.version, position: standing.position, repeated: true });
    }
    appended.filter(|_| matches_version)
}

/// The leaf hash of an event at its position.
pub fn leaf_at(stream: &str, version: Version, position: Position, event: &NewEvent) -> [u8; 32] {
    leaf_hash(&leaf_bytes(stream, version, position, event))
}
