//! Differences between two contents, and a person's change, in words.

use super::LocalTimes;
use crate::domain::{entry::Content, link::RemoteChange};

impl LocalTimes {
    /// The changes from `from` to `to`.
    pub(super) fn difference(&self, from: &Content, to: &Content) -> Vec<String> {
        let mut notes = Vec::new();
        if !from.slot.same_time(&to.slot) {
            notes.push(format!("time changed from {} to {}", self.slot(&from.slot), self.slot(&to.slot)));
        }
        if from.title != to.title {
            notes.push(format!("title changed from {:?} to {:?}", from.title.display_text(), to.title.display_text()));
        }
        if from.description != to.description {
            notes.push("description changed".to_owned());
        }
        match (from.marked_cancelled, to.marked_cancelled) {
            (false, true) => notes.push("marked as cancelled".to_owned()),
            (true, false) => notes.push("no longer marked as cancelled".to_owned()),
            (true, true) | (false, false) => {}
        }
        notes
    }

    /// An entry's content, on one line.
    pub(super) fn content(&self, content: &Content) -> String {
        let mark = if content.marked_cancelled { ", marked as cancelled" } else { "" };
        format!("{:?}, {}{mark}", content.title.display_text(), self.slot(&content.slot))
    }

    /// A person's change, on one line.
    pub(super) fn change(&self, change: &RemoteChange) -> String {
        match change {
            RemoteChange::Edited { content, updated, .. } => {
                let when = updated.map(|at| format!(" (changed {})", self.time(at))).unwrap_or_default();
                format!("the entry says {}{when}", self.content(content))
            }
            RemoteChange::Removed { updated, .. } => {
                let when = updated.map(|at| format!(" ({})", self.time(at))).unwrap_or_default();
                format!("the entry was removed{when}")
            }
        }
    }
}
