//! Push: channels, and the bodiless notifications that go over them.

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use url::{Host, Url};

use super::{
    Google,
    auth::Need,
    call::Call,
    errors::{Answer, error, error_saying, invalid},
};
use crate::{
    adapters::sandbox::{
        model::scramble,
        outbox::{Delivery, Pending},
    },
    ports::transport::{Request, Response},
};

/// A subscription to a calendar's changes.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    id: String,
    resource_id: String,
    resource_uri: String,
    calendar: String,
    address: String,
    token: Option<String>,
    expires_at: DateTime<Utc>,
    stopped: bool,
    messages: u64,
}

/// One notification, of one channel.
#[derive(Debug, Clone)]
pub(super) struct Notice {
    channel: String,
    state: &'static str,
    number: u64,
}

impl Google {
    /// `POST …/events/watch`.
    pub(super) fn watch(&mut self, call: &Call, calendar: &str) -> Answer {
        let calendar = self.calendar_or_404(calendar)?;
        call.principal.need(Need::ReadEntries, Some(calendar))?;
        if !calendar.push {
            return Err(error(400, "pushNotSupportedForRequestedResource"));
        }
        let calendar = calendar.id.clone();
        let body = call.object()?;
        let text = |key: &str| body.get(key).and_then(Value::as_str);
        let missing = |what: &str| error_saying(400, "required", &format!("entity.{what}"));
        let id = text("id").filter(|id| !id.is_empty()).ok_or_else(|| missing("id"))?;
        if id.len() > 64 || !id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_+/=".contains(&b)) {
            return Err(invalid("Invalid channel id."));
        }
        if text("type") != Some("web_hook") {
            return Err(invalid("Unknown channel type."));
        }
        let address = text("address").ok_or_else(|| missing("address"))?;
        if !deliverable(address) {
            let message = format!("WebHook callback must be HTTPS: {address}");
            return Err(error_saying(400, "push.webhookUrlNotHttps", &message));
        }
        if self.live_channel(id, call.now).is_some() {
            return Err(error(400, "channelIdNotUnique"));
        }
        let channel = Channel {
            id: id.to_owned(),
            resource_id: resource_id(&calendar),
            resource_uri: resource_uri(&call.request.url),
            calendar,
            address: address.to_owned(),
            token: text("token").map(str::to_owned),
            expires_at: call.now + life_asked(&body, call.now)?.min(self.settings.channel_life_max),
            stopped: false,
            messages: 0,
        };
        let answer = json!({
            "kind": "api#channel",
            "id": channel.id,
            "resourceId": channel.resource_id,
            "resourceUri": channel.resource_uri,
            "token": channel.token,
            "expiration": channel.expires_at.timestamp_millis().to_string(),
        });
        self.channels.retain(|c| c.id != channel.id);
        self.channels.push(channel);
        self.change += 1;
        let index = self.channels.len() - 1;
        self.send(index, "sync", call.now);
        Ok(Response::json(200, &answer))
    }

    /// `POST /channels/stop`.
    pub(super) fn stop(&mut self, call: &Call) -> Answer {
        let body = call.object()?;
        let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default();
        let (id, resource) = (text("id"), text("resourceId"));
        let now = call.now;
        let ours = |c: &&mut Channel| c.id == id && c.resource_id == resource && c.live(now);
        let Some(channel) = self.channels.iter_mut().find(ours) else {
            return Err(error_saying(404, "notFound", &format!("Channel '{id}' not found for project 'sandbox'")));
        };
        channel.stopped = true;
        self.change += 1;
        Ok(Response::empty(204))
    }

    /// The ids of channels not expired at `now`, with their calendars and expiry.
    pub fn live_channels(&self, now: DateTime<Utc>) -> Vec<(&str, &str, DateTime<Utc>)> {
        let live = self.channels.iter().filter(|c| c.live(now));
        live.map(|c| (c.id.as_str(), c.calendar.as_str(), c.expires_at)).collect()
    }

    fn live_channel(&self, id: &str, now: DateTime<Utc>) -> Option<&Channel> {
        self.channels.iter().find(|c| c.id == id && c.live(now))
    }

    /// Queues a notification for every channel of a calendar.
    pub(super) fn notify(&mut self, calendar: &str, now: DateTime<Utc>) {
        for index in 0..self.channels.len() {
            if self.channels[index].calendar == calendar && self.channels[index].live(now) {
                self.send(index, "exists", now);
            }
        }
    }

    fn send(&mut self, index: usize, state: &'static str, now: DateTime<Utc>) {
        // Message numbers rise, but not by one; the first is 1.
        let step = if state == "sync" { 1 } else { 1 + self.chance() % 1_000 };
        let channel = &mut self.channels[index];
        channel.messages += step;
        let notice = Notice { channel: channel.id.clone(), state, number: channel.messages };
        self.outbox.put(notice, now + self.settings.notify_after);
    }

    /// The notifications due, for channels that have not expired.
    pub(super) fn due_notices(&mut self, now: DateTime<Utc>) -> Vec<Delivery> {
        let channels = &self.channels;
        let live = |notice: &Notice| channels.iter().find(|c| c.id == notice.channel && c.live(now));
        let path =
            |notice: &Notice| live(notice).and_then(|c| Url::parse(&c.address).ok()).map(|u| u.path().to_owned());
        let taken = self.outbox.take(now, &mut self.desk.faults, path);
        let delivery = |p: Pending<Notice>| {
            let request = live(&p.what)?.request(&p.what);
            Some(Delivery { id: p.id, attempt: p.attempt, request })
        };
        taken.into_iter().filter_map(delivery).collect()
    }
}

