//! `events append`: appends an event by hand, checked against its type before it is written.

use std::{fs, io::Read as _};

use clap::Args;
use serde_json::{Value, json};

use super::{CliError, Session};
use crate::{
    domain::ids::Version,
    ports::event_store::{EVENT_BYTES_MAX, ExpectedVersion},
    record::{codec, schema, stream::StreamName, upcast},
};

#[derive(Debug, Args)]
pub struct Append {
    /// Stream name, such as booking-uschedule.1001
    stream: String,
    /// Event type, such as booking.cancelled
    #[arg(long = "type", value_name = "T")]
    kind: String,
    /// Event data as JSON; @FILE reads a file, - reads standard input
    #[arg(long, value_name = "JSON")]
    data: String,
    /// Create the stream; it must not exist yet
    #[arg(long)]
    new: bool,
}

pub async fn run(session: &Session, append: Append) -> Result<(), CliError> {
    let stream = StreamName::parse(&append.stream).map_err(CliError::usage)?;
    let data = data(&append.data)?;
    let kind = &append.kind;
    let types = types();
    if !types.contains(kind) {
        let category = format!("{}.", stream.category.as_str());
        let types_of_stream: Vec<&str> =
            types.iter().filter(|t| t.starts_with(&category)).map(String::as_str).collect();
        return Err(CliError::usage(format!(
            "unknown event type {kind:?}; this stream takes {}",
            types_of_stream.join(", ")
        )));
    }
    let fact = codec::from_data(kind, upcast::current(kind), data).map_err(CliError::usage)?;
    if fact.category() != stream.category.as_str() {
        return Err(CliError::usage(format!("event type {kind} does not belong in stream {stream}")));
    }
    let stores = if append.new { session.stores().await? } else { session.existing_stores().await? };
    let last = stores.journal.store().last(&stream).await.map_err(CliError::refused)?.map(|r| r.version);
    match (last, append.new) {
        (None, false) => {
            let what = "check the name, or create it with --new";
            return Err(CliError::refused(format!("stream {stream} does not exist: {what}")));
        }
        (Some(Version(last)), true) => {
            return Err(CliError::refused(format!(
                "stream {stream} already exists, up to version {last}; leave --new out"
            )));
        }
        (Some(_), false) | (None, true) => {}
    }
    let context = session.operator(&stores);
    let appended = stores.journal.append(&stream, ExpectedVersion::after(last), vec![fact], &context).await?;
    if session.printer.json {
        let (version, position) = (appended.version, appended.position);
        return session.printer.document(&json!({"stream": stream, "version": version, "position": position}));
    }
    session.printer.print_line(format!("{stream}@{} at position {}", appended.version, appended.position))
}

fn data(text: &str) -> Result<Value, CliError> {
    let wrong = |e: std::io::Error| CliError::usage(format!("--data {text}: {e}"));
    let text = match text.strip_prefix('@') {
        Some(path) => fs::read_to_string(path).map_err(wrong)?,
        None if text == "-" => {
            let mut read = String::new();
            std::io::stdin().take(EVENT_BYTES_MAX as u64 + 1).read_to_string(&mut read).map_err(wrong)?;
            read
        }
        None => text.to_owned(),
    };
    serde_json::from_str(&text).map_err(|e| CliError::usage(format!("--data is not JSON: {e}")))
}

/// All event types.
fn types() -> Vec<String> {
    let files = schema::all();
    files.values().filter_map(|s| s["title"].as_str()).filter(|t| t.contains('.')).map(str::to_owned).collect()
}
