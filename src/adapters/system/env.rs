//! The environment: read once, only here, and passed on as data.

use std::collections::BTreeMap;

/// All variables with name and value in valid Unicode; others cannot be ours.
pub fn all() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
