//! A transport without a network: calls models in process, at the time a given clock shows. For the simulation.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    model::{Outcome, Shared},
    target::Target,
};
use crate::ports::{
    clock::Clock,
    transport::{Failure, Request, Response, Transport},
};

/// Routes requests to models by host (and port, where the URL has one). An unknown host is [`Failure::NotSent`].
pub struct DirectTransport {
    clock: Arc<dyn Clock>,
    hosts: Mutex<BTreeMap<String, Shared>>,
}

impl DirectTransport {
    /// A transport that reaches nobody yet.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, hosts: Mutex::default() }
    }

    /// The same transport, reaching `model` at `host`.
    #[must_use]
    pub fn with(self, host: &str, model: Shared) -> Self {
        self.hosts.lock().unwrap_or_else(PoisonError::into_inner).insert(host.to_owned(), model);
        self
    }
}

#[async_trait]
impl Transport for DirectTransport {
    async fn send(&self, request: Request, timeout: Duration) -> Result<Response, Failure> {
        let host = Target::host_of(&request.url).unwrap_or_default();
        let model = self.hosts.lock().unwrap_or_else(PoisonError::into_inner).get(&host).cloned();
        let Some(model) = model else { return Err(Failure::NotSent(format!("unknown host {host}"))) };
        let now = self.clock.now();
        let outcome = model.lock().unwrap_or_else(PoisonError::into_inner).handle(&request, now);
        match outcome {
            // Virtual time stands still during a call, so a slow answer is either in time or too late.
            Outcome::Answer { after, .. } if after >= timeout && !after.is_zero() => {
                Err(Failure::NoAnswer(format!("timed out after {} ms", timeout.as_millis())))
            }
            Outcome::Answer { response, .. } => Ok(response),
            Outcome::Lost { partial: Some(_), .. } => Err(Failure::NoAnswer("the answer broke off".into())),
            Outcome::Lost { partial: None, .. } => Err(Failure::NoAnswer("the connection was lost".into())),
            Outcome::Unreachable => Err(Failure::NotSent("the connection was refused".into())),
        }
    }
}
