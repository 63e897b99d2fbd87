//! Faults of every kind on a real cluster under load, one at a time and in pairs; after each, everything that must hold is
//! looked at. See [`holdfast_tests::campaign`].
//!
//! A few of them by default. `make soak` runs all, and pairs; `HOLDFAST_FAULTS` names some (`kill-leader,disk-lost`, and
//! pairs as `kill-node+flip-bits`), `HOLDFAST_PAIRS` says how many random pairs follow, `HOLDFAST_SEED` repeats the
//! choices of an earlier run.

use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use holdfast_tests::campaign::bed::{Bed, NODES, network};
use holdfast_tests::campaign::dice::Dice;
use holdfast_tests::campaign::fault::Fault;
use holdfast_tests::campaign::report::{Row, table};
use holdfast_tests::campaign::scenario;
use holdfast_tests::netns::Network;
use holdfast_tests::{skip_unless_mounts, skip_unless_root_with};

type Scenario = Vec<Fault>;

/// Runs them one after another on one bed; after a failure on a new one. Says what became of each.
async fn run(network: &Arc<Network>, scenarios: &[(Scenario, u64)]) -> (Vec<Row>, Vec<String>) {
    let (mut rows, mut failures) = (Vec::new(), Vec::new());
    let mut bed = None;
    for (faults, seed) in scenarios {
        if let Some(why) = faults.iter().find_map(|fault| fault.missing()) {
            println!("SKIPPED {faults:?}: {why}");
            continue;
        }
        let outcome = async {
            let bed = match &mut bed {
                Some(bed) => bed,
                none => none.insert(Bed::start_in(network).await?),
            };
            scenario::run(bed, faults, *seed).await
        };
        match outcome.await {
            Ok(row) => {
                print!("{}", table(std::slice::from_ref(&row)).lines().last().unwrap_or_default());
                println!();
                rows.push(row);
            }
            Err(error) => {
                println!("FAILED {faults:?}, seed {seed}: {error:#}");
                failures.push(format!("{error:#}"));
                // Its logs are kept; what was done to the network is not left to the next one.
                bed = None;
                for node in 1..=NODES + 1 {
                    if let Err(error) = network.heal(node) {
                        println!("the network of node {node} is not as it was: {error:#}");
                    }
                }
            }
        }
        // One bed has one node to spare.
        if faults.contains(&Fault::NodeReplaced) {
            end(&mut bed, &mut failures).await;
        }
    }
    end(&mut bed, &mut failures).await;
    (rows, failures)
}

async fn end(bed: &mut Option<Bed>, failures: &mut Vec<String>) {
    if let Some(bed) = bed.take()
        && let Err(error) = bed.finish().await
    {
        println!("FAILED at the end: {error:#}");
        failures.push(format!("{error:#}"));
    }
}

fn campaign(scenarios: &[(Scenario, u64)]) -> Result<()> {
    skip_unless_root_with!("ip", "iptables", "mkfs.ext4", "mount", "umount");
    skip_unless_mounts!();
    let network = network()?;
    let (rows, failures) = network.block_on(run(&network, scenarios))?;
    println!("\n{}", table(&rows));
    if !failures.is_empty() {
        bail!("{} scenarios failed:\n{}", failures.len(), failures.join("\n"));
    }
    Ok(())
}

/// The seed of a run: given, or new.
fn seed() -> Result<u64> {
    match std::env::var("HOLDFAST_SEED") {
        Ok(text) => text.parse().context("HOLDFAST_SEED is a number"),
        Err(_) => Ok(rand_seed()),
    }
}

fn rand_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |since| since.as_secs())
}

/// What `HOLDFAST_FAULTS` names.
fn named(text: &str) -> Result<Vec<Scenario>> {
    let scenario = |names: &str| {
        names
            .split('+')
            .map(|name| Fault::of(name).with_context(|| format!("there is no fault '{name}'")))
            .collect()
    };
    text.split(',').map(scenario).collect()
}

fn random_pair(dice: &mut Dice) -> Scenario {
    loop {
        let (one, other) = (dice.pick(Fault::ALL), dice.pick(Fault::ALL));
        if let (Some(one), Some(other)) = (one, other)
            && one.goes_with(other)
        {
            // What the other one needs is not there any more when everything has stopped.
            return if one.stops_everything() { vec![other, one] } else { vec![one, other] };
        }
    }
}

fn with_seeds(scenarios: Vec<Scenario>, seed: u64) -> Vec<(Scenario, u64)> {
    scenarios.into_iter().zip(seed..).collect()
}

/// Faults that no other test has, and a pair.
#[test]
fn a_few_faults_leave_everything_as_it_should_be() -> Result<()> {
    let seed = seed()?;
    println!("seed {seed}");
    let chosen =
        vec![vec![Fault::LossyLink], vec![Fault::TornWrites], vec![Fault::KillMount, Fault::KillLeader]];
    campaign(&with_seeds(chosen, seed))
}

#[test]
#[ignore = "most of an hour: `make soak`"]
fn every_fault_and_pairs_of_them() -> Result<()> {
    let seed = seed()?;
    println!("seed {seed}");
    let mut chosen = match std::env::var("HOLDFAST_FAULTS") {
        Ok(text) if !text.is_empty() => named(&text)?,
        _ => Fault::ALL.iter().map(|fault| vec![*fault]).collect(),
    };
    let pairs: usize = std::env::var("HOLDFAST_PAIRS").ok().map_or(Ok(0), |text| text.parse())?;
    let mut dice = Dice::new(seed);
    chosen.extend((0..pairs).map(|_| random_pair(&mut dice)));
    campaign(&with_seeds(chosen, seed))
}
