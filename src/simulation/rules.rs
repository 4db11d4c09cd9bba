//! The rules that a simulation checks: after every step, in the quiet phase, and at the end.

/// Every rule: its name in reports, and what it says.
pub const RULES: [(&str, &str); 18] = [
    ("I1", "No link has two live entries, except a duplicate that is recorded, and removed by the end"),
    ("I2", "Every event that was acknowledged is in the ledger, after every crash"),
    ("I3", "Positions and versions have no gap, and every event can be read"),
    ("I4", "At the end every table equals a replay from the beginning"),
    ("I5", "At the end source, ledger and calendar agree, or the ledger records why not"),
    ("I6", "A change leads to few writes at the provider, and the last 24 hours to none"),
    ("I7", "No person's edit is lost: what we overwrite is recorded"),
    ("I8", "Every write to a provider or source has its intent in the ledger before it, and its outcome after it"),
    ("I9", "An idempotency key always stands for the same request"),
    ("I10", "Retries become rarer, and requested pauses and rate limits are respected"),
    ("I11", "No personal text and no secret is in an event in the clear"),
    ("I12", "Hashes and sealed checkpoints match the events"),
    ("I14", "No entry that is not ours is written"),
    ("evidence", "No booking is cancelled at its source unless a person removed its entry"),
    ("forgery", "No forged notification or webhook is accepted"),
    ("one call at a time", "No link has two commands in flight"),
    ("progress", "There is no endless loop, and without faults nothing fails"),
    ("timers", "No timer of a link at rest is in the past"),
];

/// What a rule says.
pub(super) fn sentence(rule: &str) -> &'static str {
    RULES.iter().find(|(name, _)| *name == rule).map_or("", |(_, sentence)| sentence)
}
