//! `audit verify`: checks the configured ledger, or an exported file that needs no configuration.

use std::path::{Path, PathBuf};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use super::{CliError, Session, print::Printer};
use crate::{
    app::archive,
    ports::checkpoint_archive::ArchivedCheckpoint,
    record::note::VerifierKey,
    services::audit::{Report, VerifyOptions, verify_lines},
};

#[derive(Debug, Args)]
pub struct Verify {
    /// Exported ledger file [default: the configured ledger]
    pub file: Option<PathBuf>,
    /// Public key you trust, as printed by `audit key`; only these keys are accepted. Repeatable
    #[arg(long = "key", value_name = "KEY")]
    pub keys: Vec<VerifierKey>,
    /// Checkpoint file you kept. Repeatable
    #[arg(long = "checkpoint", value_name = "FILE")]
    pub checkpoints: Vec<PathBuf>,
}

/// Verifies the configured ledger, its checkpoints and its keys.
pub async fn ledger(session: &Session, asked: &Verify) -> Result<(), CliError> {
    let (audit, ledger) = session.to_verify().await?;
    let asked = VerifyOptions { keys: asked.keys.clone(), checkpoints: read_files(&asked.checkpoints)? };
    let bar = bar(session.printer, "events");
    let mut show = |done, of| show(&bar, done, of);
    let (report, below) = tokio::join!(audit.verify(&asked, &mut show), ledger.inspect());
    bar.finish_and_clear();
    let mut report = report?;
    report.add(below.unwrap_or_else(|unfinished| vec![unfinished]));
    let document = serde_json::to_value(&report).map_err(CliError::refused)?;
    print_report(session.printer, &report, document, None)
}

/// Verifies an exported ledger without configuration or database.
pub fn file(printer: Printer, file: &Path, asked: &Verify) -> Result<(), CliError> {
    let lines = archive::lines(file).map_err(CliError::refused)?;
    let bar = bar(printer, "events");
    let contents =
        verify_lines(lines, &asked.keys, &read_files(&asked.checkpoints)?, &mut |done, of| show(&bar, done, of));
    bar.finish_and_clear();
    let mut document = serde_json::to_value(&contents.report).map_err(CliError::refused)?;
    let key = contents.keys.last().map(ToString::to_string);
    if let Value::Object(object) = &mut document {
        object.insert("from".to_owned(), json!(contents.header.as_ref().map(|header| header.from)));
        object.insert("key".to_owned(), json!(key));
        object.insert("authentic".to_owned(), json!(contents.authentic));
    }
    let warning = (contents.report.sound && !contents.authentic).then(|| {
        format!(
            "The file is consistent, but its author was not checked. It is signed by\n  {}\n\
             Compare this key with the one published by the ledger's operator, or pass theirs with --key.",
            key.unwrap_or_default()
        )
    });
    print_report(printer, &contents.report, document, warning)
}

fn print_report(printer: Printer, report: &Report, document: Value, warning: Option<String>) -> Result<(), CliError> {
    let count = report.faults.len();
    let failed = || {
        CliError::refused(format!("{count} fault{}; the first: {}", if count == 1 { "" } else { "s" }, first(report)))
    };
    if printer.json {
        printer.document(&document)?;
        return if report.sound { Ok(()) } else { Err(failed()) };
    }
    let Report { origin, events, root, checkpoints, kept, sealed, faults, .. } = report;
    if !report.sound {
        printer.print_line(faults.iter().map(|fault| format!("FAULT  {fault}")).collect::<Vec<_>>().join("\n"))?;
        return Err(failed());
    }
    printer.print_line(format!(
        "{origin} is sound: {events} events, {sealed} of them sealed; {checkpoints} recorded and {kept} kept \
         checkpoints hold.\nroot {root}"
    ))?;
    warning.map_or(Ok(()), |warning| printer.print_line(warning))
}

fn first(report: &Report) -> String {
    report.faults.first().map(ToString::to_string).unwrap_or_default()
}

/// Reads the checkpoint files.
fn read_files(files: &[PathBuf]) -> Result<Vec<ArchivedCheckpoint>, CliError> {
    files.iter().map(|file| archive::checkpoint(file).map_err(CliError::usage)).collect()
}

/// A progress bar on standard error; hidden if that is not a terminal.
pub fn bar(printer: Printer, what: &str) -> ProgressBar {
    let bar = if printer.json { ProgressBar::hidden() } else { ProgressBar::no_length() };
    let form = format!("{{bar:30}} {{human_pos}} of {{human_len}} {what}, {{per_sec}}, {{eta}} left");
    bar.with_style(ProgressStyle::with_template(&form).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Updates the bar.
pub fn show(bar: &ProgressBar, done: u64, of: u64) {
    bar.set_length(of);
    bar.set_position(done);
}
