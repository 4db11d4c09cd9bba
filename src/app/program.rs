//! The version of this program, and the least version that its events require.

use anyhow::Context as _;

use crate::{domain::program_version::ProgramVersion, ledger::required_version::Program, record::since};

/// This program.
///
/// # Errors
/// It was built without a version of three numbers.
pub fn program() -> anyhow::Result<Program> {
    let number = |text: &str| text.parse::<u32>().context("the version of the program");
    let version = ProgramVersion::new(
        number(env!("CARGO_PKG_VERSION_MAJOR"))?,
        number(env!("CARGO_PKG_VERSION_MINOR"))?,
        number(env!("CARGO_PKG_VERSION_PATCH"))?,
    );
    Ok(Program { version, needs: since::newest() })
}
