//! Planners: pure functions from (map, loads, limits) to what the leader should do next.
//!
//! What always holds:
//! - No clock, no randomness, no I/O, no hash-map order: the same input gives the same plan, on any machine.
//!   Ties are broken by a fixed mixing function over a seed that the caller names.
//! - A plan never breaks a failure-domain rule that could be kept, never puts two members of a group on one disk,
//!   and never drops a member before enough others hold everything.
//! - Planners propose; the state machine checks every command again when it is applied.
//!
//! Called by the leader's loops in the metaserver, and by tests.

pub mod balance;
pub mod cluster;
pub mod create;
pub mod explain;
pub mod fill;
pub mod leave;
pub mod place;
pub mod repair;
pub mod room;
pub mod shape;
pub mod simulate;

/// A fixed mixing function (the finaliser of splitmix64), so that no library's hash order decides placement.
pub fn mix(seed: u64, a: u64, b: u64) -> u64 {
    let mut z = seed
        .wrapping_add(a.wrapping_mul(0x9e37_79b9_7f4a_7c15))
        .wrapping_add(b.wrapping_mul(0xc2b2_ae3d_27d4_eb4f))
        .wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    #[test]
    fn mixing_is_pinned() {
        // Placement must come out the same in every release.
        assert_eq!(super::mix(0, 0, 0), 0xe220_a839_7b1d_cdaf);
        assert_ne!(super::mix(1, 2, 3), super::mix(1, 3, 2));
    }
}
