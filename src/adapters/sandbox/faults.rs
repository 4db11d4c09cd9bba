//! Faults on demand: rules per method and path, each for a number of calls. The same for every model.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

/// The effect of a fault on a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// The connection is lost before anything is done.
    BeforeCommit,
    /// The call is carried out, and its response is lost.
    AfterCommit,
    /// The call is carried out, and its response is cut off.
    Truncated,
    /// Nothing reaches the provider: no connection.
    Unreachable,
    /// The provider answers with an error.
    Status {
        /// The HTTP status code.
        status: u16,
        /// The provider's reason, such as `rateLimitExceeded`.
        #[serde(default)]
        reason: String,
        /// `Retry-After`, in seconds.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u32>,
        /// Whether the call is carried out anyway, as may happen behind a gateway's 503.
        #[serde(default)]
        carried_out: bool,
    },
    /// 401: the access token is refused.
    Unauthorised,
    /// The response takes this long. Can be combined with any other fault.
    Slow {
        /// Milliseconds.
        ms: u64,
    },
    /// The next page of the listing repeats the last item of this one.
    PageRepeats,
    /// The page lacks its last item, which appears only in the next delta.
    PageOmits,
    /// Every sync token issued so far becomes invalid before the call is processed.
    ExpireSyncTokens,
    /// A notification is not sent.
    DropDelivery,
    /// A notification is sent twice.
    DuplicateDelivery,
    /// A notification is sent this much later, so that others overtake it.
    DelayDelivery {
        /// Milliseconds.
        ms: u64,
    },
}

impl Kind {
    /// The kind's name, as in its JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Self::BeforeCommit => "before_commit",
            Self::AfterCommit => "after_commit",
            Self::Truncated => "truncated",
            Self::Unreachable => "unreachable",
            Self::Status { .. } => "status",
            Self::Unauthorised => "unauthorised",
            Self::Slow { .. } => "slow",
            Self::PageRepeats => "page_repeats",
            Self::PageOmits => "page_omits",
            Self::ExpireSyncTokens => "expire_sync_tokens",
            Self::DropDelivery => "drop_delivery",
            Self::DuplicateDelivery => "duplicate_delivery",
            Self::DelayDelivery { .. } => "delay_delivery",
        }
    }

    fn strikes_deliveries(&self) -> bool {
        matches!(self, Self::DropDelivery | Self::DuplicateDelivery | Self::DelayDelivery { .. })
    }
}

/// When a fault applies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Only calls with this method; any where `None`.
    #[serde(default)]
    pub method: Option<String>,
    /// Only calls whose path matches: `*` stands for any characters, a slash included. Percent-escapes as sent.
    /// For deliveries it is the path of the address they go to.
    #[serde(default = "anything")]
    pub path: String,
    /// Number of matching calls that pass first.
    #[serde(default)]
    pub skip: u32,
    /// Number of matching calls that are then affected.
    #[serde(default = "once")]
    pub count: u32,
    /// What it does.
    #[serde(flatten)]
    pub kind: Kind,
}

fn anything() -> String {
    "*".into()
}

fn once() -> u32 {
    1
}

impl Rule {
    /// Affects the next call.
    pub fn next(kind: Kind) -> Self {
        Self { method: None, path: anything(), skip: 0, count: 1, kind }
    }

    /// Affects the next call with this method and path pattern.
    pub fn on(method: &str, path: &str, kind: Kind) -> Self {
        Self { method: Some(method.into()), path: path.into(), skip: 0, count: 1, kind }
    }

    /// The same rule for `count` calls.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.count = count;
        self
    }

    /// The same rule, letting `skip` matching calls pass first.
    #[must_use]
    pub fn after(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    fn matches(&self, method: &str, path: &str) -> bool {
        self.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(method)) && like(&self.path, path)
    }
}

/// Whether `text` matches `pattern`, where `*` matches any characters.
fn like(pattern: &str, text: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(text) = text.strip_prefix(head) else { return false };
    (0..=text.len()).filter(|i| text.is_char_boundary(*i)).any(|i| like(rest, &text[i..]))
}

/// The fault for one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hit {
    /// Delay of the response.
    pub slow: Duration,
    /// The other effect, if any.
    pub kind: Option<Kind>,
}

