//! The rules of a booking, given what is known, when something is asked, then what happens.
