//! `holdfast admin map`: the cluster map as the leader has it.

use super::operator;
use crate::failure::Outcome;
use crate::output::Output;
use crate::remote::Remote;

pub(super) async fn run(remote: &Remote, output: Output) -> Outcome<()> {
    let view = holdfast_admin::map::map(&operator::cluster(remote)).await?;
    // A map has no useful table: it is JSON for people, too.
    output.show(&view, |out| {
        serde_json::to_writer_pretty(&mut *out, &view)?;
        writeln!(out)
    })
}
