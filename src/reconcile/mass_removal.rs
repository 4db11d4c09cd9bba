//! When so many entries disappear at once that an operator is asked first.

use crate::domain::profile::Policy;

/// Up to this many removals never need an approval for their share of all entries.
const SHARE_FROM: usize = 3;

/// Whether `removals`, after `lately` others on the same calendar, need an approval. `live`: entries on it before.
pub fn needs_approval(removals: usize, lately: usize, live: usize, policy: &Policy) -> bool {
    let all = removals + lately;
    let large_share = all * 100 > live * usize::try_from(policy.removals_share_max).unwrap_or(100);
    let many = all > usize::try_from(policy.removals_max).unwrap_or(usize::MAX);
    removals > 0 && (many || (all > SHARE_FROM && large_share))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_or_a_large_share_need_an_approval() {
        let policy = Policy { removals_max: 20, removals_share_max: 30, ..Policy::resource_mirror() };
        let asks = |removals, lately, live| needs_approval(removals, lately, live, &policy);
        assert!(!asks(0, 100, 100), "nothing disappeared now");
        assert!(!asks(20, 0, 1_000));
        assert!(asks(21, 0, 1_000), "too many");
        assert!(asks(1, 20, 1_000), "too many, with those before");
        assert!(!asks(3, 0, 3), "a few may be all there are");
        assert!(asks(4, 0, 12), "more than three in ten");
        assert!(!asks(4, 0, 14));
    }
}
