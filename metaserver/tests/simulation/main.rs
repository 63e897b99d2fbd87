//! A whole cluster in one thread and in virtual time: the real state machine, the real loops and planners of the leader,
//! several metaservers of which one leads, chunkservers and clients in memory, a network that loses and delays. All that
//! happens follows from a seed; every command is followed by the whole-state checker and by a look whether every byte
//! that was acknowledged is still somewhere.
//!
//! `HOLDFAST_SIM_SEED=n` runs one seed, `HOLDFAST_SIM_SEEDS=n` that many instead of the usual number (`make seeds`),
//! `HOLDFAST_SIM_TRACE=1` prints what happens.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

mod clients;
mod council;
mod disks;
mod faults;
mod fsck;
mod oracle;
mod run;
mod servers;
mod world;

use run::{Outcome, Scenario, run};

/// Seeds of one test, unless the environment says otherwise. Five tests, so that they run beside each other.
const SEEDS: u64 = 48;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a seed is a number"))
}

fn seeds(from: u64) -> Vec<u64> {
    match number("HOLDFAST_SIM_SEED") {
        Some(seed) => vec![seed],
        None => (from..from + number("HOLDFAST_SIM_SEEDS").map_or(SEEDS, |all| all.div_ceil(5))).collect(),
    }
}

fn all(from: u64, scenario: &Scenario) {
    let mut failed = Vec::new();
    let mut total = Outcome::default();
    for seed in seeds(from) {
        let outcome = run(seed, scenario);
        if let Some(what) = &outcome.violation {
            eprintln!("seed {seed}: {what}");
            failed.push(seed);
        }
        total.add(&outcome);
    }
    println!("{total:?}");
    assert!(total.restored > 0 || number("HOLDFAST_SIM_SEED").is_some(), "nothing was ever restored");
    assert!(failed.is_empty(), "seeds {failed:?} went wrong; HOLDFAST_SIM_SEED=n runs one again");
}

#[test]
fn nodes_die_and_leaders_change() {
    all(1_000, &Scenario { kills: true, ..Scenario::default() });
}

#[test]
fn disks_are_lost_and_replaced() {
    all(2_000, &Scenario { losses: true, damage: true, fsck: true, ..Scenario::default() });
}

#[test]
fn data_moves_while_things_fail() {
    all(3_000, &Scenario { moves: true, kills: true, losses: true, ..Scenario::default() });
}

#[test]
fn procedures_go_through_whoever_leads() {
    let scenario =
        Scenario { procedures: true, kills: true, losses: true, damage: true, ..Scenario::default() };
    all(5_000, &scenario);
}

fn everything() -> Scenario {
    Scenario {
        kills: true,
        losses: true,
        damage: true,
        moves: true,
        procedures: true,
        cuts: true,
        fsck: true,
        ..Scenario::default()
    }
}

#[test]
fn everything_at_once_on_a_bad_network() {
    all(4_000, &everything());
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let all_of_it = everything();
    let (one, two, other) = (run(7, &all_of_it), run(7, &all_of_it), run(8, &all_of_it));
    assert_eq!(one.history, two.history);
    assert_ne!(one.history, other.history);
}

/// What the checks are worth: each of these mistakes is noticed, as what it is.
#[test]
fn mistakes_are_noticed() {
    use run::Mistake::{EmptyPulls, ForgetfulAcks, Impatience, LazyDeletes, Zeal};
    let busy = Scenario { kills: true, losses: true, damage: true, moves: true, ..Scenario::default() };
    let quiet = Scenario { procedures: true, ..Scenario::default() };
    for (mistake, scenario, told) in [
        (EmptyPulls, &busy, "and nobody knows"),
        (ForgetfulAcks, &busy, "is lost"),
        (LazyDeletes, &busy, "which nobody needs"),
        (Impatience, &quiet, "given up during maintenance"),
        (Zeal, &quiet, "of which nothing was lost"),
    ] {
        let scenario = Scenario { mistake: Some(mistake), ..scenario.clone() };
        let found = (1..100).find_map(|seed| run(seed, &scenario).violation.map(|what| (seed, what)));
        println!("{mistake:?}: {found:?}");
        assert!(found.is_some_and(|(_, what)| what.contains(told)), "{mistake:?} went unnoticed");
    }
}
