//! `holdfast bench`: a closed loop of one kind of operation, with its latency histogram.
//!
//! What always holds: what was written is read back and compared in `get`; files lie below one directory, which is
//! removed at the end unless `--keep`; errors are counted, never retried here beyond what the library does.

mod histogram;
mod work;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use serde::Serialize;

use crate::failure::{Exit, Failure, Outcome};
use crate::output::{Output, size, warn};
use crate::place::RemotePath;
use crate::remote::Remote;
use histogram::Histogram;

#[derive(Args, Debug, Clone)]
pub(crate) struct BenchArgs {
    /// What to measure
    #[arg(value_enum, default_values_t = [BenchOp::Put, BenchOp::Get, BenchOp::Stat])]
    ops: Vec<BenchOp>,

    /// Bytes of a file; suffixes k, m, g
    #[arg(long, short, default_value = "4k", value_parser = parse_size)]
    size: u64,

    /// Operations at the same time
    #[arg(long, short, default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,

    /// Seconds per kind of operation
    #[arg(long, default_value_t = 10.0)]
    seconds: f64,

    /// Most operations per kind
    #[arg(long, default_value_t = 100_000)]
    count: u64,

    /// Directory to work in; made when it is not there
    #[arg(long, default_value = "/holdfast-bench")]
    dir: std::ffi::OsString,

    /// Leave the files there
    #[arg(long)]
    keep: bool,
}

/// A kind of operation.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum BenchOp {
    /// Write files
    Put,
    /// Read them back, every byte compared
    Get,
    /// Look files up
    Stat,
    /// Read the directory, a page of 1,000
    List,
    /// Rename files
    Rename,
    /// Remove files
    Rm,
}

#[derive(Serialize)]
struct Line {
    op: BenchOp,
    size: u64,
    concurrency: u16,
    operations: u64,
    errors: u64,
    seconds: f64,
    per_second: f64,
    bytes_per_second: f64,
    mean_us: u64,
    p50_us: u64,
    p90_us: u64,
    p99_us: u64,
    p999_us: u64,
    max_us: u64,
}

pub(crate) async fn run(remote: &Remote, args: &BenchArgs, output: Output) -> Outcome<()> {
    let duration = Duration::try_from_secs_f64(args.seconds)
        .map_err(|_| Failure::usage("--seconds must be a positive number"))?;
    let top = RemotePath::parse(&args.dir)?;
    if top.is_root() {
        return Err(Failure::usage("--dir: name a bucket or a directory in one"));
    }
    let dir = top.join(format!("run-{:08x}", rand::random::<u32>()).as_bytes());
    remote.make_directory(&dir, 0o755, true).await?;
    let bench = work::Bench::new(remote, dir.clone(), args.size).await?;
    let mut errors = 0;
    let mut outcome = Ok(());
    for op in &args.ops {
        match measure(&bench, *op, args, duration).await {
            Ok(line) => {
                errors += line.errors;
                print(&line, output)?;
            }
            Err(failure) => {
                outcome = Err(failure);
                break;
            }
        }
    }
    if !args.keep {
        crate::files::rm::tree(remote, &dir).await?;
    }
    outcome?;
    match errors {
        0 => Ok(()),
        errors => Err(Failure::new(Exit::Partial, format!("{errors} operations failed"))),
    }
}

async fn measure(bench: &work::Bench, op: BenchOp, args: &BenchArgs, duration: Duration) -> Outcome<Line> {
    let most = bench.most(op, args.count)?;
    let next = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let workers: Vec<_> = (0..args.concurrency)
        .map(|_| {
            let (bench, next) = (bench.clone(), Arc::clone(&next));
            tokio::spawn(async move { worker(&bench, op, &next, most, started + duration).await })
        })
        .collect();
    let mut all = Histogram::new();
    let mut errors = 0;
    let mut first_error = None;
    for worker in workers {
        let done = worker.await.map_err(|error| Failure::failed(error.to_string()))?;
        all.merge(&done.histogram);
        errors += done.errors;
        first_error = first_error.or(done.first_error);
    }
    let seconds = started.elapsed().as_secs_f64();
    bench.finished(op, next.load(Ordering::Relaxed).min(most));
    if let Some(error) = first_error {
        warn(format_args!("{errors} operations failed; the first: {error}"));
    }
    let bytes = if matches!(op, BenchOp::Put | BenchOp::Get) { all.count() * args.size } else { 0 };
    Ok(Line {
        op,
        size: args.size,
        concurrency: args.concurrency,
        operations: all.count(),
        errors,
        seconds,
        per_second: all.count() as f64 / seconds,
        bytes_per_second: bytes as f64 / seconds,
        mean_us: all.mean_us(),
        p50_us: all.quantile_us(0.5),
        p90_us: all.quantile_us(0.9),
        p99_us: all.quantile_us(0.99),
        p999_us: all.quantile_us(0.999),
        max_us: all.max_us(),
    })
}

/// What one of the concurrent loops did.
struct Done {
    histogram: Histogram,
    errors: u64,
    first_error: Option<Failure>,
}

async fn worker(bench: &work::Bench, op: BenchOp, next: &AtomicU64, most: u64, end: Instant) -> Done {
    let mut done = Done { histogram: Histogram::new(), errors: 0, first_error: None };
    while Instant::now() < end {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= most {
            break;
        }
        let started = Instant::now();
        match bench.one(op, number).await {
            Ok(()) => done.histogram.record(started.elapsed().as_micros() as u64),
            Err(failure) => {
                done.errors += 1;
                done.first_error.get_or_insert(failure);
            }
        }
    }
    done
}

fn print(line: &Line, output: Output) -> Outcome<()> {
    let human = format!(
        "{:<7} {:>9.0}/s {:>12}/s  mean {:>8.3} ms  p50 {:.3}  p90 {:.3}  p99 {:.3}  p99.9 {:.3}  max {:.3}  errors {}",
        format!("{:?}", line.op).to_lowercase(),
        line.per_second,
        size(line.bytes_per_second as u64),
        line.mean_us as f64 / 1000.0,
        line.p50_us as f64 / 1000.0,
        line.p90_us as f64 / 1000.0,
        line.p99_us as f64 / 1000.0,
        line.p999_us as f64 / 1000.0,
        line.max_us as f64 / 1000.0,
        line.errors,
    );
    output.line(&mut std::io::stdout(), line, &human)
}

fn parse_size(text: &str) -> Result<u64, String> {
    let lower = text.to_ascii_lowercase();
    let (digits, shift) = match lower.strip_suffix(['k', 'm', 'g']) {
        Some(digits) if lower.ends_with('k') => (digits, 10),
        Some(digits) if lower.ends_with('m') => (digits, 20),
        Some(digits) => (digits, 30),
        None => (lower.as_str(), 0),
    };
    let number: u64 = digits.parse().map_err(|_| "write a size such as 4k, 1m or 65536".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "too large".to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn sizes() {
        assert_eq!(super::parse_size("4k"), Ok(4096));
        assert_eq!(super::parse_size("1M"), Ok(1 << 20));
        assert_eq!(super::parse_size("7"), Ok(7));
        assert!(super::parse_size("x").is_err());
        assert!(super::parse_size("99999999999g").is_err());
    }
}
