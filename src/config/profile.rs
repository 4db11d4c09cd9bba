//! A policy in the configuration: a preset, and the settings that differ from it.

use serde_json::Value;
use toml::Table;

use super::section::{Problem, Problems, Section, Shared, unknown};
use crate::domain::profile::Policy;

/// Default preset of a policy.
const PRESET: &str = "resource-mirror";

/// Longest time that a calendar is looked ahead or back, in days.
const WINDOW_DAYS_MAX: u32 = 36_525;

/// Reads a single policy, such as a draft for `reconcile plan`. `name` is used in messages.
///
/// # Errors
/// [`Problems`]: all mistakes found.
pub fn policy(name: &str, text: &str) -> Result<Policy, Problems> {
    let fail = |problems| Problems { file: name.to_owned(), problems };
    let table: Table = text
        .parse()
        .map_err(|e: toml::de::Error| fail(vec![Problem { key: String::new(), message: e.message().to_owned() }]))?;
    let shared = Shared::new(".".into(), std::collections::BTreeMap::new());
    let policy = read(Section::new("", table, &shared));
    match policy {
        Some(policy) if shared.problems().is_empty() => Ok(policy),
        _ => Err(fail(shared.problems())),
    }
}

/// Reads the table of one policy.
pub(super) fn read(mut section: Section<'_>) -> Option<Policy> {
    let preset = section.text("preset").unwrap_or_else(|| PRESET.to_owned());
    let Some(base) = Policy::preset(&preset) else {
        section.problem("preset", format!("{preset:?} is not a preset: write {PRESET:?}"));
        return None;
    };
    let mut whole = serde_json::to_value(&base).expect("a policy is made of texts, numbers and flags");
    let shared = section.shared;
    let path = section.key("");
    let mut good = true;
    for (key, value) in section.into_table() {
        let full = format!("{path}{key}");
        let Some(known) = whole.get(&key).cloned() else {
            if key != "preset" {
                let names = whole.as_object().into_iter().flat_map(|object| object.keys().map(String::as_str));
                shared.problem(&full, unknown(&key, names.chain(["preset"])));
                good = false;
            }
            continue;
        };
        whole[&key] = from_toml(&value, &known, shared.overridden.contains_key(&full));
        // One key at a time, so that the message names the invalid key.
        if let Err(wrong) = serde_json::from_value::<Policy>(whole.clone()) {
            shared.problem(&full, format!("is not valid: {wrong}"));
            whole[&key] = known;
            good = false;
        }
    }
    let policy: Policy = serde_json::from_value(whole).ok()?;
    for (key, days) in [("window_back_days", policy.window_back_days), ("window_ahead_days", policy.window_ahead_days)]
    {
        if days > WINDOW_DAYS_MAX {
            shared.problem(
                &format!("{path}{key}"),
                format!("is {days}: the maximum is {WINDOW_DAYS_MAX}, a hundred years"),
            );
            good = false;
        }
    }
    good.then_some(policy)
}

/// Environment variables are always text, whatever type they stand for.
fn from_toml(value: &toml::Value, like: &Value, overridden: bool) -> Value {
    match (value, like) {
        (toml::Value::String(text), Value::Number(_) | Value::Bool(_)) if overridden => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
        }
        _ => serde_json::to_value(value).unwrap_or(Value::Null),
    }
}
