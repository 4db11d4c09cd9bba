//! The `syncledger` program.

use std::process::ExitCode;

/// Much of the time goes into small allocations: this allocator saves a quarter of it (`docs/DESIGN.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    syncledger::cli::run()
}
