//! Counting the requests of this process.

use chrono::TimeDelta;
use prometheus_client::metrics::{counter::Counter, family::Family, histogram::Histogram};

type Labels = Vec<(&'static str, String)>;

/// Histogram buckets of request times, in seconds: from an in-memory read to the request time limit.
const TIME_BUCKETS: [f64; 9] = [0.001, 0.005, 0.02, 0.05, 0.1, 0.5, 1.0, 3.0, 10.0];

/// Requests counted by this process.
#[derive(Debug)]
pub struct Meters {
    pub(super) requests: Family<Labels, Counter>,
    pub(super) seconds: Family<Labels, Histogram, fn() -> Histogram>,
}

impl Default for Meters {
    fn default() -> Self {
        Self { requests: Family::default(), seconds: Family::new_with_constructor(|| Histogram::new(TIME_BUCKETS)) }
    }
}

impl Meters {
    /// Counts a request. `route` is the path from the route table, which bounds the number of labels.
    pub fn count(&self, method: &'static str, route: &'static str, status: u16, took: TimeDelta) {
        let named = vec![("method", method.to_owned()), ("route", route.to_owned())];
        self.seconds.get_or_create(&named).observe(took.to_std().unwrap_or_default().as_secs_f64());
        let mut labels = named;
        labels.push(("status", status.to_string()));
        self.requests.get_or_create(&labels).inc();
    }
}
