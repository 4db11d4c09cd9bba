//! An event-sourced sync ledger: keeps bookings and calendars in sync, with a verifiable history.

pub mod domain;

pub mod projections;
pub mod reconcile;
pub mod record;

pub mod ports;

pub mod keys;
pub mod ledger;

pub mod adapters;
pub mod services;

pub mod gateway;
pub mod http;

pub mod app;
pub mod cli;
pub mod config;
pub mod demo;
pub mod serve;
pub mod simulation;
