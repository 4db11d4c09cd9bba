//! When a read model's table is filled again, and when a copy may replace it: the same rule in every store.

use crate::{
    domain::ids::Position,
    ports::projection_store::{Checkpoint, TableCopy},
    projections::{ALL, Projection},
};

/// The projections whose live table does not exist, or was filled by another version of the definition.
pub fn outdated(checkpoints: &[Checkpoint], exists: impl Fn(&Projection) -> bool) -> Vec<&'static Projection> {
    let current = |projection: &Projection| {
        checkpoints.iter().any(|checkpoint| {
            checkpoint.projection == projection.name
                && checkpoint.table_copy == TableCopy::Live
                && checkpoint.version == projection.version
        })
    };
    ALL.into_iter().filter(|projection| !(current(projection) && exists(projection))).collect()
}

/// The position of the next copy if it may replace the live one, which is at most `behind_max` events ahead of it.
pub fn replaces(live: Option<Position>, next: Option<Position>, behind_max: u64) -> Option<Position> {
    next.filter(|next| live.is_none_or(|live| live.0 <= next.0.saturating_add(behind_max)))
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    #[test]
    fn a_table_is_outdated_without_its_checkpoint_its_version_or_itself() {
        let checkpoint = |projection: &Projection, version, table_copy| Checkpoint {
            projection: projection.name,
            table_copy,
            version,
            position: Position(3),
            updated_at: DateTime::UNIX_EPOCH,
        };
        let all = |table_copy| ALL.map(|p| checkpoint(p, p.version, table_copy));
        let names = |found: Vec<&Projection>| found.into_iter().map(|p| p.name).collect::<Vec<_>>();
        assert_eq!(names(outdated(&all(TableCopy::Live), |_| true)), [""; 0]);
        assert_eq!(outdated(&all(TableCopy::Next), |_| true).len(), ALL.len());
        assert_eq!(names(outdated(&all(TableCopy::Live), |p| p.name != "links")), ["links"]);
        let mut older = all(TableCopy::Live);
        older[0].version += 1;
        assert_eq!(names(outdated(&older, |_| true)), [ALL[0].name]);
    }

    #[test]
    fn a_copy_replaces_a_table_that_is_hardly_ahead() {
        let at = |n| Some(Position(n));
        assert_eq!(replaces(at(10), at(10), 0), at(10));
        assert_eq!(replaces(at(12), at(10), 2), at(10));
        assert_eq!(replaces(at(13), at(10), 2), None);
        assert_eq!(replaces(None, at(10), 0), at(10));
        assert_eq!(replaces(at(0), None, 9), None);
        assert_eq!(replaces(at(u64::MAX), at(u64::MAX), u64::MAX), at(u64::MAX));
    }
}
