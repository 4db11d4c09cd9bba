//! Texts that people write in a simulation, and its secrets: none of them may be stored in clear text. Those who write them and the rule
//! that looks for them use the same constants.

/// Beginning of every customer's name.
pub(super) const NAME: &str = "Customer ";
/// End of every customer's address.
pub(super) const MAIL: &str = "@mail.example";
/// Notes that a customer adds later.
pub(super) const LATER_NOTES: &str = "left-handed";
/// Notes of a new appointment.
pub(super) const NOTES: &str = "brings own clubs";
/// A title.
pub(super) const TITLE: &str = "Swing lesson";
/// Beginning of a title that a person gives an entry in the calendar.
pub(super) const ENTRY_TITLE: &str = "VIP ";
/// The secret with which the booking system signs webhooks.
pub(super) const SECRET: &str = "a secret of the simulation";
/// The key of the booking system's API.
pub(super) const API_KEY: &str = "sandbox-key";

/// All of them, with the beginning of every access token.
pub(super) const ALL: [&str; 9] = [NAME, MAIL, LATER_NOTES, NOTES, TITLE, ENTRY_TITLE, API_KEY, SECRET, "ya29."];