/// The active rules of a model, and how often each kind was applied.
#[derive(Debug, Default)]
pub struct Faults {
    rules: Vec<Rule>,
    struck: BTreeMap<&'static str, u64>,
}

impl Faults {
    /// Adds a rule. Of several matching rules, the oldest applies.
    pub fn arm(&mut self, rule: Rule) {
        self.rules.push(rule);
    }

    /// Disarms every rule.
    pub fn clear(&mut self) {
        self.rules.clear();
    }

    /// The rules still armed.
    pub fn armed(&self) -> &[Rule] {
        &self.rules
    }

    /// How often each kind has struck, by name.
    pub fn struck(&self) -> &BTreeMap<&'static str, u64> {
        &self.struck
    }

    /// The fault for this request; using it up.
    pub fn on_request(&mut self, method: &str, path: &str) -> Hit {
        let slow = self.strike(method, path, |kind| matches!(kind, Kind::Slow { .. }));
        let slow = match slow {
            Some(Kind::Slow { ms }) => Duration::from_millis(ms),
            _ => Duration::ZERO,
        };
        let kind = self.strike(method, path, |kind| !matches!(kind, Kind::Slow { .. }) && !kind.strikes_deliveries());
        Hit { slow, kind }
    }

    /// The fault for a notification to this path; using it up.
    pub fn on_delivery(&mut self, path: &str) -> Option<Kind> {
        self.strike("POST", path, Kind::strikes_deliveries)
    }

    fn strike(&mut self, method: &str, path: &str, eligible: impl Fn(&Kind) -> bool) -> Option<Kind> {
        for index in 0..self.rules.len() {
            let rule = &mut self.rules[index];
            if !eligible(&rule.kind) || rule.count == 0 || !rule.matches(method, path) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.count -= 1;
            let kind = rule.kind.clone();
            if rule.count == 0 {
                self.rules.remove(index);
            }
            *self.struck.entry(kind.name()).or_default() += 1;
            return Some(kind);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_strikes_matching_calls_as_often_as_it_says() {
        let mut faults = Faults::default();
        faults.arm(Rule::on("POST", "*/events", Kind::AfterCommit).times(2).after(1));
        assert_eq!(faults.on_request("GET", "/c/events").kind, None);
        assert_eq!(faults.on_request("POST", "/c/events/x").kind, None);
        assert_eq!(faults.on_request("POST", "/c/events").kind, None, "the first passes");
        assert_eq!(faults.on_request("POST", "/c/events").kind, Some(Kind::AfterCommit));
        assert_eq!(faults.on_request("POST", "/d/events").kind, Some(Kind::AfterCommit));
        assert_eq!(faults.on_request("POST", "/c/events").kind, None);
        assert_eq!(faults.struck()["after_commit"], 2);
        assert!(faults.armed().is_empty());
    }

    #[test]
    fn slowness_goes_with_another_fault_and_deliveries_are_apart() {
        let mut faults = Faults::default();
        faults.arm(Rule::next(Kind::DropDelivery));
        faults.arm(Rule::next(Kind::Slow { ms: 5 }));
        faults.arm(Rule::next(Kind::Unauthorised));
        let hit = faults.on_request("GET", "/");
        assert_eq!(hit, Hit { slow: Duration::from_millis(5), kind: Some(Kind::Unauthorised) });
        assert_eq!(faults.on_request("GET", "/"), Hit::default());
        assert_eq!(faults.on_delivery("/hook"), Some(Kind::DropDelivery));
        assert_eq!(faults.on_delivery("/hook"), None);
    }

    #[test]
    fn a_rule_reads_from_flat_json() {
        let rule: Rule = serde_json::from_str(
            r#"{"method":"GET","path":"/calendar/*","kind":"status","status":403,"reason":"quotaExceeded"}"#,
        )
        .unwrap();
        let kind =
            Kind::Status { status: 403, reason: "quotaExceeded".into(), retry_after_s: None, carried_out: false };
        assert_eq!(rule, Rule::on("GET", "/calendar/*", kind));
        assert!(like("a*b*c", "aXbYbZc") && !like("a*b", "abx") && like("*", ""));
    }
}
