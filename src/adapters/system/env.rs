//! The environment: read once, here and nowhere else, and handed on as data.

use std::collections::BTreeMap;

/// All variables whose name and value are text; others cannot be meant for us.
pub fn all() -> BTreeMap<String, String> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}
