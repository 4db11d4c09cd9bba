//! Implements the source port with USchedule's API.

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde::Deserialize;
use serde_json::{Value, value::RawValue};

use super::{
    USchedule,
    errors::{self, Call},
    mapping,
};
use crate::{
    adapters::shared::percent::percent_encoded,
    domain::{
        failure::{CallFailure, FailureClass},
        ids::{IdempotencyKey, SourceName},
        slot::Slot,
    },
    ports::{
        source::{BookingSource, Changes, SourceBooking},
        transport::{Request, Response},
    },
};

/// Appointments per page.
const PAGE_APPOINTMENTS_MAX: u32 = 200;

/// How far before the newest known change the next poll begins, to catch a change that the source stamped earlier and
/// committed later. One that is seen twice has the same delivery id, and changes nothing.
const OVERLAP: TimeDelta = TimeDelta::seconds(5);

#[derive(Deserialize)]
struct ListResponse<'a> {
    /// Unparsed: a delivery is recorded exactly as sent.
    #[serde(borrow)]
    appointments: Vec<&'a RawValue>,
    #[serde(default)]
    next_page_token: Option<String>,
}

#[async_trait]
impl BookingSource for USchedule {
    fn name(&self) -> &SourceName {
        &self.name
    }

    /// The cursor is a time: `OVERLAP` before the newest known change. It stays the same while nothing changes, and a page's
    /// `next` contains the newest change of the pages before it.
    async fn changes(&self, cursor: Option<&str>, page: Option<&str>) -> Result<Changes, CallFailure> {
        let (newest_before, page_token) = match page.and_then(|p| p.split_once(' ')) {
            Some((newest, token)) => (time(newest), Some(token)),
            None => (None, None),
        };
        let mut url = format!("{}?limit={PAGE_APPOINTMENTS_MAX}", self.client.appointments_url());
        if let Some(since) = cursor {
            url.push_str(&format!("&updated_since={}", percent_encoded(since)));
        }
        if let Some(token) = page_token {
            url.push_str(&format!("&page_token={}", percent_encoded(token)));
        }
        let response = self.client.send(Call::Changes, Request::new("GET", url)).await?;
        let unreadable = || errors::unreadable(Call::Changes, response.status, "it is not a list of appointments");
        let text = std::str::from_utf8(&response.body).map_err(|_| unreadable())?;
        let listed: ListResponse = serde_json::from_str(text).map_err(|_| unreadable())?;
        let deliveries: Vec<_> = listed.appointments.iter().map(|a| mapping::polled(&self.name, a.get())).collect();
        let newest = listed.appointments.iter().filter_map(|a| updated_at(a.get())).max().max(newest_before);
        let next = listed.next_page_token.filter(|token| !token.is_empty());
        if let Some(token) = next {
            let newest = newest.map_or_else(|| "-".into(), format_time);
            return Ok(Changes { deliveries, next: Some(format!("{newest} {token}")), cursor: None });
        }
        // Never moves back: a source that lists something older does not make us request more.
        let before = cursor.and_then(time);
        let reached = newest.map(|newest| newest - OVERLAP).max(before);
        let cursor = reached.map(format_time).or_else(|| cursor.map(str::to_owned));
        Ok(Changes { deliveries, next: None, cursor })
    }

    fn read(&self, body: &str) -> Result<SourceBooking, String> {
        mapping::source_booking(&self.name, body)
    }

    async fn get(&self, source_ref: &str) -> Result<Option<SourceBooking>, CallFailure> {
        let request = Request::new("GET", self.client.appointment_url(source_ref)?);
        match self.client.send(Call::Get, request).await {
            Ok(response) => self.source_booking(Call::Get, &response).map(Some),
            Err(failure) if failure.class == FailureClass::Gone => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    async fn reschedule(
        &self,
        source_ref: &str,
        slot: &Slot,
        expect_revision: Option<u64>,
        key: &IdempotencyKey,
    ) -> Result<Option<u64>, CallFailure> {
        let Some(body) = mapping::reschedule(slot) else {
            let summary = "USchedule does not support whole days; nothing was sent";
            return Err(CallFailure::new(FailureClass::RejectedBySource, summary));
        };
        let request = Request::new("PATCH", self.client.appointment_url(source_ref)?).json(&body);
        self.write(request, expect_revision, key).await
    }

    async fn cancel(
        &self,
        source_ref: &str,
        expect_revision: Option<u64>,
        key: &IdempotencyKey,
    ) -> Result<Option<u64>, CallFailure> {
        let url = format!("{}/cancel", self.client.appointment_url(source_ref)?);
        match self.write(Request::new("POST", url), expect_revision, key).await {
            Err(failure) if failure.reason.as_deref() == Some("already_cancelled") => {
                // It is cancelled, as wanted. An unreadable revision is no failure.
                Ok(self.get(source_ref).await.ok().flatten().and_then(|booking| booking.revision))
            }
            other => other,
        }
    }
}

impl USchedule {
    async fn write(
        &self,
        request: Request,
        expect_revision: Option<u64>,
        key: &IdempotencyKey,
    ) -> Result<Option<u64>, CallFailure> {
        let mut request = request.header("idempotency-key", key.as_str());
        if let Some(revision) = expect_revision {
            request = request.header("if-match", format!("\"{revision}\""));
        }
        let response = self.client.send(Call::Write, request).await?;
        self.source_booking(Call::Write, &response).map(|booking| booking.revision)
    }

    fn source_booking(&self, call: Call, response: &Response) -> Result<SourceBooking, CallFailure> {
        let unreadable = |why: &str| errors::unreadable(call, response.status, why);
        let text = std::str::from_utf8(&response.body).map_err(|_| unreadable("it is not UTF-8"))?;
        mapping::source_booking(&self.name, text).map_err(|why| unreadable(&why))
    }
}

fn updated_at(appointment: &str) -> Option<DateTime<Utc>> {
    let value: Value = serde_json::from_str(appointment).ok()?;
    time(value.get("updated_at")?.as_str()?)
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|at| at.with_timezone(&Utc))
}

fn format_time(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}
