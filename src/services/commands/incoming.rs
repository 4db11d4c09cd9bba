//! A command received by NATS, and the request it contains.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};

use crate::{
    domain::ids::{BookingId, SourceName, SubjectId, short_hash},
    ports::commands::CommandMessage,
    record::stream::StreamName,
    services::{
        bookings::{API_SOURCE, BODY_BYTES_MAX, BookingRequest, KEY_BYTES_MAX, bodies::NewBooking, read},
        journal::Journal,
        problem::{Kind, Problem},
    },
};

/// Commands are recorded as deliveries from this source.
pub const SOURCE: &str = "nats";
/// How much of a body is recorded if it is too large to be carried out, in bytes.
const CUT_BYTES: usize = 16 * 1024;
/// Maximum length of a client's correlation id, in bytes.
const CORRELATION_BYTES_MAX: usize = 128;

/// The verbs: last part of a command's subject.
pub const VERBS: [&str; 7] = ["create", "confirm", "reschedule", "reassign", "change_details", "cancel", "restore"];

/// A command as received; recorded sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingCommand {
    /// The end of its subject, such as `booking.create`.
    pub verb: String,
    /// Its idempotency key.
    pub key: String,
    /// Its body, if it is text.
    pub body: String,
    /// Size of the body in bytes, if it is not kept unchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// Whether its sender waits for a response.
    #[serde(default)]
    pub awaited: bool,
    /// Whether it may change any booking, or only those created through the API; decided when it was received.
    #[serde(default)]
    pub any: bool,
    /// The sender's correlation id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
}

/// The booking named in a command's body.
#[derive(Deserialize)]
struct CommandBody {
    booking: Option<String>,
    id: Option<String>,
    customer: Option<WithId>,
    details: Option<WithCustomer>,
}

#[derive(Deserialize)]
struct WithCustomer {
    customer: Option<WithId>,
}

#[derive(Deserialize)]
struct WithId {
    id: Option<String>,
}

impl IncomingCommand {
    /// From a message; `any`: whether it may change any booking.
    pub fn of(message: &CommandMessage, any: bool) -> Self {
        let whole = message.body.len();
        let stored = if whole > BODY_BYTES_MAX { &message.body[..CUT_BYTES] } else { &message.body[..] };
        let text = std::str::from_utf8(stored).map(str::to_owned);
        let as_it_was = whole <= BODY_BYTES_MAX && text.is_ok();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~@-:".contains(&b);
        let correlation =
            message.correlation.clone().filter(|c| c.len() <= CORRELATION_BYTES_MAX && c.bytes().all(plain));
        Self {
            verb: message.verb.chars().take(200).collect(),
            key: message.key.clone(),
            body: text.unwrap_or_else(|_| String::from_utf8_lossy(stored).into_owned()),
            bytes: (!as_it_was).then_some(whole),
            awaited: message.reply_to.is_some(),
            any,
            correlation,
        }
    }

    /// Whether `other` is the same request under the same key; compares JSON values, not their formatting.
    pub fn repeats(&self, other: &Self) -> bool {
        let value = |incoming: &Self| serde_json::from_str::<Value>(&incoming.body).ok();
        let same = match (value(self), value(other)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => self.body == other.body,
            _ => false,
        };
        same && self.verb == other.verb && self.bytes == other.bytes
    }

    /// Id of the delivery: the key, or its hash if it cannot be part of a stream name.
    pub fn delivery(&self) -> String {
        let long = self.key.len() > KEY_BYTES_MAX;
        if long || self.key.is_empty() { format!("~{}", short_hash(&[&self.key], 32)) } else { self.key.clone() }
    }

    /// The stream that records it.
    pub fn stream(&self) -> StreamName {
        StreamName::delivery(&source(), &self.delivery())
    }

