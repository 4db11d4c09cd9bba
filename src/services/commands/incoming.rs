//! A command as it came, and what it asks for.

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

/// The source that commands are deliveries of.
pub const SOURCE: &str = "nats";
/// What of a body is kept that is too large to be carried out, in bytes.
const CUT_BYTES: usize = 16 * 1024;
/// The longest correlation id taken from a client, in bytes.
const CORRELATION_BYTES_MAX: usize = 128;

/// The verbs, as they end a subject.
pub const VERBS: [&str; 7] = ["create", "confirm", "reschedule", "reassign", "change_details", "cancel", "restore"];

/// A command as it came: this is what is recorded, sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IncomingCommand {
    /// What it was sent to: `booking.create`.
    pub verb: String,
    /// Its key.
    pub key: String,
    /// Its body, where that is text.
    pub body: String,
    /// How many bytes the body had, where it is not kept as it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<usize>,
    /// Whether its sender waits for an answer.
    #[serde(default)]
    pub awaited: bool,
    /// Whether it may be about any booking, not only about those that clients created: decided when it was taken.
    #[serde(default)]
    pub any: bool,
    /// The sender's own id of what it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
}

/// The booking of a command, in its body.
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
    /// What `message` says; whether it may be about `any` booking.
    pub fn of(message: &CommandMessage, any: bool) -> Self {
        let whole = message.body.len();
        let kept = if whole > BODY_BYTES_MAX { &message.body[..CUT_BYTES] } else { &message.body[..] };
        let text = std::str::from_utf8(kept).map(str::to_owned);
        let as_it_was = whole <= BODY_BYTES_MAX && text.is_ok();
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~@-:".contains(&b);
        let correlation =
            message.correlation.clone().filter(|c| c.len() <= CORRELATION_BYTES_MAX && c.bytes().all(plain));
        Self {
            verb: message.verb.chars().take(200).collect(),
            key: message.key.clone(),
            body: text.unwrap_or_else(|_| String::from_utf8_lossy(kept).into_owned()),
            bytes: (!as_it_was).then_some(whole),
            awaited: message.reply_to.is_some(),
            any,
            correlation,
        }
    }

    /// Whether `other` asks the same under the same key: what stands in the JSON counts, not how it is written.
    pub fn repeats(&self, other: &Self) -> bool {
        let value = |incoming: &Self| serde_json::from_str::<Value>(&incoming.body).ok();
        let same = match (value(self), value(other)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => self.body == other.body,
            _ => false,
        };
        same && self.verb == other.verb && self.bytes == other.bytes
    }

    /// The id of the delivery: the key, where it can stand in a stream's name.
    pub fn delivery(&self) -> String {
        let long = self.key.len() > KEY_BYTES_MAX;
        if long || self.key.is_empty() { format!("~{}", short_hash(&[&self.key], 32)) } else { self.key.clone() }
    }

    /// The stream that it is recorded in.
    pub fn stream(&self) -> StreamName {
        StreamName::delivery(&source(), &self.delivery())
    }

    /// The one source whose bookings it may see and change; `None`: all.
    pub fn only(&self) -> Option<&'static str> {
        (!self.any).then_some(API_SOURCE)
    }

    /// Hash of the key and of the way it came: the same key over HTTP is another.
    pub fn key_hash(&self) -> String {
        short_hash(&[SOURCE, &self.key], 64)
    }

    /// Ties together what it leads to.
    pub fn correlation(&self, journal: &Journal) -> String {
        self.correlation.clone().unwrap_or_else(|| journal.clock().event_id().to_string())
    }

    fn parts(&self) -> Option<CommandBody> {
        serde_json::from_str(&self.body).ok()
    }

    /// The booking that it is about, as far as can be told without understanding it all: commands about one are carried out in
    /// the order they came.
    pub fn about(&self) -> String {
        let parts = self.parts();
        let named = parts.as_ref().and_then(|about| about.booking.clone());
        let created = || parts.as_ref().and_then(|about| about.id.as_ref()).map(|id| format!("{API_SOURCE}.{id}"));
        named.or_else(created).unwrap_or_else(|| format!("key {}", self.key))
    }

    /// Whose data it is.
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

    /// What is wrong with the command itself, whatever the ledger says.
    pub fn wrong(&self) -> Option<Problem> {
        match self.request() {
            Ok((_, asked)) => asked.check().err(),
            Err(problem) => Some(problem),
        }
    }

    /// What it asks for, and of which booking; the booking is empty where one is to be created.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn request(&self) -> Result<(String, BookingRequest), Problem> {
        if let Some(bytes) = self.bytes {
            return Err(if bytes > BODY_BYTES_MAX {
                Problem::new(Kind::TooLarge, format!("the body may have {BODY_BYTES_MAX} bytes"))
            } else {
                Problem::new(Kind::Malformed, "the body is not JSON: it is not UTF-8")
            });
        }
        if self.key.len() > KEY_BYTES_MAX {
            let detail = format!("write 1 to {KEY_BYTES_MAX} visible characters, new for every request");
            return Err(Problem::field("Idempotency-Key", detail));
        }
        let verb = self.verb.strip_prefix("booking.").filter(|verb| VERBS.contains(verb));
        let Some(verb) = verb else {
            let detail = format!("there is no command {:?}: write booking. and one of {}", self.verb, VERBS.join(", "));
            return Err(Problem::new(Kind::NotFound, detail));
        };
        let body = self.body.as_bytes();
        if verb == "create" {
            return Ok((String::new(), BookingRequest::Create(read::object::<NewBooking>(body)?)));
        }
        let mut rest: Map<String, Value> = read::object(body)?;
        let booking = match rest.remove("booking") {
            Some(Value::String(booking)) => booking,
            Some(_) => return Err(Problem::field("booking", "write the booking's id as a text")),
            None => return Err(Problem::field("booking", "is missing: write the booking's id")),
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

/// The source that commands are deliveries of.
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
        Some(key) => {
            Err(Problem::field(key.chars().take(80).collect::<String>(), "is not known here: only booking is"))
        }
    }
}
