//! Creates and updates streams, without reverting an operator's changes.
//!
//! Our settings are also stored in the stream's metadata. A stream that still has them follows a changed configuration; one
//! that differs was changed by somebody else, and is left as it is, with a warning.

use std::collections::BTreeMap;

use async_nats::jetstream::{
    ErrorCode,
    context::{CreateStreamErrorKind, GetStreamErrorKind},
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};

use super::{Nats, Shape};
use crate::record::subject;

/// The key in a stream's metadata.
const SET_BY_US: &str = "syncledger-settings";

/// Why a stream could not be set up.
pub(super) enum Failure {
    /// No answer.
    Unavailable(String),
    /// It cannot be set up as required.
    Refused(String),
}

/// Configuration of the stream of events.
pub(super) fn events(workspace: &str, shape: &Shape) -> Config {
    let limit = |limit: Option<u64>| limit.and_then(|n| i64::try_from(n).ok()).unwrap_or(-1);
    Config {
        name: shape.name.clone(),
        description: Some(format!("Events of the ledger of {workspace}, in its order")),
        subjects: subject::all_events(workspace),
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        max_age: shape.age_max.unwrap_or_default(),
        max_bytes: limit(shape.bytes_max),
        max_messages: limit(shape.messages_max),
        duplicate_window: match shape.age_max {
            // The server refuses a window longer than the maximum age.
            Some(age) => shape.duplicate_window.min(age),
            None => shape.duplicate_window,
        },
        num_replicas: shape.replicas,
        allow_direct: true,
        ..basics()
    }
}

/// Configuration of the stream of commands.
pub(super) fn commands(workspace: &str, shape: &Shape) -> Config {
    Config {
        name: format!("{}-commands", shape.name),
        description: Some(format!("Commands to the ledger of {workspace} that are not carried out yet")),
        subjects: vec![subject::all_commands(workspace)],
        retention: RetentionPolicy::WorkQueue,
        // A full queue refuses new commands: dropping old ones would lose accepted commands.
        discard: DiscardPolicy::New,
        duplicate_window: shape.duplicate_window,
        num_replicas: shape.replicas,
        ..basics()
    }
}

fn basics() -> Config {
    Config { storage: StorageType::File, max_bytes: -1, max_messages: -1, ..Config::default() }
}

impl Nats {
    /// Creates or updates a stream. Returns the settings that differ and stay so.
    pub(super) async fn set_up(&self, wanted: Config) -> Result<Vec<String>, Failure> {
        if let Some(why) = self.down() {
            return Err(Failure::Unavailable(why));
        }
        let name = wanted.name.clone();
        let known = match self.with_timeout(self.context.get_stream(&name)).await.map_err(Failure::Unavailable)? {
            Ok(stream) => stream.cached_info().config.clone(),
            Err(error) => match error.kind() {
                GetStreamErrorKind::JetStream(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    return self.create(wanted).await.map(|()| Vec::new());
                }
                GetStreamErrorKind::JetStream(error) => return Err(Failure::Refused(error.to_string())),
                GetStreamErrorKind::InvalidStreamName | GetStreamErrorKind::EmptyName => {
                    return Err(Failure::Refused(format!(
                        "{name:?} is not a valid stream name: correct nats.stream.name"
                    )));
                }
                GetStreamErrorKind::Request => return Err(Failure::Unavailable(error.to_string())),
            },
        };
        let (want, have) = (settings(&wanted), settings(&known));
        if want == have {
            return Ok(Vec::new());
        }
        if known.metadata.get(SET_BY_US) == Some(&word(&have)) {
            let mut update = marked(wanted);
            // Settings of others are kept.
            update.placement.clone_from(&known.placement);
            update.republish.clone_from(&known.republish);
            return match self.context.update_stream(update).await {
                Ok(_) => Ok(Vec::new()),
                Err(error) => Ok(vec![format!("cannot update stream {name} to match the configuration: {error}")]),
            };
        }
        let subjects = &want["subjects"];
        if have["subjects"] != *subjects {
            let why = format!(
                "stream {name} has the subjects {}, not {subjects}: choose another name in nats.stream.name, or set \
                its subjects with `nats stream edit`",
                have["subjects"]
            );
            return Err(Failure::Refused(why));
        }
        let differing = want.iter().filter(|(key, value)| have.get(*key) != Some(*value)).map(|(key, value)| {
            let theirs = have.get(key).map_or("nothing", String::as_str);
            format!(
                "stream {name} was changed by somebody else and is left unchanged: {key} is {theirs}, but configured as {value}"
            )
        });
        Ok(differing.collect())
    }

    async fn create(&self, wanted: Config) -> Result<(), Failure> {
        let name = wanted.name.clone();
        self.context.create_stream(marked(wanted)).await.map(drop).map_err(|error| match error.kind() {
            CreateStreamErrorKind::TimedOut => Failure::Unavailable(error.to_string()),
            CreateStreamErrorKind::JetStreamUnavailable => {
                Failure::Refused("JetStream is not available: enable it for this account".to_owned())
            }
            _ => Failure::Refused(format!("cannot create stream {name}: {error}")),
        })
    }
}

fn marked(mut config: Config) -> Config {
    let word = word(&settings(&config));
    config.metadata.insert(SET_BY_US.to_owned(), word);
    config
}

/// Our settings, with the names used by the server's own tools.
fn settings(config: &Config) -> BTreeMap<&'static str, String> {
    let limit = |n: i64| if n <= 0 { "none".to_owned() } else { n.to_string() };
    let mut subjects = config.subjects.clone();
    subjects.sort();
    BTreeMap::from([
        ("subjects", subjects.join(" ")),
        ("retention", format!("{:?}", config.retention)),
        ("discard", format!("{:?}", config.discard)),
        ("storage", format!("{:?}", config.storage)),
        ("replicas", config.num_replicas.max(1).to_string()),
        ("max_age", format!("{:?}", config.max_age)),
        ("max_bytes", limit(config.max_bytes)),
        ("max_msgs", limit(config.max_messages)),
        ("duplicate_window", format!("{:?}", config.duplicate_window)),
        ("allow_direct", config.allow_direct.to_string()),
    ])
}

fn word(settings: &BTreeMap<&'static str, String>) -> String {
    settings.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("; ")
}
