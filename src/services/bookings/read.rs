//! Parses a request's JSON into its type; every error names the field.

use serde::de::DeserializeOwned;

use crate::services::problem::{Kind, Problem};

/// Parses a JSON object.
///
/// # Errors
/// `Malformed`, or `Invalid` with the field.
pub fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    // serde would accept a list as the fields in order, which nobody means.
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
        let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(body);
        parsed.map_err(|error| not_json(&error))?;
        return Err(Problem::new(Kind::Invalid, "the body must be a JSON object: `{ … }`"));
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let inner = error.into_inner();
        let path = missing(&inner).map_or(path.clone(), |field| match path.as_str() {
            "." => field.clone(),
            path => format!("{path}.{field}"),
        });
        if inner.is_data() && path != "." {
            Problem::field(path, inner.to_string())
        } else if inner.is_data() {
            Problem::new(Kind::Invalid, inner.to_string())
        } else {
            not_json(&inner)
        }
    })?;
    reader.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

/// The missing field, if that is the error.
fn missing(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let (field, _) = text.strip_prefix("missing field `")?.split_once('`')?;
    Some(field.to_owned())
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(Kind::Malformed, format!("the body is not JSON: {error}"))
}
