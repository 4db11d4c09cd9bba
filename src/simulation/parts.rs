//! Replaceable parts: the simulation's own ability to find defects is tested by planting some.

use std::sync::Arc;

use crate::{
    ports::{
        checkpoints::Checkpoints, clock::Clock, event_store::EventStore, projection_store::ProjectionStore,
        provider::CalendarProvider, source::BookingSource, transport::Transport,
    },
    services::sync::worklist::Worklist,
};

/// Wraps what the services use. Unless overridden, every method returns its argument. Each is called once per process, so
/// the state of a part ends with its process.
pub trait Parts: Send + Sync {
    /// The ledger on disk, which all processes share.
    fn disk(&self, ledger: Arc<dyn EventStore>) -> Arc<dyn EventStore> {
        ledger
    }

    /// The ledger as the services see it.
    fn ledger(&self, ledger: Arc<dyn EventStore>) -> Arc<dyn EventStore> {
        ledger
    }

    /// The network as the adapters see it.
    fn transport(&self, transport: Arc<dyn Transport>) -> Arc<dyn Transport> {
        transport
    }

    /// A calendar provider as the services see it.
    fn provider(&self, provider: Arc<dyn CalendarProvider>, _clock: &Arc<dyn Clock>) -> Arc<dyn CalendarProvider> {
        provider
    }

    /// A booking source as the services see it.
    fn source(&self, source: Arc<dyn BookingSource>) -> Arc<dyn BookingSource> {
        source
    }

    /// The read models as the projector sees them.
    fn models(&self, models: Arc<dyn ProjectionStore>) -> Arc<dyn ProjectionStore> {
        models
    }

    /// The checkpoints as the workers see them.
    fn checkpoints(&self, checkpoints: Arc<dyn Checkpoints>) -> Arc<dyn Checkpoints> {
        checkpoints
    }

    /// The mapping as the workers see it.
    fn worklist(&self, worklist: Arc<dyn Worklist>, _ledger: &Arc<dyn EventStore>) -> Arc<dyn Worklist> {
        worklist
    }
}

/// The parts that ship.
#[derive(Debug, Clone, Copy, Default)]
pub struct AsShipped;

impl Parts for AsShipped {}
