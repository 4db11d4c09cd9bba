//! Notifications, as Google's guide shows their headers.

use crate::{
    adapters::google::push::{HeaderError, PushHeaders, PushReader, State},
    domain::ids::ChannelId,
    ports::{notifications::NotificationReader as _, provider::WatchRequest},
};

const HEADERS: [(&str, &str); 7] = [
    ("x-goog-channel-id", "4ba78bf0-6a47-11e2-bcfd-0800200c9a66"),
    ("x-goog-channel-token", "398348u3tu83ut8uu38"),
    ("x-goog-channel-expiration", "Tue, 19 Nov 2030 01:13:52 GMT"),
    ("x-goog-resource-id", "ret08u3rv24htgh289g"),
    ("x-goog-resource-uri", "https://www.googleapis.com/calendar/v3/calendars/bay1/events?alt=json"),
    ("x-goog-resource-state", "exists"),
    ("x-goog-message-number", "10"),
];

fn read(change: impl Fn(&str, &'static str) -> Option<&'static str>) -> Result<PushHeaders, HeaderError> {
    PushHeaders::from_headers(|name| {
        let (name, value) = HEADERS.into_iter().find(|(n, _)| *n == name)?;
        change(name, value)
    })
}

fn with(name: &'static str, value: Option<&'static str>) -> Result<PushHeaders, HeaderError> {
    read(move |n, v| if n == name { value } else { Some(v) })
}

#[test]
fn a_notification_is_read_and_its_token_is_not_printed() {
    let read = read(|_, v| Some(v)).unwrap();
    assert_eq!(read.channel.as_str(), "4ba78bf0-6a47-11e2-bcfd-0800200c9a66");
    assert_eq!(read.token.as_deref(), Some("398348u3tu83ut8uu38"));
    assert_eq!((read.state, read.number), (State::Exists, 10));
    assert_eq!(read.resource, "ret08u3rv24htgh289g");
    assert_eq!(read.expires_at.unwrap().to_rfc3339(), "2030-11-19T01:13:52+00:00");
    assert!(!format!("{read:?}").contains("398348u3tu83ut8uu38"));
}

#[test]
fn no_port_prints_a_channels_token() {
    let header = |name: &str| HEADERS.into_iter().find(|(n, _)| *n == name).map(|(_, value)| value);
    let notification = PushReader.read(&header).unwrap();
    assert_eq!(notification.token, "398348u3tu83ut8uu38");
    let (channel, token) = (ChannelId::new("a-channel").unwrap(), notification.token.clone());
    let request = WatchRequest { channel, token, address: "https://sync.example.org".into(), life_s: 60 };
    for printed in [format!("{notification:?}"), format!("{request:?}")] {
        assert!(!printed.contains("398348u3tu83ut8uu38"), "{printed}");
        assert!(printed.contains("Notification(exists") || printed.contains("a-channel"), "{printed}");
    }
}

#[test]
fn the_three_states_have_googles_words() {
    for (word, state) in [("sync", State::Sync), ("exists", State::Exists), ("not_exists", State::NotExists)] {
        assert_eq!(with("x-goog-resource-state", Some(word)).unwrap().state, state);
        assert_eq!(state.as_str(), word);
    }
}

#[test]
fn what_may_be_missing_may_be_missing() {
    assert_eq!(with("x-goog-channel-token", None).unwrap().token, None);
    assert_eq!(with("x-goog-channel-expiration", None).unwrap().expires_at, None);
}

#[test]
fn what_is_missing_or_malformed_is_named() {
    use HeaderError::{Malformed, Missing};
    for name in ["x-goog-channel-id", "x-goog-resource-id", "x-goog-resource-state", "x-goog-message-number"] {
        assert_eq!(with(name, None), Err(Missing(name)));
        assert_eq!(with(name, Some("")), Err(Missing(name)));
    }
    for (name, value) in [
        ("x-goog-channel-id", "a channel/../x"),
        ("x-goog-resource-state", "add"),
        ("x-goog-message-number", "-1"),
        ("x-goog-channel-expiration", "tomorrow"),
    ] {
        assert_eq!(with(name, Some(value)), Err(Malformed(name)));
    }
}
