//! Verifies and parses USchedule's webhook deliveries. Pure: headers, body and time in.
//!
//! HMAC-SHA256 over `id.timestamp.body`. Several signatures and several secrets may be valid at once, so that either
//! side can change a secret without losing deliveries. A replay within the time window has the same id, which is already
//! recorded.

use chrono::{DateTime, TimeDelta, Utc};
use data_encoding::HEXLOWER_PERMISSIVE;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq as _};

use super::{Secret, mapping};
use crate::{domain::ids::SourceName, ports::deliveries::Delivery};

/// Header with the delivery's id.
pub const DELIVERY_HEADER: &str = "x-uschedule-delivery";
/// Header with the time of sending, in seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "x-uschedule-timestamp";
/// Header with the signatures: `v1=<64 hex digits>`, separated by commas.
pub const SIGNATURE_HEADER: &str = "x-uschedule-signature";

/// Maximum difference between the time of sending and ours.
pub const WINDOW: TimeDelta = TimeDelta::minutes(5);
/// Maximum size of the body, in bytes.
pub const BODY_BYTES_MAX: usize = 256 * 1024;
/// Maximum number of signatures: more than key rotation needs would only cost computing time.
const SIGNATURES_MAX: usize = 8;
const ID_BYTES_MAX: usize = 120;

/// Why a delivery is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A header is missing or invalid.
    #[error("the header {0} is missing or invalid")]
    Header(&'static str),
    /// The body is longer than [`BODY_BYTES_MAX`].
    #[error("the body is too large")]
    TooLong,
    /// It was sent too long ago or in the future: a replay, or a wrong clock.
    #[error("it was sent {0} seconds from now, more than the 300 allowed")]
    OutsideWindow(i64),
    /// No secret is configured, so nothing can be verified.
    #[error("no webhook secret is configured")]
    NoSecret,
    /// No signature is valid.
    #[error("the signature is invalid")]
    BadSignature,
    /// The signature is valid, but the body is not a delivery.
    #[error("the body is not a delivery: {0}")]
    Malformed(&'static str),
}

/// A verified delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Type of the change, such as `appointment.created`.
    pub kind: String,
    /// Time of the change, by the source's clock.
    pub created_at: DateTime<Utc>,
    /// The delivered appointment.
    pub delivery: Delivery,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    id: String,
    #[serde(rename = "type")]
    kind: String,
    created_at: DateTime<Utc>,
    #[serde(borrow)]
    data: Data<'a>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    appointment: &'a RawValue,
}

/// Verifies a delivery; `header` returns the value of a lower-case name.
///
/// # Errors
/// [`Refusal`]. The body is parsed only after a signature was found valid.
pub fn accept<'a>(
    source: &SourceName,
    secrets: &[Secret],
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<Webhook, Refusal> {
    let id = verify(secrets, header, body, now)?;
    let text = std::str::from_utf8(body).map_err(|_| Refusal::Malformed("it is not UTF-8"))?;
    let envelope: Envelope = serde_json::from_str(text)
        .map_err(|_| Refusal::Malformed("it needs id, type, created_at and data.appointment"))?;
    if envelope.id != id {
        return Err(Refusal::Malformed("its id differs from the signed one"));
    }
    let value = serde_json::from_str(envelope.data.appointment.get())
        .map_err(|_| Refusal::Malformed("its appointment is not JSON"))?;
    let subject = mapping::subject(source, &value);
    let body = envelope.data.appointment.get().to_owned();
    Ok(Webhook { kind: envelope.kind, created_at: envelope.created_at, delivery: Delivery { id, subject, body } })
}

/// Checks headers and signature; returns the delivery's id.
fn verify<'a>(
    secrets: &[Secret],
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<String, Refusal> {
    if secrets.is_empty() || secrets.iter().any(|secret| secret.as_str().is_empty()) {
        return Err(Refusal::NoSecret);
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(Refusal::TooLong);
    }
    let wanted = |name: &'static str| header(name).filter(|v| !v.is_empty()).ok_or(Refusal::Header(name));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"._~@-".contains(&b);
    let id = wanted(DELIVERY_HEADER)?;
    if id.len() > ID_BYTES_MAX || !id.bytes().all(plain) {
        return Err(Refusal::Header(DELIVERY_HEADER));
    }
    let timestamp = wanted(TIMESTAMP_HEADER)?;
    let sent_at = timestamp.parse::<i64>().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let sent_at = sent_at.ok_or(Refusal::Header(TIMESTAMP_HEADER))?;
    let off = (now - sent_at).abs();
    let signatures = signatures(wanted(SIGNATURE_HEADER)?).ok_or(Refusal::Header(SIGNATURE_HEADER))?;
    if off > WINDOW {
        return Err(Refusal::OutsideWindow(off.num_seconds()));
    }
    // Every pair is compared completely, so that timing reveals nothing.
    let mut right = Choice::from(0);
    for secret in secrets {
        let expected = mac(secret, id, timestamp, body);
        for signature in &signatures {
            right |= expected.ct_eq(signature);
        }
    }
    if bool::from(right) { Ok(id.to_owned()) } else { Err(Refusal::BadSignature) }
}

/// The timestamp is used as written, so that different spellings are different messages.
fn mac(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_str().as_bytes()).expect("HMAC takes keys of any length");
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Complete signatures of our version. Those of other versions are ignored.
fn signatures(header: &str) -> Option<Vec<[u8; 32]>> {
    let parts: Vec<&str> = header.split(',').map(str::trim).collect();
    if parts.len() > SIGNATURES_MAX {
        return None;
    }
    let ours: Option<Vec<[u8; 32]>> = parts.iter().filter_map(|part| part.strip_prefix("v1=")).map(digest).collect();
    ours.filter(|found| !found.is_empty())
}

fn digest(text: &str) -> Option<[u8; 32]> {
    HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?.try_into().ok()
}
