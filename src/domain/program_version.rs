//! A version of the program: a ledger names the least one that may use it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Major, minor and patch, compared in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ProgramVersion {
    major: u32,
    minor: u32,
    patch: u32,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a version: write three numbers, as in 0.2.0")]
pub struct NoVersion(String);

impl ProgramVersion {
    /// The version of these three numbers.
    pub const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self { major, minor, patch }
    }

    /// A version that was named in a form which this program cannot read: newer than any that it can.
    pub const UNREADABLE: Self = Self::new(u32::MAX, u32::MAX, u32::MAX);
}

impl fmt::Display for ProgramVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl FromStr for ProgramVersion {
    type Err = NoVersion;
    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let mut parts = text.split('.').map(number);
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(Some(major)), Some(Some(minor)), Some(Some(patch)), None) => Ok(Self { major, minor, patch }),
            _ => Err(NoVersion(text.chars().take(80).collect())),
        }
    }
}

/// Digits without a sign and without zeros in front: a version is written in one way only.
fn number(text: &str) -> Option<u32> {
    let plain = text == "0" || !text.starts_with('0');
    (plain && text.bytes().all(|b| b.is_ascii_digit())).then(|| text.parse().ok()).flatten()
}

impl TryFrom<String> for ProgramVersion {
    type Error = NoVersion;
    fn try_from(text: String) -> Result<Self, NoVersion> {
        text.parse()
    }
}

impl From<ProgramVersion> for String {
    fn from(version: ProgramVersion) -> Self {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_as_numbers() {
        let version = |text: &str| text.parse::<ProgramVersion>().unwrap();
        assert!(version("0.9.9") < version("0.10.0"));
        assert!(version("0.2.10") > version("0.2.9"));
        assert!(version("1.0.0") > version("0.99.99"));
        assert_eq!(version("0.2.0"), ProgramVersion::new(0, 2, 0));
        assert_eq!(version("10.0.3").to_string(), "10.0.3");
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in
            ["", "1", "1.2", "1.2.3.4", "1.2.x", "1..3", "01.2.3", "1.2.3-rc.1", "+1.2.3", "1.2.-3", "1.2.4294967296"]
        {
            assert_eq!(text.parse::<ProgramVersion>(), Err(NoVersion(text.to_owned())));
        }
    }
}
