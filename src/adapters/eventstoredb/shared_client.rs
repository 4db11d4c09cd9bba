//! The line to the server: the client, made anew when it has given up.
//!
//! The client's own task ends for good when it cannot connect, and it never looks for another node of a cluster while it
//! believes in the one it has. So whoever finds the line broken says so, and the next call has a new client.

use std::sync::{Mutex, PoisonError};

use eventstore::{BatchAppendOptions, Client, ReadAllOptions, ReadStreamOptions, SubscribeToAllOptions};

use super::{address::Address, failure::ServerFailure};

/// The client, and how many there have been.
pub(super) struct SharedClient {
    pub address: Address,
    current: Mutex<Current>,
}

struct Current {
    count: u64,
    client: Option<Client>,
}

/// A client as it was handed out.
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

    /// The line over `held` is broken. Of several who notice, one has an effect.
    pub fn broken(&self, held: &ClientHandle) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.count == held.count {
            current.client = None;
        }
    }

    /// Lets go of the client.
    pub fn close(&self) {
        self.current.lock().unwrap_or_else(PoisonError::into_inner).client = None;
    }

    /// How to read the whole log.
    pub fn read_all(&self) -> ReadAllOptions {
        let options = ReadAllOptions::default().requires_leader(true);
        match &self.address.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        }
    }

    /// How to read a stream.
    pub fn read_stream(&self) -> ReadStreamOptions {
        let options = ReadStreamOptions::default().requires_leader(true);
        match &self.address.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        }
    }

    /// How to follow the log.
    pub fn subscribe(&self) -> SubscribeToAllOptions {
        let options = SubscribeToAllOptions::default().requires_leader(true);
        match &self.address.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        }
    }

    /// How to append. Without a deadline: the client would end the whole session with it. Each append has the client's ten
    /// seconds at the server, and ours here.
    pub fn append(&self) -> BatchAppendOptions {
        let options = BatchAppendOptions::default().requires_leader(true);
        match &self.address.credentials {
            Some(credentials) => options.authenticated(credentials.clone()),
            None => options,
        }
    }
}
