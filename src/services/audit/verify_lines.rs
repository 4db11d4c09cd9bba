//! Verifies an exported ledger on its own: without configuration, ledger or network.

use super::{
    Fault, Report,
    walk::{ExpectedCheckpoint, Walk},
};
use crate::{
    domain::{ids::Position, program_version::ProgramVersion},
    ledger::required_version::required_by,
    ports::{checkpoint_archive::ArchivedCheckpoint, lines::Lines},
    record::{
        checkpoint::{Checkpoint, write_hash},
        export::{EDGE_BYTES_MAX, Header, Trailer},
        leaf,
        note::VerifierKey,
    },
};

/// A verified export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// The result.
    pub report: Report,
    /// The first line; `None` if unreadable.
    pub header: Option<Header>,
    /// The checkpoint at its end; `None` if there are faults.
    pub checkpoint: Option<Checkpoint>,
    /// The keys it lists; the one that signed it is last.
    pub keys: Vec<VerifierKey>,
    /// Whether it was signed with a key the auditor kept. If not, it is consistent, but its author is unknown.
    pub authentic: bool,
    /// The least version of the program that its events require; `None` where every version reads them.
    pub required: Option<ProgramVersion>,
}

/// Reads and verifies all lines, with the keys the auditor kept, if any.
pub fn verify_lines(
    lines: Lines,
    known: &[VerifierKey],
    archived: &[ArchivedCheckpoint],
    progress: &mut dyn FnMut(u64, u64),
) -> Contents {
    let mut contents = Contents {
        report: Report::default(),
        header: None,
        checkpoint: None,
        keys: Vec::new(),
        authentic: false,
        required: None,
    };
    let mut reading = LineReader { lines, line: 0, required: None };
    match reading.check(known, archived, progress, &mut contents) {
        Ok(()) => contents.report.sound = true,
        Err(fault) => {
            contents.checkpoint = None;
            contents.report.faults.push(fault);
        }
    }
    contents.required = reading.required;
    contents
}

struct LineReader {
    lines: Lines,
    /// Number of the last line read, from 1.
    line: u64,
    required: Option<ProgramVersion>,
}

impl LineReader {
    fn next(&mut self, wanted: &str) -> Result<Vec<u8>, Fault> {
        self.line += 1;
        match self.lines.next() {
            Some(Ok(line)) => Ok(line),
            Some(Err(unreadable)) => Err(self.fault(unreadable.to_string())),
            None => Err(self.fault(format!("the file ends before {wanted}"))),
        }
    }

    fn fault(&self, reason: impl Into<String>) -> Fault {
        Fault::general(reason).on(self.line)
    }

    fn edge(&mut self, wanted: &str) -> Result<Vec<u8>, Fault> {
        let line = self.next(wanted)?;
        if line.len() > EDGE_BYTES_MAX {
            return Err(
                self.fault(format!("the line has {} bytes, more than the maximum of {EDGE_BYTES_MAX}", line.len()))
            );
        }
        Ok(line)
    }

    fn check(
        &mut self,
        known: &[VerifierKey],
        archived: &[ArchivedCheckpoint],
        progress: &mut dyn FnMut(u64, u64),
        contents: &mut Contents,
    ) -> Result<(), Fault> {
        let first = self.edge("its first line")?;
        let header = Header::read(&first).map_err(|e| self.fault(e))?;
        contents.report.origin.clone_from(&header.origin);
        contents.keys = header.keys().map_err(|e| self.fault(e))?;
        let before = header.before().ok_or_else(|| self.fault("the first line contradicts itself"))?;
        let (from, to) = (header.from, header.to);
        contents.header = Some(header);
        let all = [known, contents.keys.as_slice()].concat();
        let mut walk = Walk::new(contents.report.origin.clone(), all, before);
        for ArchivedCheckpoint { place, note } in archived {
            let keys = if known.is_empty() { &contents.keys } else { known };
            let checkpoint = Checkpoint::signed(note, &contents.report.origin, keys);
            let checkpoint = checkpoint.map_err(|e| Fault::general(format!("{place}: {e}")))?;
            if !(from < checkpoint.size && checkpoint.size <= to) {
                let size = checkpoint.size;
                return Err(Fault::general(format!("{place} covers {size} events, which this file does not contain")));
            }
            walk.expect(
                checkpoint.size,
                ExpectedCheckpoint { root: checkpoint.root, name: format!("the checkpoint in {place}") },
            );
        }
        let walked = self.events(&mut walk, from, to, progress);
        contents.report.events = walk.tree().size() - from;
        (contents.report.checkpoints, contents.report.sealed) = (walk.checkpoints, walk.sealed);
        contents.report.root = write_hash(&walk.tree().root());
        walked?;
        if let Some((size, due)) = walk.late.first() {
            // Our own are never so far apart; see the sealer.
            return Err(Fault::general(format!(
                "{} covers only {size} events: it cannot be verified in one pass",
                due.name
            )));
        }
        contents.report.kept = archived.len() as u64;
        self.trailer(&walk, known, contents)
    }

    fn events(&mut self, walk: &mut Walk, from: u64, to: u64, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Fault> {
        while walk.tree().size() < to {
            let position = walk.tree().size();
            let line = self.next(&format!("position {position}"));
            let line = line.map_err(|fault| Fault { position: Some(position), ..fault })?;
            let read = leaf::read(&line).map_err(|e| Fault::at(Position(position), e.to_string()).on(self.line))?;
            self.required = self.required.max(required_by(&read.event));
            walk.take(&read).map_err(|fault| fault.on(self.line))?;
            if position.is_multiple_of(8_192) {
                progress(position - from, to - from);
            }
        }
        Ok(())
    }

    fn trailer(&mut self, walk: &Walk, known: &[VerifierKey], contents: &mut Contents) -> Result<(), Fault> {
        let last = self.edge("the final checkpoint")?;
        let trailer = Trailer::read(&last).map_err(|e| self.fault(e))?;
        let key: VerifierKey = trailer.key.parse().map_err(|e| self.fault(format!("the signing key: {e}")))?;
        contents.keys.retain(|other| *other != key);
        contents.keys.push(key);
        // If the auditor has keys, only those are trusted.
        let keys = if known.is_empty() { &contents.keys } else { known };
        let checkpoint = Checkpoint::signed(&trailer.checkpoint, &contents.report.origin, keys);
        let checkpoint = checkpoint.map_err(|e| self.fault(format!("the final checkpoint: {e}")))?;
        if checkpoint.size != walk.tree().size() || checkpoint.root != walk.tree().root() {
            return Err(self.fault("the final checkpoint does not cover these events"));
        }
        if let Some(more) = self.lines.next() {
            self.line += 1;
            return Err(
                self.fault(more.map_or_else(|e| e.to_string(), |_| "there is more data after the end".to_owned()))
            );
        }
        contents.report.sealed = checkpoint.size;
        contents.checkpoint = Some(checkpoint);
        contents.authentic = !known.is_empty();
        Ok(())
    }
}
