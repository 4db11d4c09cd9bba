//! What every sandbox model has in common: one request in, one outcome out, struck by faults and written to the call log.

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

/// A model shared by those who call it, those who drive it and those who look at it.
pub type Shared = Arc<Mutex<dyn Model>>;

/// What the caller gets of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// An answer.
    Answer {
        /// The answer.
        response: Response,
        /// How long it takes; zero unless a fault says so.
        after: Duration,
    },
    /// The connection was lost after the request was sent.
    Lost {
        /// Whether the request changed anything.
        committed: bool,
        /// What had come through of the answer: its head with a length, and too few bytes.
        partial: Option<Response>,
    },
    /// The request never arrived.
    Unreachable,
}

impl Outcome {
    /// The answer, where there is one.
    pub fn response(self) -> Option<Response> {
        match self {
            Self::Answer { response, .. } => Some(response),
            Self::Lost { .. } | Self::Unreachable => None,
        }
    }
}

/// What surrounds a model: armed faults and the log of its calls.
#[derive(Debug, Default)]
pub struct Desk {
    /// Faults armed.
    pub faults: Faults,
    /// Calls so far.
    pub calls: CallLog,
    /// How the page listed by the current call is out of step, where a fault says so.
    pub page: Option<Kind>,
}

/// A model provider. Pure: the same calls at the same times give the same answers.
pub trait Model: Send {
    /// Its faults and calls.
    fn desk(&mut self) -> &mut Desk;

    /// How many times what it keeps has changed.
    fn changes(&self) -> u64;

    /// Answers a request that no fault keeps away.
    fn answer(&mut self, request: &Request, target: &Target, now: DateTime<Utc>) -> Response;

    /// The provider's own way of saying `status` for `reason` (empty where the fault names none).
    fn failure(&self, target: &Target, status: u16, reason: &str, retry_after_s: Option<u32>) -> Response;

    /// Makes every sync token given out so far invalid, where it has such.
    fn expire_sync_tokens(&mut self);

    /// The notifications due now.
    fn take_deliveries(&mut self, now: DateTime<Utc>) -> Vec<Delivery>;

    /// How a delivery went: the status answered, `None` where there was no answer.
    fn delivered(&mut self, delivery: &Delivery, status: Option<u16>, now: DateTime<Utc>);

    /// The model's own control calls, behind `/_sandbox/`: what a person does, what the truth is. `None` where it has no
    /// such call.
    fn control(&mut self, method: &str, target: &Target, body: &Value, now: DateTime<Utc>) -> Option<Response>;

    /// Handles a request as the provider would, faults included, and logs it.
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

    /// The answer to a request struck by a fault that still gives one.
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

/// An answer that breaks off: the length it promises, and half its bytes.
fn cut(mut whole: Response) -> Response {
    whole.headers.push(("content-length".into(), (whole.body.len().max(1)).to_string()));
    whole.body.truncate(whole.body.len() / 2);
    whole
}

/// A number that looks random and is not: the same for the same seed and count. (`SplitMix64`'s finaliser.)
pub fn scramble(seed: u64, count: u64) -> u64 {
    let mut z = seed ^ count.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
