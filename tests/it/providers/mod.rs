//! The provider and source adapters against their models, in process and over a real socket; and every request that they
//! made to Google's, checked against Google's own description of its API.

mod google_auth;
mod google_entries;
mod google_lists;
mod google_lost;
mod requests;
mod scripted;
mod stand;
mod uschedule;
