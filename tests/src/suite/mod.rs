//! Runs all tests: first those without a cluster, then the others, longest first, two programs at a time. Most of what
//! tests with clusters do is waiting; which of them may run together they decide themselves ([`crate::exclusive`]).
//!
//! What always holds: a test that fails is run once more, alone, so that one unlucky run on a busy machine does not hold
//! up a change; it is listed as FLAKY then, and that is a defect to be looked at. What was skipped is listed at the end.

mod program;
mod times;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::signal::unix::{SignalKind, signal};

use self::program::{Program, Ran};
use self::times::Times;

/// Programs that run at a time.
const AT_A_TIME: usize = 2;

/// Runs them; whether all passed.
pub fn run(names: &[String]) -> Result<bool> {
    let begun = Instant::now();
    end_with_us()?;
    let (target, mut programs) = program::build()?;
    programs.retain(|program| names.is_empty() || names.contains(&program.name));
    ensure!(!programs.is_empty(), "no test program is called {}", names.join(" or "));
    let logs = target.join("suite");
    std::fs::create_dir_all(&logs)?;
    let mut times = Times::load(&logs);
    programs.sort_by_key(|program| std::cmp::Reverse(times.of(program)));
    println!("==> {} test programs; their output: {}", programs.len(), logs.display());

    let (with_clusters, plain): (Vec<_>, Vec<_>) = programs.into_iter().partition(Program::has_clusters);
    let mut ran = Vec::new();
    for part in [plain, with_clusters] {
        ran.extend(all(part, |program| program.run(&logs)));
    }
    for one in &ran {
        times.learn(one);
    }
    times.save(&logs)?;

    let (mut failed, mut flaky) = (Vec::new(), Vec::new());
    for one in ran.iter().filter(|one| !one.passed()) {
        println!("\n==> {} failed:\n{}", one.program.name, one.end_of_log());
        for test in &one.failed {
            println!("==> once more: {} {test}", one.program.name);
            let again = one.program.run_one(&logs, test);
            let list = if again.passed() { &mut flaky } else { &mut failed };
            list.push(format!("{} {test}", one.program.name));
            if !again.passed() {
                println!("{}", again.end_of_log());
            }
        }
        if one.failed.is_empty() {
            failed.push(format!("{}: {}", one.program.name, one.ending));
        }
    }
    let documented = names.is_empty().then(program::documentation).unwrap_or(Ok(true))?;
    if !documented {
        failed.push("examples of the documentation".to_owned());
    }
    summary(&ran, &failed, &flaky, begun.elapsed());
    Ok(failed.is_empty())
}

fn summary(ran: &[Ran], failed: &[String], flaky: &[String], took: Duration) {
    println!();
    for line in ran.iter().flat_map(|one| &one.skipped) {
        println!("{line}");
    }
    for name in flaky {
        println!("FLAKY {name}: failed once and passed once");
    }
    for name in failed {
        println!("FAILED {name}");
    }
    let tests: usize = ran.iter().map(|one| one.tests).sum();
    println!("==> {tests} tests, {} failed, {} flaky, in {} s", failed.len(), flaky.len(), took.as_secs());
}

/// Whoever ends this ends the programs too: they have process groups of their own.
fn end_with_us() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    std::thread::spawn(move || {
        let ended = runtime.block_on(async {
            let mut terminated = signal(SignalKind::terminate())?;
            tokio::select! {
                ended = tokio::signal::ctrl_c() => ended,
                _ = terminated.recv() => Ok(()),
            }
        });
        if ended.is_ok() {
            program::end_all();
            std::process::exit(130);
        }
    });
    Ok(())
}

/// Runs them, so many at a time; what came of them, in the order of their ends.
fn all(programs: Vec<Program>, run: impl Fn(Program) -> Ran + Sync) -> Vec<Ran> {
    let waiting = Mutex::new(VecDeque::from(programs));
    let ran = Mutex::new(Vec::new());
    let take = || waiting.lock().ok().and_then(|mut waiting| waiting.pop_front());
    std::thread::scope(|threads| {
        for _ in 0..AT_A_TIME {
            threads.spawn(|| {
                while let Some(program) = take() {
                    let one = run(program);
                    let word = if one.passed() { "ok" } else { "FAILED" };
                    let (name, tests, took) = (&one.program.name, one.tests, one.took.as_secs_f64());
                    println!("{word:6} {name:26} {tests:4} tests {took:7.1} s");
                    if let Ok(mut ran) = ran.lock() {
                        ran.push(one);
                    }
                }
            });
        }
    });
    ran.into_inner().unwrap_or_default()
}
