//! Writes the ledger, or a range of it, as lines that anyone can verify.

use crate::{
    domain::ids::Position,
    ledger::append::leaf_at,
    ports::lines::{LineSink, Lines},
    record::{
        checkpoint::Checkpoint,
        envelope::{leaf_bytes, leaf_hash},
        export::{Header, Trailer},
        merkle::Frontier,
    },
    services::{
        Error,
        audit::{Audit, PAGE_LEAVES},
    },
};

/// Events between two points from which an interrupted export can continue.
const SETTLE_EVENTS: usize = 4_096;

/// The range to export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Range {
    /// First position.
    pub from: u64,
    /// Last position (inclusive); `None`: the present end.
    pub to: Option<u64>,
}

/// Result of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSummary {
    /// First position.
    pub from: u64,
    /// Number of events.
    pub events: u64,
    /// How many of them an interrupted export had already written.
    pub resumed: u64,
    /// Checkpoint over everything up to the last event.
    pub checkpoint: Checkpoint,
}

/// Writes a range of events, after those that `already` contains of the same export.
///
/// # Errors
/// `Invalid` if the range is empty or `already` belongs to another export; `Damaged` if an event does not match its hash.
pub async fn export(
    audit: &Audit,
    range: Range,
    already: Lines,
    mut sink: Box<dyn LineSink>,
    progress: &mut (dyn FnMut(u64, u64) + Send),
) -> Result<ExportSummary, Error> {
    let failed = |reason: String| Error::Invalid(format!("cannot write the export: {reason}"));
    let (header, mut tree) = match resume(audit, range, already).await? {
        Some(resumed) => resumed,
        None => start(audit, range, &mut *sink).await?,
    };
    let resumed = tree.size() - header.from;
    while tree.size() < header.to {
        let limit = usize::try_from(header.to - tree.size()).unwrap_or(SETTLE_EVENTS).min(SETTLE_EVENTS);
        let page = audit.store().read_all(Position(tree.size()), limit).await?;
        if page.is_empty() {
            return Err(Error::Invalid(format!("position {} is missing: run `audit verify`", tree.size())));
        }
        for it in page {
            let stream = it.stream.to_string();
            if leaf_at(&stream, it.version, it.position, &it.event) != it.leaf || it.position.0 != tree.size() {
                let reason =
                    format!("at position {} the event does not match its hash: run `audit verify`", it.position);
                return Err(Error::Damaged { stream, version: it.version.0, reason });
            }
            sink.line(&leaf_bytes(&stream, it.version, it.position, &it.event)).map_err(failed)?;
            tree.push(it.leaf);
        }
        sink.settle().map_err(failed)?;
        progress(tree.size() - header.from, header.to - header.from);
    }
    let checkpoint = Checkpoint::new(header.origin, tree.size(), tree.root());
    let key = audit.keys().signer().await?;
    let note = checkpoint.sign(&key).map_err(|e| Error::Invalid(e.to_string()))?;
    let trailer = Trailer { checkpoint: note, key: key.verifier().to_string() };
    sink.line(&line(&trailer)).map_err(failed)?;
    sink.finish().map_err(failed)?;
    Ok(ExportSummary { from: header.from, events: header.to - header.from, resumed, checkpoint })
}

fn line(edge: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(edge).expect("it is made of texts and numbers")
}

/// Starts an export: its range, and its first line.
async fn start(audit: &Audit, range: Range, sink: &mut dyn LineSink) -> Result<(Header, Frontier), Error> {
    let end = audit.store().end().await?.0;
    let to = range.to.map_or(end, |last| last.saturating_add(1));
    if to > end || range.from >= to {
        let from = range.from;
        return Err(Error::Invalid(format!(
            "the ledger has {end} events, from position 0; there is no range {from} to {to}"
        )));
    }
    let mut tree = Frontier::new();
    while tree.size() < range.from {
        let limit = usize::try_from(range.from - tree.size()).unwrap_or(PAGE_LEAVES).min(PAGE_LEAVES);
        let page = audit.store().leaves(Position(tree.size()), limit).await?;
        if page.is_empty() {
            return Err(Error::Invalid(format!("position {} is missing: run `audit verify`", tree.size())));
        }
        page.into_iter().for_each(|leaf| tree.push(leaf));
    }
    // Creates a signing key if there is none, so that it is in the first line.
    audit.keys().signer().await?;
    let header = Header::new(audit.origin(), &tree, to, &audit.known().await?);
    let written = sink.line(&line(&header)).and_then(|()| sink.settle());
    written.map_err(|reason| Error::Invalid(format!("cannot write the export: {reason}")))?;
    Ok((header, tree))
}

/// Compares an interrupted export with the ledger; `None` if there is none.
async fn resume(audit: &Audit, range: Range, already: Lines) -> Result<Option<(Header, Frontier)>, Error> {
    let other = |why: &str| Error::Invalid(format!("found an interrupted export, but {why}: delete it to start again"));
    let mut already = already.map(|line| line.map_err(|e| other(&e.to_string())));
    let Some(first) = already.next().transpose()? else { return Ok(None) };
    let header = Header::read(&first).map_err(|e| other(&e))?;
    let same = header.origin == audit.origin() && header.from == range.from;
    if !same || range.to.is_some_and(|last| last.saturating_add(1) != header.to) {
        return Err(other("it belongs to another ledger or another range"));
    }
    let mut tree = header.before().ok_or_else(|| other("its first line contradicts itself"))?;
    let mut leaves = Vec::new().into_iter();
    for line in already {
        let line = line?;
        if tree.size() >= header.to {
            return Err(other("it has more events than its first line says"));
        }
        let ours = match leaves.next() {
            Some(leaf) => Some(leaf),
            None => {
                leaves = audit.store().leaves(Position(tree.size()), PAGE_LEAVES).await?.into_iter();
                leaves.next()
            }
        };
        let leaf = leaf_hash(&line);
        if ours != Some(leaf) {
            return Err(other(&format!("its position {} differs from the ledger", tree.size())));
        }
        tree.push(leaf);
    }
    Ok(Some((header, tree)))
}