impl Channel {
    fn live(&self, now: DateTime<Utc>) -> bool {
        !self.stopped && self.expires_at > now
    }

    fn request(&self, notice: &Notice) -> Request {
        let expiration = self.expires_at.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let mut request = Request::new("POST", self.address.clone())
            .header("x-goog-channel-id", &self.id)
            .header("x-goog-channel-expiration", expiration)
            .header("x-goog-resource-id", &self.resource_id)
            .header("x-goog-resource-uri", &self.resource_uri)
            .header("x-goog-resource-state", notice.state)
            .header("x-goog-message-number", notice.number.to_string());
        if let Some(token) = &self.token {
            request = request.header("x-goog-channel-token", token);
        }
        request
    }
}

/// The same for every channel on the same calendar.
fn resource_id(calendar: &str) -> String {
    format!("res{:016x}", calendar.bytes().fold(0, |id, byte| scramble(id, u64::from(byte))))
}

/// The URI of the watched listing.
fn resource_uri(url: &str) -> String {
    let path = url.split('?').next().unwrap_or_default();
    format!("{}?alt=json", path.strip_suffix("/watch").unwrap_or(path))
}

/// Google delivers to HTTPS addresses only; the sandbox also to this machine.
fn deliverable(address: &str) -> bool {
    let Ok(url) = Url::parse(address) else { return false };
    let loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && loopback)
}

/// The requested lifetime: `expiration` in Unix milliseconds, or `params.ttl` in seconds; a week if neither is
/// given.
fn life_asked(body: &serde_json::Map<String, Value>, now: DateTime<Utc>) -> Result<TimeDelta, Response> {
    let number = |value: &Value| value.as_i64().or_else(|| value.as_str()?.parse().ok());
    let given = |value: Option<&Value>, name: &str| match value {
        None | Some(Value::Null) => Ok(None),
        Some(value) => number(value).map(Some).ok_or_else(|| invalid(&format!("Invalid {name}."))),
    };
    let expiration = given(body.get("expiration"), "expiration")?;
    let ttl = given(body.get("params").and_then(|p| p.get("ttl")), "ttl")?;
    let life = match (expiration, ttl) {
        (Some(millis), _) => DateTime::from_timestamp_millis(millis).map(|at| at - now),
        (None, Some(seconds)) => TimeDelta::try_seconds(seconds),
        (None, None) => Some(TimeDelta::days(7)),
    };
    life.filter(|life| *life > TimeDelta::zero()).ok_or_else(|| invalid("Invalid expiration."))
}
