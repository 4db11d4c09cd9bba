//! A policy as configuration says it: a preset, and what differs from it.

use serde_json::Value;
use toml::Table;

use super::section::{Problem, Problems, Section, Shared, unknown};
use crate::domain::profile::Policy;

/// The preset that a policy starts from where it names none.
const PRESET: &str = "resource-mirror";

/// Reads a policy on its own: a draft, to be tried on history. `name` stands in messages.
///
/// # Errors
/// [`Problems`], all of them.
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
        section.problem("preset", format!("{preset:?} is no preset: there is {PRESET}"));
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
        // One key at a time, so that the message names the key at fault.
        if let Err(wrong) = serde_json::from_value::<Policy>(whole.clone()) {
            shared.problem(&full, format!("does not fit: {wrong}"));
            whole[&key] = known;
            good = false;
        }
    }
    serde_json::from_value(whole).ok().filter(|_| good)
}

/// A value of the environment is a text, whatever it stands for.
fn from_toml(value: &toml::Value, like: &Value, overridden: bool) -> Value {
    match (value, like) {
        (toml::Value::String(text), Value::Number(_) | Value::Bool(_)) if overridden => {
            serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
        }
        _ => serde_json::to_value(value).unwrap_or(Value::Null),
    }
}
