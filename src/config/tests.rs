//! What is said about wrong files, and what right ones become.
