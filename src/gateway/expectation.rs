//! Expected stream versions, in the wire format and ours.

use super::wire::{
    Empty, Nothing, WrongExpectedVersion,
    streams::{append_req, append_resp, batch_append_req, batch_append_resp},
    wrong_expected_version as batch_wrong,
};
use crate::{domain::ids::Version, ports::event_store::ExpectedVersion};

/// Like [`ExpectedVersion`], plus one that only exists in the wire protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expectation {
    /// Any version.
    Any,
    /// The stream must not exist.
    NoStream,
    /// The stream must exist.
    Exists,
    /// The last event has this version.
    Exact(Version),
}

impl Expectation {
    /// The ledger's expectation, after checking that a stream that must exist does. Streams are never removed.
    pub(super) fn expected(self) -> ExpectedVersion {
        match self {
            Self::Any | Self::Exists => ExpectedVersion::Any,
            Self::NoStream => ExpectedVersion::NoStream,
            Self::Exact(version) => ExpectedVersion::Exact(version),
        }
    }

    /// From a unary append; `None` if missing.
    pub(super) fn of_append(options: &append_req::Options) -> Option<Self> {
        use append_req::options::ExpectedStreamRevision as On;
        Some(match options.expected_stream_revision.as_ref()? {
            On::Revision(revision) => Self::Exact(Version(*revision)),
            On::NoStream(_) => Self::NoStream,
            On::Any(_) => Self::Any,
            On::StreamExists(_) => Self::Exists,
        })
    }

    /// From a batch append; `None` if missing.
    pub(super) fn of_batch(options: &batch_append_req::Options) -> Option<Self> {
        use batch_append_req::options::ExpectedStreamPosition as On;
        Some(match options.expected_stream_position.as_ref()? {
            On::StreamPosition(revision) => Self::Exact(Version(*revision)),
            On::NoStream(_) => Self::NoStream,
            On::Any(_) => Self::Any,
            On::StreamExists(_) => Self::Exists,
        })
    }

    /// Echoed in the response to a batch append.
    pub(super) fn in_answer(self) -> batch_append_resp::ExpectedStreamPosition {
        use batch_append_resp::ExpectedStreamPosition as On;
        match self {
            Self::Exact(version) => On::StreamPosition(version.0),
            Self::NoStream => On::NoStream(Nothing {}),
            Self::Any => On::Any(Nothing {}),
            Self::Exists => On::StreamExists(Nothing {}),
        }
    }

    /// The response to a unary append whose stream is at `actual`. All groups are filled: old clients read the first
    /// two and new ones the last two, and some crash if one is missing.
    pub(super) fn wrong_version(self, actual: Option<Version>) -> append_resp::WrongExpectedVersion {
        use append_resp::wrong_expected_version as on;
        append_resp::WrongExpectedVersion {
            current_revision_option_20_6_0: Some(
                actual.map_or(on::CurrentRevisionOption2060::NoStream2060(Empty {}), |version| {
                    on::CurrentRevisionOption2060::CurrentRevision2060(version.0)
                }),
            ),
            expected_revision_option_20_6_0: Some(match self {
                Self::Exact(version) => on::ExpectedRevisionOption2060::ExpectedRevision2060(version.0),
                // The old protocol had no value for "no stream".
                Self::Any | Self::NoStream => on::ExpectedRevisionOption2060::Any2060(Empty {}),
                Self::Exists => on::ExpectedRevisionOption2060::StreamExists2060(Empty {}),
            }),
            current_revision_option: Some(
                actual.map_or(on::CurrentRevisionOption::CurrentNoStream(Empty {}), |version| {
                    on::CurrentRevisionOption::CurrentRevision(version.0)
                }),
            ),
            expected_revision_option: Some(match self {
                Self::Exact(version) => on::ExpectedRevisionOption::ExpectedRevision(version.0),
                Self::Any => on::ExpectedRevisionOption::ExpectedAny(Empty {}),
                Self::Exists => on::ExpectedRevisionOption::ExpectedStreamExists(Empty {}),
                Self::NoStream => on::ExpectedRevisionOption::ExpectedNoStream(Empty {}),
            }),
        }
    }

    /// The same as an error detail of a batch append.
    pub(super) fn wrong_in_batch(self, actual: Option<Version>) -> WrongExpectedVersion {
        WrongExpectedVersion {
            current_stream_revision_option: Some(
                actual.map_or(batch_wrong::CurrentStreamRevisionOption::CurrentNoStream(Nothing {}), |version| {
                    batch_wrong::CurrentStreamRevisionOption::CurrentStreamRevision(version.0)
                }),
            ),
            expected_stream_position_option: Some(match self {
                Self::Exact(version) => batch_wrong::ExpectedStreamPositionOption::ExpectedStreamPosition(version.0),
                Self::Any => batch_wrong::ExpectedStreamPositionOption::ExpectedAny(Nothing {}),
                Self::Exists => batch_wrong::ExpectedStreamPositionOption::ExpectedStreamExists(Nothing {}),
                Self::NoStream => batch_wrong::ExpectedStreamPositionOption::ExpectedNoStream(Nothing {}),
            }),
        }
    }
}
