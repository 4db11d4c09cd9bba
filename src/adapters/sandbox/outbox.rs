//! Pending notifications of a model: due times, faults, retries.

use chrono::{DateTime, TimeDelta, Utc};

use super::faults::{Faults, Kind};
use crate::ports::transport::Request;

/// A notification the driver sends now. Its outcome goes back to the model's `delivered`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Its id; a duplicate has the same.
    pub id: u64,
    /// From 1.
    pub attempt: u32,
    /// What to send.
    pub request: Request,
}

/// A pending notification.
#[derive(Debug, Clone)]
pub struct Pending<T> {
    /// Its id.
    pub id: u64,
    /// When it is due.
    pub due_at: DateTime<Utc>,
    /// The attempt it will be, from 1.
    pub attempt: u32,
    /// Its content.
    pub what: T,
}

/// The notifications of one model that are waiting or out for delivery.
#[derive(Debug)]
pub struct Outbox<T> {
    next_id: u64,
    waiting: Vec<Pending<T>>,
    out: Vec<Pending<T>>,
    /// Delay before each retry; there are as many retries as delays.
    pauses: &'static [i64],
}

impl<T: Clone> Outbox<T> {
    /// An empty outbox that retries after these pauses, in seconds.
    pub fn new(pauses: &'static [i64]) -> Self {
        Self { next_id: 1, waiting: Vec::new(), out: Vec::new(), pauses }
    }

    /// Adds a notification.
    pub fn put(&mut self, what: T, due_at: DateTime<Utc>) {
        self.waiting.push(Pending { id: self.next_id, due_at, attempt: 1, what });
        self.next_id += 1;
    }

    /// Number of pending notifications.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// When the earliest is due.
    pub fn next_due(&self) -> Option<DateTime<Utc>> {
        self.waiting.iter().map(|p| p.due_at).min()
    }

    /// Takes what is due, in order of due time, with faults applied. `path` returns the path a notification goes to, and
    /// `None` if it must not be sent any more.
    pub fn take(
        &mut self,
        now: DateTime<Utc>,
        faults: &mut Faults,
        path: impl Fn(&T) -> Option<String>,
    ) -> Vec<Pending<T>> {
        let (mut due, waiting): (Vec<_>, Vec<_>) = self.waiting.drain(..).partition(|p| p.due_at <= now);
        self.waiting = waiting;
        due.sort_by_key(|p| (p.due_at, p.id));
        let mut taken = Vec::new();
        for mut pending in due {
            let Some(path) = path(&pending.what) else { continue };
            match faults.on_delivery(&path) {
                Some(Kind::DropDelivery) => continue,
                Some(Kind::DelayDelivery { ms }) => {
                    pending.due_at = now + TimeDelta::milliseconds(i64::try_from(ms).unwrap_or(i64::from(u32::MAX)));
                    self.waiting.push(pending);
                    continue;
                }
                Some(Kind::DuplicateDelivery) => taken.push(pending.clone()),
                _ => {}
            }
            self.out.push(pending.clone());
            taken.push(pending);
        }
        taken
    }

    /// Reports the result of a delivery: one that `failed` is retried, if it has an attempt left.
    pub fn settle(&mut self, id: u64, failed: bool, now: DateTime<Utc>) {
        let Some(index) = self.out.iter().position(|p| p.id == id) else { return };
        let mut pending = self.out.remove(index);
        let pause = self.pauses.get(pending.attempt as usize - 1);
        if let (true, Some(pause)) = (failed, pause) {
            pending.attempt += 1;
            pending.due_at = now + TimeDelta::seconds(*pause);
            self.waiting.push(pending);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adapters::sandbox::faults::Rule;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    fn names(taken: &[Pending<&'static str>]) -> Vec<(&'static str, u32)> {
        taken.iter().map(|p| (p.what, p.attempt)).collect()
    }

    #[test]
    fn failed_deliveries_come_again_a_few_times() {
        let mut outbox = Outbox::new(&[1, 5]);
        let mut faults = Faults::default();
        let path = |_: &&str| Some("/hook".to_owned());
        outbox.put("a", at(0));
        for (second, attempt) in [(0, 1), (1, 2), (6, 3)] {
            let taken = outbox.take(at(second), &mut faults, path);
            assert_eq!(names(&taken), [("a", attempt)]);
            outbox.settle(taken[0].id, true, at(second));
        }
        assert_eq!((outbox.waiting(), outbox.next_due()), (0, None), "no fourth attempt");
    }

    #[test]
    fn faults_drop_double_and_delay() {
        let mut outbox = Outbox::new(&[]);
        let mut faults = Faults::default();
        for kind in [Kind::DropDelivery, Kind::DuplicateDelivery, Kind::DelayDelivery { ms: 2_000 }] {
            faults.arm(Rule::on("POST", "/hook", kind));
        }
        for what in ["a", "b", "c", "d"] {
            outbox.put(what, at(0));
        }
        let path = |what: &&str| (*what != "d").then(|| "/hook".to_owned());
        assert_eq!(names(&outbox.take(at(0), &mut faults, path)), [("b", 1), ("b", 1)]);
        assert_eq!(outbox.next_due(), Some(at(2)));
        assert_eq!(names(&outbox.take(at(2), &mut faults, path)), [("c", 1)]);
    }
}
