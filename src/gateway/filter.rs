//! Filters for reads of the whole ledger: by prefix or regular expression, on stream names or event types.

use fancy_regex::{Regex, RegexBuilder};

use super::{
    limits::{EXPRESSION_BYTES_MAX, EXPRESSION_STEPS_MAX, PREFIXES_MAX},
    refusal::Refusal,
    wire::streams::read_req::options::{
        FilterOptions,
        filter_options::{Filter as On, Window},
    },
};
use crate::record::envelope::StoredEvent;

/// Default number of events between two checkpoints.
const WINDOW: u32 = 32;

/// A filter.
#[derive(Debug)]
pub(super) struct Filter {
    by_type: bool,
    wanted: Pattern,
    /// Number of examined events after which a subscriber gets a checkpoint.
    pub(super) checkpoint_every: u64,
}

#[derive(Debug)]
enum Pattern {
    Prefixes(Vec<String>),
    // Clients exclude with negative lookahead, `^(?!…)`, which needs a backtracking engine; the steps are limited.
    Regex(Box<Regex>),
}

impl Filter {
    /// Parses a filter.
    ///
    /// # Errors
    /// `Invalid`, with what is wrong.
    pub(super) fn read(options: FilterOptions) -> Result<Self, Refusal> {
        let invalid = |why: String| Err(Refusal::Invalid(format!("the filter {why}")));
        let (by_type, expression) = match options.filter {
            Some(On::StreamIdentifier(expression)) => (false, expression),
            Some(On::EventType(expression)) => (true, expression),
            None => return invalid("must be on stream names or event types".to_owned()),
        };
        let wanted = if !expression.prefix.is_empty() {
            let long = expression.prefix.iter().any(|prefix| prefix.len() > EXPRESSION_BYTES_MAX);
            if long || expression.prefix.len() > PREFIXES_MAX {
                return invalid(format!("may have at most {PREFIXES_MAX} prefixes of {EXPRESSION_BYTES_MAX} bytes"));
            }
            Pattern::Prefixes(expression.prefix)
        } else if expression.regex.is_empty() {
            return invalid("must have a prefix or a regular expression".to_owned());
        } else if expression.regex.len() > EXPRESSION_BYTES_MAX {
            return invalid(format!("may have a regular expression of at most {EXPRESSION_BYTES_MAX} bytes"));
        } else {
            match RegexBuilder::new(&expression.regex).backtrack_limit(EXPRESSION_STEPS_MAX).build() {
                Ok(regex) => Pattern::Regex(Box::new(regex)),
                Err(error) => return invalid(format!("has an invalid regular expression: {error}")),
            }
        };
        let window = match options.window {
            Some(Window::Max(max)) => max.max(1),
            Some(Window::Count(_)) | None => WINDOW,
        };
        let multiplier = options.checkpoint_interval_multiplier.max(1);
        Ok(Self { by_type, wanted, checkpoint_every: u64::from(window) * u64::from(multiplier) })
    }

    /// Whether an event matches.
    ///
    /// # Errors
    /// `Invalid` if the expression takes too many steps on the name.
    pub(super) fn wants(&self, recorded: &StoredEvent) -> Result<bool, Refusal> {
        let stream;
        let name = if self.by_type {
            recorded.event.kind.as_str()
        } else {
            stream = recorded.stream.to_string();
            stream.as_str()
        };
        match &self.wanted {
            Pattern::Prefixes(prefixes) => Ok(prefixes.iter().any(|prefix| name.starts_with(prefix.as_str()))),
            Pattern::Regex(regex) => regex.is_match(name).map_err(|_| {
                Refusal::Invalid("the filter's regular expression takes too long: simplify it".to_owned())
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::wire::streams::read_req::options::filter_options::Expression;

    fn filter(regex: &str, prefix: &[&str]) -> Result<Filter, Refusal> {
        let prefix = prefix.iter().map(|p| (*p).to_owned()).collect();
        let expression = Expression { regex: regex.to_owned(), prefix };
        let window = Some(Window::Max(10));
        Filter::read(FilterOptions {
            filter: Some(On::EventType(expression)),
            window,
            checkpoint_interval_multiplier: 0,
        })
    }

    #[test]
    fn what_cannot_be_a_filter_is_refused() {
        let long = "a".repeat(EXPRESSION_BYTES_MAX + 1);
        for (regex, prefix) in [("", &[][..]), ("(", &[]), (long.as_str(), &[]), ("", &[long.as_str()])] {
            assert!(matches!(filter(regex, prefix), Err(Refusal::Invalid(_))), "{regex} {prefix:?}");
        }
        assert!(filter("", &["a"; PREFIXES_MAX + 1]).is_err());
        assert_eq!(filter("", &["booking."]).map(|f| f.checkpoint_every), Ok(10));
    }
}
