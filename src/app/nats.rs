//! NATS as configured: the feed of events, and the queue of commands.

use std::{fs, sync::Arc};

use anyhow::Context as _;
use zeroize::Zeroizing;

use super::Stores;
use crate::{
    adapters::nats::{Access, Nats, NatsCommands, NatsPublisher, Settings, Shape},
    config::{Config, NatsAccess, Secret},
    ports::publisher::Publisher,
    services::{
        commands::{Commands, Rules},
        relay::{Progress, Relay},
    },
};

/// The running parts.
pub struct Feed {
    /// Publishes events.
    pub relay: Arc<Relay>,
    /// Receives commands, if configured.
    pub commands: Option<Arc<Commands>>,
    /// Progress of publishing.
    pub progress: Progress,
}

/// Sets up publishing and commands; `None` if NATS is not configured. If the server is unavailable, it is retried
/// in the background.
///
/// # Errors
/// Invalid settings.
pub async fn open(config: &Config, stores: &Stores) -> anyhow::Result<Option<Feed>> {
    let Some(nats) = &config.nats else { return Ok(None) };
    let connection = Nats::connect(settings(config, nats)?).await.map_err(anyhow::Error::msg)?;
    let shape = shape(config, nats);
    let publisher =
        Arc::new(NatsPublisher::new(connection.clone(), shape.clone(), stores.clock.event_id().to_string()));
    let (store, clock) = (Arc::clone(stores.journal.store()), Arc::clone(&stores.clock));
    let relay = Relay::new(store, clock, Arc::clone(&stores.checkpoints), publisher, checkpoint(&shape));
    let commands = nats.commands.as_ref().map(|rules| {
        let rules = Rules { any: rules.any, deliveries_max: rules.deliveries_max };
        let queue = Arc::new(NatsCommands::new(connection, shape));
        Arc::new(Commands::new(stores.journal.clone(), queue, rules))
    });
    Ok(Some(Feed { progress: relay.progress(), relay: Arc::new(relay), commands }))
}

/// The feed, connected now, for `sender`, and the name of its checkpoint; `None` if NATS is not configured.
///
/// # Errors
/// Invalid settings, or an unavailable server.
pub async fn publisher(config: &Config, sender: &str) -> anyhow::Result<Option<(Arc<dyn Publisher>, String)>> {
    let Some(nats) = &config.nats else { return Ok(None) };
    let connection = Nats::connect_now(settings(config, nats)?).await.map_err(anyhow::Error::msg)?;
    let shape = shape(config, nats);
    let worker = checkpoint(&shape);
    Ok(Some((Arc::new(NatsPublisher::new(connection, shape, sender)), worker)))
}

/// One per feed: another stream is published from the beginning.
fn checkpoint(shape: &Shape) -> String {
    format!("feed:{}", shape.name)
}

fn settings(config: &Config, nats: &crate::config::Nats) -> anyhow::Result<Settings> {
    let text = |secret: &Secret| Zeroizing::new(secret.reveal().to_owned());
    let access = match &nats.access {
        NatsAccess::Open => Access::Open,
        NatsAccess::Password(user, password) => Access::Password(user.clone(), text(password)),
        NatsAccess::Token(token) => Access::Token(text(token)),
        NatsAccess::Nkey(seed) => Access::Nkey(text(seed)),
        NatsAccess::Credentials(credentials) => Access::Credentials(text(credentials)),
    };
    let authorities = match &nats.ca_file {
        Some(path) => Some(fs::read_to_string(path).with_context(|| format!("nats.ca_file {}", path.display()))?),
        None => None,
    };
    Ok(Settings { servers: nats.servers.clone(), access, authorities, workspace: config.workspace.clone() })
}

fn shape(config: &Config, nats: &crate::config::Nats) -> Shape {
    let usual = Shape::of(&config.workspace);
    let stream = &nats.stream;
    Shape {
        name: stream.name.clone().unwrap_or(usual.name),
        replicas: stream.replicas.unwrap_or(usual.replicas),
        age_max: stream.age_max.or(usual.age_max),
        bytes_max: stream.bytes_max.or(usual.bytes_max),
        messages_max: stream.messages_max.or(usual.messages_max),
        duplicate_window: stream.duplicate_window.unwrap_or(usual.duplicate_window),
    }
}
