//! Columns of a link derived from others: status, phase, due time, and why it needs attention.

use crate::projections::Cells;

/// Sets the derived columns.
pub(super) fn settle(row: &mut Cells<'_>) {
    let status = status(row);
    row.set("status", status);
    let phase = phase(row);
    row.set("phase", phase);
    let due = due(row);
    row.set("due_at", due);
    let (attention, words) = attention(row);
    row.set("attention", attention);
    row.set("attention_words", words);
}

fn status(row: &Cells<'_>) -> &'static str {
    let has_entry = row.filled("remote");
    if row.is_true("dead") {
        "FAILED"
    } else if has_entry && !row.is_true("marked_cancelled") {
        "ACTIVE"
    } else if has_entry {
        "CANCELED"
    } else if row.filled("detached") && !row.filled("command") {
        "DETACHED"
    } else if row.is_true("was_there") && row.text("operation") != Some("create") {
        "CANCELED"
    } else if row.filled("withheld") {
        "WITHHELD"
    } else {
        "PENDING"
    }
}

fn phase(row: &Cells<'_>) -> &'static str {
    if row.is_true("dead") {
        "dead"
    } else if row.is_true("outcome_unknown") {
        "verifying"
    } else if row.filled("command") {
        "calling"
    } else if row.filled("conflict") {
        "conflict"
    } else if row.filled("look") {
        "looking"
    } else if row.filled("held") {
        "held"
    } else if row.filled("retry_at") {
        "retrying"
    } else if matches!(row.text("inbound"), Some("accepted" | "written_back")) {
        "applying"
    } else if row.filled("withheld") {
        "withheld"
    } else {
        "idle"
    }
}

/// The earliest timer that applies. Same rule as `Link::due_at` in `domain/link/state.rs`, where it is explained.
fn due(row: &Cells<'_>) -> Option<String> {
    let (retry_at, withheld_until) = (row.text("retry_at"), row.text("withheld_until"));
    let next = if row.filled("command") {
        retry_at.or_else(|| row.text("lease_until"))
    } else if row.filled("look") {
        retry_at
    } else {
        return [retry_at, row.text("held_until"), withheld_until].into_iter().flatten().min().map(str::to_owned);
    };
    let limited = row.text("withheld") == Some("rate_limited");
    next.max(withheld_until.filter(|_| limited)).map(str::to_owned)
}

fn attention(row: &Cells<'_>) -> (Option<&'static str>, Option<String>) {
    if row.is_true("dead") {
        return (Some("gave_up"), row.text("failure_summary").map(str::to_owned));
    }
    let held = match row.text("held") {
        Some("overlap") => Some("held_overlap"),
        Some("mass_removal") => Some("held_mass_removal"),
        Some("whole_day") => Some("held_whole_day"),
        Some("brought_back") => Some("held_brought_back"),
        Some("unreadable") => Some("held_unreadable"),
        Some("ask_first") => Some("held_ask_first"),
        // The others are checked again automatically.
        _ => None,
    };
    if held.is_some() {
        return (held, row.text("held_words").map(str::to_owned));
    }
    if row.text("withheld") == Some("connection_revoked") {
        return (Some("connection_revoked"), Some("Access was revoked: grant it again.".to_owned()));
    }
    if row.filled("detached") && !row.filled("remote") {
        return (Some("detached"), row.text("detached_words").map(str::to_owned));
    }
    let clone = row.text("clone").map(|remote| {
        format!("{remote} carries the same marker: a copy made in the calendar. Delete one of the two there.")
    });
    (clone.as_ref().map(|_| "clone"), clone)
}
