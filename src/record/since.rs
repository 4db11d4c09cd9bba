//! Since which version of the program a type of event can be read.
//!
//! A ledger that has an event of a type names the least version that can read it (`operations.program_required`), before the
//! event itself. A type that gets a field or a value which older programs do not know is as new as that field or value.
//! `tests/it/guards/since.rs` holds that nothing is missing here.

use crate::domain::program_version::ProgramVersion;

/// What every released program reads.
pub const FIRST: ProgramVersion = ProgramVersion::new(0, 1, 0);

/// Types that came later, or have grown since: the type, the version of its data, and the first program that reads it.
const LATER: [(&str, u16, ProgramVersion); 3] = [
    ("link.wait_ended", 1, ProgramVersion::new(0, 2, 0)),
    ("operations.program_required", 1, ProgramVersion::new(0, 2, 0)),
    ("profile.program_required", 1, ProgramVersion::new(0, 2, 0)),
];

/// The first version of the program that reads events of that type and version of data.
pub fn since(kind: &str, schema: u16) -> ProgramVersion {
    let known = LATER.iter().find(|(of, version, _)| *of == kind && *version == schema);
    known.map_or(FIRST, |(.., since)| *since)
}

/// The first version of the program that reads everything which this one writes.
pub fn newest() -> ProgramVersion {
    LATER.iter().map(|(.., since)| *since).max().unwrap_or(FIRST)
}
