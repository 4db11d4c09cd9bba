//! Stories of hand-made events.
