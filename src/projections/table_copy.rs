//! Copies of a table: the live one, and those next to it.

/// A copy of a projection's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableCopy {
    /// The copy that queries use.
    Live,
    /// The copy filled by a rebuild, which replaces the live one.
    Next,
    /// The copy filled by a comparison, which is dropped afterwards.
    Check,
}

impl TableCopy {
    /// All copies.
    pub const ALL: [Self; 3] = [Self::Live, Self::Next, Self::Check];

    /// Suffix of the table name.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Next => "__next",
            Self::Check => "__check",
        }
    }
}
