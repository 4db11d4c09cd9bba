//! What a booking wants on a calendar.

use crate::domain::{
    booking::{Booking, Details},
    entry::Content,
    personal::{Personal, nobody},
    profile::{OnCancel, Policy},
};

/// What the calendar should show of a booking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DesiredEntry {
    /// An entry with this content.
    Present(Content),
    /// No entry, for this reason.
    Absent(&'static str),
    /// No change.
    Leave,
}

/// Maximum length of a title we send, in characters.
pub const TITLE_CHARS_MAX: usize = 1_000;
/// Maximum length of a description we send, in characters. Google's limit is 8,192.
pub const DESCRIPTION_CHARS_MAX: usize = 8_000;

/// What `booking` wants on a calendar that its resource has (`routed`) or no longer has a route to.
pub fn desired(booking: &Booking, routed: bool, policy: &Policy) -> DesiredEntry {
    if !routed {
        return DesiredEntry::Absent("the booking is on another resource now");
    }
    match (booking.active(), policy.cancel) {
        (true, _) => DesiredEntry::Present(content(booking, policy, false)),
        (false, OnCancel::Delete) => DesiredEntry::Absent("the booking is cancelled"),
        (false, OnCancel::Mark) => DesiredEntry::Present(content(booking, policy, true)),
        (false, OnCancel::Leave) => DesiredEntry::Leave,
    }
}

fn content(booking: &Booking, policy: &Policy, marked_cancelled: bool) -> Content {
    Content {
        slot: booking.slot.clone(),
        title: fill(&policy.title, booking, TITLE_CHARS_MAX),
        description: fill(&policy.description, booking, DESCRIPTION_CHARS_MAX),
        marked_cancelled,
    }
}

/// Fills the template with the booking's texts. If any of them is erased, gives only the replacement text:
/// an entry must not go on showing an erased person. Texts about nobody are never erased.
fn fill(template: &str, booking: &Booking, chars_max: usize) -> Personal {
    let Details { title, notes, customer } = &booking.details;
    let mut subject = nobody();
    let customer = customer.as_ref().map(|c| &c.name);
    let words = [("{title}", Some(title)), ("{notes}", notes.as_ref()), ("{customer}", customer)];
    let mut text = template.to_owned();
    for (place, word) in words {
        if !text.contains(place) {
            continue;
        }
        match word {
            None => text = text.replace(place, ""),
            Some(Personal { text: Some(said), .. }) => {
                subject = title.subject.clone();
                text = text.replace(place, said);
            }
            Some(Personal { text: None, .. }) => return Personal::erased(),
        }
    }
    text = text.replace("{resource}", booking.resource.as_str()).replace("{appointment}", &booking.source_ref);
    Personal { subject, text: Some(text.trim().chars().take(chars_max).collect()) }
}
