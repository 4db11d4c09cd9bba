//! The outline of an iCalendar file before parsing: nesting, and whether it is complete.

use crate::adapters::files::{LINE_BYTES_MAX, NESTING_MAX};

/// The outline of a file.
pub(super) struct Shape {
    /// Number of VEVENTs.
    pub entries: usize,
    /// Whether the file ends within a VEVENT.
    pub cut: bool,
}

/// Scans a file. Refuses, with a line number, what is nested too deeply or too long for a calendar.
pub(super) fn of(content: &str) -> Result<Shape, (usize, String)> {
    let (mut entries, mut property_bytes) = (0, 0);
    let mut open: Vec<bool> = Vec::new();
    for (number, line) in (1..).zip(content.split(['\n', '\r'])) {
        property_bytes = if line.starts_with([' ', '\t']) { property_bytes + line.len() } else { line.len() };
        if property_bytes > LINE_BYTES_MAX {
            return Err((number, format!("a property is longer than {LINE_BYTES_MAX} bytes")));
        }
        match component(line) {
            Some(("BEGIN", name)) => {
                let entry = name.eq_ignore_ascii_case("VEVENT");
                entries += usize::from(entry);
                open.push(entry);
                if open.len() > NESTING_MAX {
                    return Err((number, format!("components are nested more than {NESTING_MAX} levels deep")));
                }
            }
            Some(_) => drop(open.pop()),
            None => {}
        }
    }
    Ok(Shape { entries, cut: open.contains(&true) })
}

/// The name of the component that a line begins or ends.
fn component(line: &str) -> Option<(&'static str, &str)> {
    let (word, name) = line.split_once(':')?;
    let word = ["BEGIN", "END"].into_iter().find(|known| word.trim().eq_ignore_ascii_case(known))?;
    Some((word, name.trim()))
}
