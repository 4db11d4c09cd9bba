//! Copies of a table: the one that is asked, and those beside it.

/// Which copy of a projection's table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableCopy {
    /// The one that is asked.
    Live,
    /// The one that a rebuild fills, to take the live one's place.
    Next,
    /// The one that a comparison fills, to be thrown away.
    Check,
}

impl TableCopy {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Live, Self::Next, Self::Check];

    /// What is appended to the projection's name.
    pub fn suffix(self) -> &'static str {
        match self {
            Self::Live => "",
            Self::Next => "__next",
            Self::Check => "__check",
        }
    }
}
