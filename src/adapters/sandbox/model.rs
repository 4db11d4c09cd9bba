//! Shared by all sandbox models: one request in, one outcome out, with faults and a call log.

use std::{sync::Arc, sync::Mutex, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{
    call_log::{Call, CallLog},
    faults::{Faults, Kind},
    outbox::Delivery,
    target::Target,
};
use crate::ports::transport::{Request, Response};

/// A model shared by its callers and drivers.
pub type Shared = Arc<Mutex<dyn Model>>;

/// The outcome of a request, as seen by the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// A response.
    Answer {
        /// The response.
        response: Response,
        /// Its delay; zero without a fault.
        after: Duration,
    },
    /// The connection was lost after the request was sent.
    Lost {
        /// Whether the request changed anything.
        committed: bool,
        /// The received part of the response: its head with a length, and too few bytes.
        partial: Option<Response>,
    },
    /// The request never arrived.
    Unreachable,
}

impl Outcome {
    /// The response, if any.
    pub fn response(self) -> Option<Response> {
        match self {
            Self::Answer { response, .. } => Some(response),
            Self::Lost { .. } | Self::Unreachable => None,
        }
    }
}

/// Faults and call log of a model.
#[derive(Debug, Default)]
pub struct Desk {
    /// The active faults.
    pub faults: Faults,
    /// Calls so far.
    pub calls: CallLog,
    /// The fault for the page listed by the current call, if any.
    pub page: Option<Kind>,
}

/// A model of a provider. Pure: the same calls at the same times give the same responses.
pub trait Model: Send {
    /// Its faults and calls.
    fn desk(&mut self) -> &mut Desk;

    /// Number of changes of its state.
    fn changes(&self) -> u64;

    /// Answers a request without faults.
    fn answer(&mut self, request: &Request, target: &Target, now: DateTime<Utc>) -> Response;

    /// The provider's error response with `status` and `reason` (empty if the fault has none).
    fn failure(&self, target: &Target, status: u16, reason: &str, retry_after_s: Option<u32>) -> Response;

    /// Invalidates all sync tokens, if it has any.
    fn expire_sync_tokens(&mut self);

    /// The notifications due now.
    fn take_deliveries(&mut self, now: DateTime<Utc>) -> Vec<Delivery>;

    /// Reports the result of a delivery: the status, or `None` without an answer.
    fn delivered(&mut self, delivery: &Delivery, status: Option<u16>, now: DateTime<Utc>);

    /// The model's own control calls, behind `/_sandbox/`: actions of people, and the true state. `None` if it has no
    /// such call.
    fn control(&mut self, method: &str, target: &Target, body: &Value, now: DateTime<Utc>) -> Option<Response>;

    /// Handles a request like the provider, including faults, and logs it.
    fn handle(&mut self, request: &Request, now: DateTime<Utc>) -> Outcome {
        let Some(target) = Target::of(&request.url) else { return Outcome::Unreachable };
        let hit = self.desk().faults.on_request(request.method, &target.path);
        let mut call = Call::of(request, now);
        call.fault = hit.kind.as_ref().map(Kind::name);
        let before = self.changes();
        let outcome = match hit.kind {
            Some(Kind::Unreachable) => Outcome::Unreachable,
            Some(Kind::BeforeCommit) => Outcome::Lost { committed: false, partial: None },
            Some(Kind::AfterCommit) => {
                self.answer(request, &target, now);
                Outcome::Lost { committed: self.changes() != before, partial: None }
            }
            Some(Kind::Truncated) => {
                let whole = self.answer(request, &target, now);
                Outcome::Lost { committed: self.changes() != before, partial: Some(cut(whole)) }
            }
            Some(kind) => Outcome::Answer { response: self.struck(kind, request, &target, now), after: hit.slow },
            None => Outcome::Answer { response: self.answer(request, &target, now), after: hit.slow },
        };
        call.committed = self.changes() != before;
        if let Outcome::Answer { response, .. } = &outcome {
            call.status = Some(response.status);
        }
        self.desk().calls.add(call);
        outcome
    }

    /// The response to a request with a fault that still gives one.
    fn struck(&mut self, kind: Kind, request: &Request, target: &Target, now: DateTime<Utc>) -> Response {
        match kind {
            Kind::Status { status, reason, retry_after_s, carried_out } => {
                if carried_out {
                    self.answer(request, target, now);
                }
                self.failure(target, status, &reason, retry_after_s)
            }
            Kind::Unauthorised => self.failure(target, 401, "", None),
            Kind::PageRepeats | Kind::PageOmits => {
                self.desk().page = Some(kind);
                let response = self.answer(request, target, now);
                self.desk().page = None;
                response
            }
            Kind::ExpireSyncTokens => {
                self.expire_sync_tokens();
                self.answer(request, target, now)
            }
            Kind::BeforeCommit
            | Kind::AfterCommit
            | Kind::Truncated
            | Kind::Unreachable
            | Kind::Slow { .. }
            | Kind::DropDelivery
            | Kind::DuplicateDelivery
            | Kind::DelayDelivery { .. } => self.answer(request, target, now),
        }
    }
}

/// A response that is cut off: its full length in the header, and half of its bytes.
fn cut(mut whole: Response) -> Response {
    whole.headers.push(("content-length".into(), (whole.body.len().max(1)).to_string()));
    whole.body.truncate(whole.body.len() / 2);
    whole
}

/// A pseudo-random number: the same for the same seed and count. (`SplitMix64`'s finaliser.)
pub fn scramble(seed: u64, count: u64) -> u64 {
    let mut z = seed ^ count.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