    /// The only source whose bookings it may see and change; `None` for all.
    pub fn only(&self) -> Option<&'static str> {
        (!self.any).then_some(API_SOURCE)
    }

    /// Hash of the key and the transport: the same key over HTTP is a different one.
    pub fn key_hash(&self) -> String {
        short_hash(&[SOURCE, &self.key], 64)
    }

    /// Correlation id of everything it causes.
    pub fn correlation(&self, journal: &Journal) -> String {
        self.correlation.clone().unwrap_or_else(|| journal.clock().event_id().to_string())
    }

    fn parts(&self) -> Option<CommandBody> {
        serde_json::from_str(&self.body).ok()
    }

    /// The booking it is about, as far as can be told without parsing everything: commands about the same booking are carried out
    /// in order of arrival.
    pub fn about(&self) -> String {
        let parts = self.parts();
        let named = parts.as_ref().and_then(|about| about.booking.clone());
        let created = || parts.as_ref().and_then(|about| about.id.as_ref()).map(|id| format!("{API_SOURCE}.{id}"));
        named.or_else(created).unwrap_or_else(|| format!("key {}", self.key))
    }

    /// The person whose data it contains.
    pub fn subject(&self) -> SubjectId {
        let parts = self.parts();
        let customer = parts.as_ref().and_then(|about| {
            let inner = about.details.as_ref().and_then(|details| details.customer.as_ref());
            about.customer.as_ref().or(inner)?.id.clone()
        });
        let customer = customer.and_then(|id| SubjectId::new(format!("{API_SOURCE}.customer.{id}")).ok());
        let booking = || {
            let named = parts.as_ref().and_then(|about| about.booking.clone());
            let own = parts.as_ref().and_then(|about| about.id.clone());
            named.or_else(|| own.map(|id| of_reference(&id).to_string())).and_then(|id| SubjectId::new(id).ok())
        };
        let hashed = || format!("{API_SOURCE}.k-{}", self.key_hash().chars().take(32).collect::<String>());
        customer
            .or_else(booking)
            .unwrap_or_else(|| SubjectId::new(hashed()).expect("hex digits can stand in a subject"))
    }

    /// What is wrong with the command itself, without reading the ledger.
    pub fn problem(&self) -> Option<Problem> {
        match self.request() {
            Ok((_, asked)) => asked.check().err(),
            Err(problem) => Some(problem),
        }
    }

    /// The request, and the booking's id; empty if a booking is to be created.
    ///
    /// # Errors
    /// What is wrong with the command.
    pub fn request(&self) -> Result<(String, BookingRequest), Problem> {
        if let Some(bytes) = self.bytes {
            return Err(if bytes > BODY_BYTES_MAX {
                Problem::new(Kind::TooLarge, format!("the body must not exceed {BODY_BYTES_MAX} bytes"))
            } else {
                Problem::new(Kind::Malformed, "the body is not JSON: it is not UTF-8")
            });
        }
        if self.key.len() > KEY_BYTES_MAX {
            let detail = format!("use 1 to {KEY_BYTES_MAX} visible characters, different for every request");
            return Err(Problem::field("Idempotency-Key", detail));
        }
        let verb = self.verb.strip_prefix("booking.").filter(|verb| VERBS.contains(verb));
        let Some(verb) = verb else {
            let detail = format!("unknown command {:?}: use booking. and one of {}", self.verb, VERBS.join(", "));
            return Err(Problem::new(Kind::NotFound, detail));
        };
        let body = self.body.as_bytes();
        if verb == "create" {
            return Ok((String::new(), BookingRequest::Create(read::object::<NewBooking>(body)?)));
        }
        let mut rest: Map<String, Value> = read::object(body)?;
        let booking = match rest.remove("booking") {
            Some(Value::String(booking)) => booking,
            Some(_) => return Err(Problem::field("booking", "must be the booking's id as a text")),
            None => return Err(Problem::field("booking", "is missing: give the booking's id")),
        };
        let asked = match verb {
            "reschedule" => BookingRequest::Reschedule(typed(rest)?),
            "reassign" => BookingRequest::Reassign(typed(rest)?),
            "change_details" => BookingRequest::ChangeDetails(typed(rest)?),
            "confirm" => nothing(&rest, BookingRequest::Confirm)?,
            "cancel" => nothing(&rest, BookingRequest::Cancel)?,
            _ => nothing(&rest, BookingRequest::Restore)?,
        };
        Ok((booking, asked))
    }
}

/// Commands are recorded as deliveries from this source.
pub fn source() -> SourceName {
    SourceName::new(SOURCE).expect("letters can stand in a name")
}

fn of_reference(reference: &str) -> BookingId {
    BookingId::of_source(&SourceName::new(API_SOURCE).expect("letters can stand in a name"), reference)
}

fn typed<T: DeserializeOwned>(rest: Map<String, Value>) -> Result<T, Problem> {
    read::object(Value::Object(rest).to_string().as_bytes())
}

fn nothing(rest: &Map<String, Value>, asked: BookingRequest) -> Result<BookingRequest, Problem> {
    match rest.keys().next() {
        None => Ok(asked),
        Some(key) => Err(Problem::field(
            key.chars().take(80).collect::<String>(),
            "is not a known field: only booking is allowed",
        )),
    }
}
