//! A simulation plan: a seed, a number of steps, and what is left out.

use std::collections::BTreeSet;

use super::chance::Chance;

/// What can go wrong. Each seed has its own selection and its own rates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// A write at the calendar is lost on its way there.
    LostRequest,
    /// A write at the calendar is carried out, and its answer is lost.
    LostAnswer,
    /// An answer breaks off.
    Truncated,
    /// No connection.
    Unreachable,
    /// An answer comes too late.
    Slow,
    /// 409 on an insert.
    Conflict,
    /// Every sync token is void: 410.
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
    /// The grant is revoked, and given again later.
    Revoked,
    /// A page begins with the last entry of the page before.
    PageRepeats,
    /// A page lacks an entry, which comes with the next delta.
    PageOmits,
    /// Notifications are lost.
    Dropped,
    /// Notifications come twice.
    Doubled,
    /// Notifications come late, and out of order.
    Delayed,
    /// Notifications and webhooks that are somebody else's.
    Forged,
    /// A channel goes dark.
    ChannelDark,
    /// A calendar refuses push.
    PushRefused,
    /// A calendar cannot be reached for a while.
    CalendarGone,
    /// A write at the booking source is lost on its way, or its answer is.
    SourceLost,
    /// The source says no: 409.
    SourceConflict,
    /// The source has moved on: 412.
    SourceStale,
    /// The source fails: 5xx, 429.
    SourceError,
    /// The ledger does not take an append.
    LedgerDown,
    /// The ledger takes an append and its answer is lost.
    LedgerAnswerLost,
    /// A process dies, before or after any effect.
    Crash,
    /// The read models are lost.
    ModelsLost,
    /// A process stalls for longer than its leases.
    Stall,
    /// A clock is set back by seconds.
    ClockBack,
}

impl Fault {
    /// Every fault, with its permanent name.
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
        Self::ALL.iter().find(|(_, known)| *known == name).map(|(fault, _)| *fault)
    }
}

/// One simulation: the same plan gives the same trace, always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// All chance follows from it.
    pub seed: u64,
    /// Steps of chaos before everything is healed.
    pub steps: u32,
    /// Faults that do not happen.
    pub without: BTreeSet<Fault>,
    /// Steps that are left out.
    pub skip: BTreeSet<u32>,
    /// The turn, counted from 1, after which every process dies once.
    pub crash_at_turn: Option<u64>,
}

/// Steps of chaos where nothing else is asked for.
pub const STEPS: u32 = 250;

impl Plan {
    /// The usual number of steps, with everything that the seed brings.
    pub fn new(seed: u64) -> Self {
        Self { seed, steps: STEPS, without: BTreeSet::new(), skip: BTreeSet::new(), crash_at_turn: None }
    }

    /// The same plan with no fault at all.
    #[must_use]
    pub fn calm(mut self) -> Self {
        self.without = Fault::ALL.iter().map(|(fault, _)| *fault).collect();
        self
    }

    /// Steps of chaos that are not left out.
    pub fn steps_played(&self) -> usize {
        (0..self.steps).filter(|step| !self.skip.contains(step)).count()
    }

    /// The climate of this seed.
    pub(super) fn climate(&self) -> Climate {
        let mut chance = Chance::new(self.seed ^ 0xC11A);
        let mut rates = Vec::new();
        for (fault, _) in Fault::ALL {
            // Drawn for every fault, whether it is left out or not: leaving one out changes nothing about the others.
            let (happens, rate) = (chance.permille(400), 4 + chance.below(36));
            if happens && !self.without.contains(&fault) {
                rates.push((fault, rate));
            }
        }
        let (processes, short_pages) = (1 + usize::from(chance.permille(400)), chance.permille(300));
        let outage = chance.pick(&Outage::ALL).copied().filter(|_| chance.permille(150) && self.without.is_empty());
        Climate { rates, processes, short_pages, outage }
    }
}

/// What a seed's world is like.
#[derive(Debug, Clone)]
pub(super) struct Climate {
    /// Faults that happen, and in how many of a thousand steps.
    pub rates: Vec<(Fault, u64)>,
    /// Processes on the one ledger.
    pub processes: usize,
    /// Whether the provider's pages come shorter than asked for.
    pub short_pages: bool,
    /// What stays broken for half a day once the chaos is over.
    pub outage: Option<Outage>,
}

/// What can stay broken for half a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outage {
    /// Entries cannot be read by their id.
    Reads,
    /// Entries cannot be written.
    Writes,
    /// Writes are carried out, and nobody hears so; nor can entries be read.
    Answers,
    /// The provider cannot be reached.
    Provider,
    /// Access is revoked.
    Grant,
    /// The booking source cannot be reached.
    Source,
}

impl Outage {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Reads, Self::Writes, Self::Answers, Self::Provider, Self::Grant, Self::Source];
}

impl Climate {
    /// How often `fault` happens, of a thousand.
    pub fn rate(&self, fault: Fault) -> u64 {
        self.rates.iter().find(|(known, _)| *known == fault).map_or(0, |(_, rate)| *rate)
    }
}
