//! What each fault cost its users: one row per scenario.

use std::fmt::Write as _;
use std::time::Duration;

/// One scenario that went well.
#[derive(Clone, Debug)]
pub struct Row {
    /// Which faults.
    pub faults: String,
    /// Where it follows from.
    pub seed: u64,
    /// Longest time in which no change at all was acknowledged.
    pub gap: Duration,
    /// Longest time that one change took, with all its tries.
    pub change: Duration,
    /// The same of a read.
    pub read: Duration,
    /// Time until the cluster reported by itself that something was wrong, if it did.
    pub noticed: Option<Duration>,
    /// Time from the end of the last fault until everything was whole.
    pub whole: Duration,
    /// Acknowledged changes.
    pub acknowledged: u64,
    /// Tries that failed and were repeated.
    pub retries: u64,
    /// Objects and files that were compared at the end.
    pub checked: usize,
    /// Operations on shared registers whose order was judged.
    pub judged: usize,
    /// Nodes that ended because of the fault and were started again.
    pub restarts: usize,
}

fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}

/// The rows as a table in Markdown; times in seconds.
pub fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| fault | no ack for | longest change | longest read | reported after | whole after | acks | repeated | compared | ordered | restarts | seed |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let noticed = row.noticed.map_or("-".to_owned(), seconds);
        let _ = writeln!(
            out,
            "| {} | {} | {} | {} | {noticed} | {} | {} | {} | {} | {} | {} | {} |",
            row.faults,
            seconds(row.gap),
            seconds(row.change),
            seconds(row.read),
            seconds(row.whole),
            row.acknowledged,
            row.retries,
            row.checked,
            row.judged,
            row.restarts,
            row.seed,
        );
    }
    out
}
