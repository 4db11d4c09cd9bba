//! A simulation plan: a seed, a number of steps, disabled faults and disabled steps.

use std::collections::BTreeSet;

use super::chance::Chance;

/// The faults. Each seed has its own selection of them and its own rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A write to the calendar is lost before it arrives.
    LostRequest,
    /// A write to the calendar is carried out, but its answer is lost.
    LostAnswer,
    /// An answer is truncated.
    Truncated,
    /// No connection.
    Unreachable,
    /// An answer arrives too late.
    Slow,
    /// 409 on an insert.
    Conflict,
    /// Every sync token expires: 410.
    TokensExpire,
    /// 412 although nothing changed.
    Stale,
    /// 429, with or without `Retry-After`.
    TooMany,
    /// 403 `rateLimitExceeded`, with or without `Retry-After`.
    RateLimited,
    /// 403 `quotaExceeded`: locked for hours.
    UsageLocked,
    /// 5xx, carried out or not.
    ServerError,
    /// 401 in the middle of a run.
    Unauthorised,
    /// The token endpoint fails.
    TokenEndpoint,
    /// Access is revoked, and granted again later.
    Revoked,
    /// A page begins with the last entry of the previous page.
    PageRepeats,
    /// A page omits an entry, which the next delta contains.
    PageOmits,
    /// Notifications are lost.
    Dropped,
    /// Notifications arrive twice.
    Doubled,
    /// Notifications arrive late and out of order.
    Delayed,
    /// Forged notifications and webhooks.
    Forged,
    /// A channel stops delivering notifications.
    ChannelDark,
    /// A calendar refuses push.
    PushRefused,
    /// A calendar cannot be reached for a while.
    CalendarGone,
    /// A write to the booking source is lost, or its answer is.
    SourceLost,
    /// The source refuses: 409.
    SourceConflict,
    /// The source has a newer revision: 412.
    SourceStale,
    /// The source fails: 5xx, 429.
    SourceError,
    /// The ledger refuses an append.
    LedgerDown,
    /// The ledger carries out an append, but its answer is lost.
    LedgerAnswerLost,
    /// A process crashes, before or after any effect.
    Crash,
    /// The read models are lost.
    ModelsLost,
    /// A process stalls for longer than its leases.
    Stall,
    /// A clock is set back by seconds.
    ClockBack,
}

impl Fault {
    /// Every fault with its permanent name.
    pub const ALL: [(Self, &'static str); 34] = [
        (Self::LostRequest, "lost_request"),
        (Self::LostAnswer, "lost_answer"),
        (Self::Truncated, "truncated"),
        (Self::Unreachable, "unreachable"),
        (Self::Slow, "slow"),
        (Self::Conflict, "conflict"),
        (Self::TokensExpire, "tokens_expire"),
        (Self::Stale, "stale"),
        (Self::TooMany, "too_many"),
        (Self::RateLimited, "rate_limited"),
        (Self::UsageLocked, "usage_locked"),
        (Self::ServerError, "server_error"),
        (Self::Unauthorised, "unauthorised"),
        (Self::TokenEndpoint, "token_endpoint"),
        (Self::Revoked, "revoked"),
        (Self::PageRepeats, "page_repeats"),
        (Self::PageOmits, "page_omits"),
        (Self::Dropped, "dropped"),
        (Self::Doubled, "doubled"),
        (Self::Delayed, "delayed"),
        (Self::Forged, "forged"),
        (Self::ChannelDark, "channel_dark"),
        (Self::PushRefused, "push_refused"),
        (Self::CalendarGone, "calendar_gone"),
        (Self::SourceLost, "source_lost"),
        (Self::SourceConflict, "source_conflict"),
        (Self::SourceStale, "source_stale"),
        (Self::SourceError, "source_error"),
        (Self::LedgerDown, "ledger_down"),
        (Self::LedgerAnswerLost, "ledger_answer_lost"),
        (Self::Crash, "crash"),
        (Self::ModelsLost, "models_lost"),
        (Self::Stall, "stall"),
        (Self::ClockBack, "clock_back"),
    ];

    /// Its permanent name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(fault, _)| *fault == self).map_or("", |(_, name)| name)
    }

    /// The fault of that name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(_, other)| *other == name).map(|(fault, _)| *fault)
    }
}

/// One simulation: the same plan gives the same trace, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Determines everything random.
    pub seed: u64,
    /// Steps of random activity before the faults are cleared.
    pub steps: u32,
    /// Disabled faults.
    pub without: BTreeSet<Fault>,
    /// Disabled steps.
    pub skip: BTreeSet<u32>,
    /// The turn, counted from 1, after which every process crashes once.
    pub crash_at_turn: Option<u64>,
}

/// Steps of random activity by default.
pub const STEPS: u32 = 250;

impl Plan {
    /// The plan of a seed, with the default number of steps and all its faults.
    pub fn new(seed: u64) -> Self {
        Self { seed, steps: STEPS, without: BTreeSet::new(), skip: BTreeSet::new(), crash_at_turn: None }
    }

    /// The same plan without any fault.
    #[must_use]
    pub fn without_faults(mut self) -> Self {
        self.without = Fault::ALL.iter().map(|(fault, _)| *fault).collect();
        self
    }

    /// Number of steps that are not disabled.
    pub fn steps_played(&self) -> usize {
        (0..self.steps).filter(|step| !self.skip.contains(step)).count()
    }

    /// The conditions of this seed.
    pub(super) fn conditions(&self) -> Conditions {
        let mut chance = Chance::new(self.seed ^ 0xC11A);
        let mut rates = Vec::new();
        for (fault, _) in Fault::ALL {
            // Drawn for every fault, disabled or not: disabling one does not change the others.
            let (happens, rate) = (chance.permille(400), 4 + chance.below(36));
            if happens && !self.without.contains(&fault) {
                rates.push((fault, rate));
            }
        }
        let (processes, short_pages) = (1 + usize::from(chance.permille(400)), chance.permille(300));
        let outage = chance.pick(&Outage::ALL).copied().filter(|_| chance.permille(150) && self.without.is_empty());
        Conditions { rates, processes, short_pages, outage }
    }
}

/// The conditions in which a seed runs.
#[derive(Debug, Clone)]
pub(super) struct Conditions {
    /// The faults of this seed, and their rate per 1,000 steps.
    pub rates: Vec<(Fault, u64)>,
    /// Number of processes on the same ledger.
    pub processes: usize,
    /// Whether the provider's pages are shorter than requested.
    pub short_pages: bool,
    /// An outage of half a day after the steps.
    pub outage: Option<Outage>,
}

/// The outages of half a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outage {
    /// Entries cannot be read by their id.
    Reads,
    /// Entries cannot be written.
    Writes,
    /// Writes are carried out but not answered, and entries cannot be read.
    Answers,
    /// The provider cannot be reached.
    Provider,
    /// Access is revoked.
    Grant,
    /// The booking source cannot be reached.
    Source,
}

impl Outage {
    /// Every outage.
    pub const ALL: [Self; 6] = [Self::Reads, Self::Writes, Self::Answers, Self::Provider, Self::Grant, Self::Source];
}

impl Conditions {
    /// The rate of `fault` per 1,000 steps.
    pub fn rate(&self, fault: Fault) -> u64 {
        self.rates.iter().find(|(other, _)| *other == fault).map_or(0, |(_, rate)| *rate)
    }
}
