//! The connection to the server: the client, recreated when it has given up.
//!
//! The client's task ends permanently when it cannot connect, and it never looks for another cluster node while it
//! has one. So a caller that finds the connection lost reports it, and the next call gets a new client.

use std::sync::{Mutex, PoisonError};

use eventstore::{BatchAppendOptions, Client, ReadAllOptions, ReadStreamOptions, SubscribeToAllOptions};

use super::{address::Address, failure::ServerFailure};

/// The client, and how often it was created.
pub(super) struct SharedClient {
    pub address: Address,
    current: Mutex<Current>,
}

struct Current {
    count: u64,
    client: Option<Client>,
}

/// A client in use.
#[derive(Clone)]
pub(super) struct ClientHandle {
    pub client: Client,
    count: u64,
}

impl SharedClient {
    pub fn new(address: Address) -> Self {
        Self { address, current: Mutex::new(Current { count: 0, client: None }) }
    }

    /// The client. Needs a tokio runtime.
    pub fn client(&self) -> Result<ClientHandle, ServerFailure> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match &current.client {
            Some(client) => client.clone(),
            None => {
                let client = Client::new(self.address.settings.clone()).map_err(ServerFailure::from)?;
                current.count += 1;
                current.client.insert(client).clone()
            }
        };
        Ok(ClientHandle { client, count: current.count })
    }

    /// Reports that the connection of `held` is lost. Only the first report has an effect.
    pub fn broken(&self, held: &ClientHandle) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.count == held.count {
            current.client = None;
        }
    }

    /// Drops the client.
    pub fn close(&self) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).client = None;
    }

    /// Options for reading the whole log.
    pub fn read_all(&self) -> ReadAllOptions {
        let options = ReadAllOptions::default().requires_leader(true);
        match &self.address.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        }
    }

    /// Options for reading a stream.
    pub fn read_stream(&self) -> ReadStreamOptions {
        let options = ReadStreamOptions::default().requires_leader(true);
        match &self.address.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        }
    }

    /// Options for following the log.
    pub fn subscribe(&self) -> SubscribeToAllOptions {
        let options = SubscribeToAllOptions::default().requires_leader(true);
        match &self.address.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        }
    }

    /// Options for appending. Without a deadline, with which the client would end the whole session. The server has ten
    /// seconds per append, and we apply our own limit.
    pub fn append(&self) -> BatchAppendOptions {
        let options = BatchAppendOptions::default().requires_leader(true);
        match &self.address.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        }
    }
}
