//! Three services on one ledger: one of them pulls a calendar, renews its channel, polls a source, at any time.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use syncledger::adapters::sandbox::{call_log::Call, model::Model as _};

use super::world::{CALENDARS, World, free_port};
use crate::support::{patience::eventually, postgres::Database};

/// As the journeys' configuration says.
const PULL_EVERY: TimeDelta = TimeDelta::seconds(5);
const POLL_EVERY: TimeDelta = TimeDelta::seconds(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_sqlite() {
    one_of_three_does_it(World::start().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_postgres() {
    let database = Database::new().await;
    one_of_three_does_it(World::on_postgres(&database).await).await;
}

async fn one_of_three_does_it(world: World) {
    // Renewed after four fifths of it.
    world.google().settings_mut().channel_life_max = TimeDelta::seconds(15);
    let ports = [free_port(), free_port(), free_port()];
    let mut services = Vec::new();
    for port in ports {
        services.push(world.serve(port).await);
    }
    world.deliver_to(ports[0]);
    for number in 0..4 {
        world.book(number);
    }
    let renewed = async || watches(&world).values().all(|count| *count >= 2) && polls(&world).len() >= 6;
    let done = eventually(renewed).await;
    assert!(done, "{:?}\n{}", watches(&world), world.log(ports[0]));
    for service in services {
        service.kill();
    }
    let events = world.events(ports[0]);
    for calendar in CALENDARS {
        let stream = format!("calendar-loft-bot.{calendar}");
        let of_calendar: Vec<&Value> = events.iter().filter(|event| event["stream"] == stream.as_str()).collect();
        assert!(!of_calendar.is_empty(), "{stream}: {:#}", events[0]);
        let count = |kind: &str| of_calendar.iter().filter(|event| event["type"] == kind).count();
        // Nothing is asked of the provider without a claim: what was killed in between was claimed, and not yet asked.
        let (claimed, asked) = (count("calendar.channel_requested"), watches(&world)[calendar]);
        assert!(asked <= claimed && claimed <= asked + 1, "{calendar}: {claimed} claims, {asked} channels");
        let (claimed, asked) = (count("calendar.pull_started"), listings(&world, calendar));
        assert!(asked <= claimed && claimed <= asked + 1, "{calendar}: {claimed} claims, {asked} listings");
        once_a_period(&of_calendar);
    }
    let stopped = world.google().desk().calls.all().filter(|call| call.url.contains("/channels/stop")).count();
    let closed = events.iter().filter(|event| event["type"] == "calendar.channel_closed").count();
    assert!(stopped <= closed, "{stopped} channels stopped, {closed} closed");
    let polls = polls(&world);
    for pair in polls.windows(2) {
        assert!(pair[1] - pair[0] >= POLL_EVERY, "polled twice in one period: {polls:?}");
    }
}

/// Pulls follow news, or one another after a period.
fn once_a_period(events: &[&Value]) {
    let mut pulled: Option<DateTime<Utc>> = None;
    let mut news = true;
    for event in events {
        let at: DateTime<Utc> = event["recorded_at"].as_str().expect("a time").parse().expect("a time");
        match event["type"].as_str().expect("a type") {
            "calendar.notification_received" => news = true,
            "calendar.pull_started" => {
                let due = pulled.is_none_or(|before| at - before >= PULL_EVERY);
                assert!(due || news, "pulled again at {at} without need");
                news = false;
            }
            "calendar.cursor_advanced" => pulled = Some(at),
            _ => {}
        }
    }
}

/// How many channels were asked for, by calendar.
fn watches(world: &World) -> BTreeMap<&'static str, usize> {
    let google = &mut world.google();
    let count = |calendar: &&'static str| {
        let ours = |call: &&Call| call.url.contains("/events/watch") && of(call, calendar);
        (*calendar, google.desk().calls.all().filter(ours).count())
    };
    CALENDARS.iter().map(count).collect()
}

/// How often a calendar was listed.
fn listings(world: &World, calendar: &str) -> usize {
    let listed = |call: &&Call| {
        let first = call.url.split('?').next().is_some_and(|url| url.ends_with("/events"));
        call.method == "GET" && first && !call.url.contains("pageToken") && of(call, calendar)
    };
    world.google().desk().calls.all().filter(listed).count()
}

fn of(call: &Call, calendar: &str) -> bool {
    let name = calendar.split('@').next().expect("a name");
    call.url.contains(&format!("/calendars/{name}%40")) || call.url.contains(&format!("/calendars/{name}@"))
}

/// When the source was asked for what changed.
fn polls(world: &World) -> Vec<DateTime<Utc>> {
    let asked = |call: &&Call| call.method == "GET" && call.url.contains("?limit=") && !call.url.contains("page_token");
    world.uschedule().desk().calls.all().filter(asked).map(|call| call.at).collect()
}
