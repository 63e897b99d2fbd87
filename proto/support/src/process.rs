//! What the system says of this process, under the names that the Prometheus client libraries use: read from `/proc` when
//! somebody scrapes.
//!
//! What always holds: what cannot be read is left as it was, and nothing fails for it.

use std::fs;
use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use parking_lot::Mutex;
use prometheus::{Counter, Gauge, IntCounter, IntGauge};

use crate::telemetry::{counter, gauge, real_counter, real_gauge};

/// Ticks per second of the times in `/proc`: `USER_HZ`, which Linux fixes for programs whatever it counts in itself.
const TICKS: f64 = 100.0;

struct Figures {
    cpu: Counter,
    resident: IntGauge,
    virtual_memory: IntGauge,
    open: IntGauge,
    most_open: IntGauge,
    threads: IntGauge,
    started: Gauge,
    memory_limit: IntGauge,
    /// Who scrapes at the same time adds the same seconds once.
    counting: Mutex<()>,
}

static FIGURES: LazyLock<Figures> = LazyLock::new(|| Figures {
    cpu: real_counter(
        "process_cpu_seconds_total",
        "Seconds of CPU that this process has used, for itself and in the system",
    ),
    resident: gauge("process_resident_memory_bytes", "Memory of this process that is in RAM"),
    virtual_memory: gauge("process_virtual_memory_bytes", "Addresses that this process has reserved"),
    open: gauge("process_open_fds", "File descriptors that this process has open"),
    most_open: gauge("process_max_fds", "File descriptors that it may have open"),
    threads: gauge("process_threads", "Threads of this process"),
    started: real_gauge("process_start_time_seconds", "When this process started, unix time"),
    memory_limit: gauge(
        "holdfast_memory_limit_bytes",
        "Memory that this process may use, together with others of its control group: the group's limit, or what the \
         machine has",
    ),
    counting: Mutex::new(()),
});

struct Stalls {
    times: IntCounter,
    seconds: Counter,
}

static STALLS: LazyLock<Stalls> = LazyLock::new(|| Stalls {
    times: counter(
        "holdfast_stalls_total",
        "Times at which this process noticed that it had not run for a while",
    ),
    seconds: real_counter("holdfast_stall_seconds_total", "Seconds for which it had not run"),
});

/// The process did not run for so long.
pub fn stood_still(time: Duration) {
    STALLS.times.inc();
    STALLS.seconds.inc_by(time.as_secs_f64());
}

/// Of `/proc/self/stat`: seconds of CPU, and when the process started, in seconds since the system did.
fn times(stat: &str) -> Option<(f64, f64)> {
    // The name of the program, in brackets, may hold anything, brackets too. Behind it is field 3.
    let (_, rest) = stat.rsplit_once(')')?;
    let field = |number: usize| rest.split_ascii_whitespace().nth(number - 3)?.parse::<f64>().ok();
    Some(((field(14)? + field(15)?) / TICKS, field(22)? / TICKS))
}

/// The number behind a name at the start of a line.
fn line(text: &str, name: &str) -> Option<i64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

fn boot_seconds() -> Option<f64> {
    // It does not change, and the file is long on large machines.
    static BOOT: LazyLock<Option<i64>> =
        LazyLock::new(|| line(&fs::read_to_string("/proc/stat").ok()?, "btime "));
    BOOT.map(|seconds| seconds as f64)
}

/// The least limit of the control group that the process is in and of those around it; what the machine has, if that is
/// less, or if nothing limits it.
fn memory_limit() -> Option<i64> {
    let machine = line(&fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")?.saturating_mul(1024);
    let group = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let Some(group) = group.lines().find_map(|line| line.strip_prefix("0::/")) else { return Some(machine) };
    let limit = |group: &Path| {
        let file = Path::new("/sys/fs/cgroup").join(group).join("memory.max");
        fs::read_to_string(file).ok()?.trim().parse::<i64>().ok()
    };
    Path::new(group).ancestors().filter_map(limit).chain([machine]).min()
}

/// Brings all figures up to date.
pub(crate) fn refresh() {
    let figures = &*FIGURES;
    LazyLock::force(&STALLS);
    if let Some((cpu, started)) = fs::read_to_string("/proc/self/stat").ok().as_deref().and_then(times) {
        let counting = figures.counting.lock();
        figures.cpu.inc_by((cpu - figures.cpu.get()).max(0.0));
        drop(counting);
        if let Some(boot) = boot_seconds() {
            figures.started.set(boot + started);
        }
    }
    if let Ok(status) = fs::read_to_string("/proc/self/status") {
        for (name, unit, figure) in [
            ("VmRSS:", 1024, &figures.resident),
            ("VmSize:", 1024, &figures.virtual_memory),
            ("Threads:", 1, &figures.threads),
        ] {
            if let Some(value) = line(&status, name) {
                figure.set(value.saturating_mul(unit));
            }
        }
    }
    if let Some(limit) = memory_limit() {
        figures.memory_limit.set(limit);
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        // The directory itself is open while it is read.
        figures.open.set(i64::try_from(open.count()).unwrap_or(i64::MAX).saturating_sub(1));
    }
    if let Some(most) =
        fs::read_to_string("/proc/self/limits").ok().and_then(|limits| line(&limits, "Max open files"))
    {
        figures.most_open.set(most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::wall_ms;

    #[test]
    fn the_system_says_how_this_process_is() {
        let before = std::time::Instant::now();
        while before.elapsed() < Duration::from_millis(50) {
            std::hint::spin_loop();
        }
        refresh();
        let figures = &*FIGURES;
        assert!(figures.cpu.get() >= 0.02, "{}", figures.cpu.get());
        assert!(figures.resident.get() > 1 << 20 && figures.virtual_memory.get() > figures.resident.get());
        assert!(figures.open.get() >= 3 && figures.most_open.get() >= figures.open.get());
        assert!(figures.memory_limit.get() > figures.resident.get());
        assert!(figures.threads.get() >= 1);
        let age = wall_ms() as f64 / 1000.0 - figures.started.get();
        assert!((-2.0..3600.0).contains(&age), "{age}");
    }

    #[test]
    fn a_program_may_be_called_anything() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0 4 0 12345 99 98";
        assert_eq!(times(stat), Some((2.0, 123.45)));
        assert_eq!(times("7"), None);
        assert_eq!(line("Threads:\t4\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12));
    }
}
