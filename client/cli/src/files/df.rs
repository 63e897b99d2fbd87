//! `holdfast df`: capacity and use of the cluster.

use holdfast_proto::query::{Query, StatFs};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::output::{Output, size};
use crate::remote::Remote;

#[derive(Serialize)]
struct Totals {
    files: u64,
    chunks: u64,
    stored_bytes: u64,
    available_bytes: u64,
    raw_capacity_bytes: u64,
    raw_used_bytes: u64,
    trash_files: u64,
    /// Part of `stored_bytes`.
    trash_bytes: u64,
}

pub(crate) async fn run(remote: &Remote, output: Output) -> Outcome<()> {
    let reply = remote.ask(Query::StatFs(StatFs {})).await?;
    let totals = reply.totals.ok_or_else(|| Failure::failed("the cluster did not say its totals"))?;
    let totals = Totals {
        files: totals.inodes,
        chunks: totals.chunks,
        stored_bytes: totals.bytes,
        available_bytes: totals.available,
        raw_capacity_bytes: totals.raw_capacity,
        raw_used_bytes: totals.raw_used,
        trash_files: totals.trash_items,
        trash_bytes: totals.trash_bytes,
    };
    output.show(&totals, |out| {
        let percent = (totals.raw_used_bytes * 100).checked_div(totals.raw_capacity_bytes).unwrap_or(0);
        writeln!(
            out,
            "Stored:    {:>10} in {} files and directories, {} chunks",
            size(totals.stored_bytes),
            totals.files,
            totals.chunks
        )?;
        writeln!(
            out,
            "In trash:  {:>10} of it in {} deleted files",
            size(totals.trash_bytes),
            totals.trash_files
        )?;
        writeln!(out, "Available: {:>10} in the default class", size(totals.available_bytes))?;
        writeln!(
            out,
            "Raw:       {:>10} of {} used ({percent} %)",
            size(totals.raw_used_bytes),
            size(totals.raw_capacity_bytes)
        )
    })
}
