//! One call to USchedule's API: URL and bearer key.

use std::{sync::Arc, time::Duration};

use super::{
    Secret,
    errors::{self, Call},
};
use crate::{
    adapters::shared::{pause::Pause, percent::percent_encoded},
    domain::failure::{CallFailure, FailureClass},
    ports::{
        clock::Clock,
        transport::{Request, Response, Transport},
    },
};

const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// Calls one API with one key.
pub(super) struct Client {
    pub transport: Arc<dyn Transport>,
    pub clock: Arc<dyn Clock>,
    /// Without a trailing slash.
    pub base_url: String,
    pub api_key: Secret,
    pub pause: Pause,
}

impl Client {
    /// `<base>/v1/appointments`.
    pub fn appointments_url(&self) -> String {
        format!("{}/v1/appointments", self.base_url)
    }

    /// `<base>/v1/appointments/<id>`. An empty id, or dots, would address another resource.
    pub fn appointment_url(&self, id: &str) -> Result<String, CallFailure> {
        if id.is_empty() || id == "." || id == ".." || id.len() > 1024 {
            let summary = "the id is not valid in a URL; nothing was sent";
            return Err(CallFailure::new(FailureClass::NonRetryable, summary));
        }
        Ok(format!("{}/{}", self.appointments_url(), percent_encoded(id)))
    }

    /// Sends the request once. Returns 2xx responses only.
    pub async fn send(&self, call: Call, request: Request) -> Result<Response, CallFailure> {
        let request = request
            .header("authorization", format!("Bearer {}", self.api_key.as_str()))
            .header("accept", "application/json");
        self.pause.check(self.clock.now())?;
        let response = self.transport.send(request, CALL_TIMEOUT).await;
        let response = response.map_err(|failure| errors::unanswered(&failure, call))?;
        self.pause.heed(&response, self.clock.now());
        if (200..300).contains(&response.status) {
            Ok(response)
        } else {
            Err(errors::refused(&response, call, self.clock.now()))
        }
    }
}
