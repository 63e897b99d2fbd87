//! `holdfast admin meta`: who votes on metadata, and changing that at run time.

use clap::{Args, Subcommand};
use holdfast_admin::meta::{self, Meta};
use holdfast_proto::admin::MembershipChange;

use super::operator;
use crate::failure::{Doing, Outcome};
use crate::output::{Output, Table, span_ms};
use crate::remote::Remote;

#[derive(Args, Debug)]
pub(crate) struct MetaArgs {
    #[command(subcommand)]
    command: Option<MetaCommand>,
}

#[derive(Subcommand, Debug)]
enum MetaCommand {
    /// Add a node: first as learner, as voter when it has caught up
    Add {
        /// The node's number
        node: u64,
    },
    /// Take a node out of the group
    Remove {
        /// The node's number
        node: u64,
    },
    /// Put a node in the place of another
    Replace {
        /// The node that leaves
        old: u64,
        /// The node that takes its place
        new: u64,
    },
    /// Hand leadership over
    Transfer {
        /// To this node; to the best one when not named
        node: Option<u64>,
    },
}

pub(super) async fn run(remote: &Remote, args: &MetaArgs, output: Output) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    let Some(command) = &args.command else {
        return show(&meta::status(&cluster).await?, output);
    };
    let (change, node, replaces, what) = match *command {
        MetaCommand::Add { node } => (MembershipChange::Add, node, 0, format!("add n{node}")),
        MetaCommand::Remove { node } => (MembershipChange::Remove, node, 0, format!("remove n{node}")),
        MetaCommand::Replace { old, new } => {
            (MembershipChange::Replace, new, old, format!("replace n{old} by n{new}"))
        }
        MetaCommand::Transfer { node } => {
            (MembershipChange::Transfer, node.unwrap_or(0), 0, "hand leadership over".to_owned())
        }
    };
    let view = meta::change(&cluster, change, node, replaces).await.doing(what)?;
    show(&view, output)
}

fn show(view: &Meta, output: Output) -> Outcome<()> {
    output.show(view, |out| {
        writeln!(
            out,
            "leader n{}, term {}, log {}, applied {}, snapshot {}, purged {}, last quorum {} ago\n",
            view.quorum.leader.unwrap_or(0),
            view.quorum.term,
            view.last_log,
            view.applied,
            view.snapshot,
            view.purged,
            span_ms(view.quorum.quorum_age_ms)
        )?;
        let mut table = Table::new(&["node", "address", "part", ">log", "heard"]);
        for member in &view.members {
            let part = match (member.leader, member.voter) {
                (true, _) => "leader",
                (false, true) => "voter",
                (false, false) => "learner",
            };
            let matched = member.matched.map_or_else(|| "-".to_owned(), |m| m.to_string());
            let heard = member.silent_ms.map_or_else(|| "-".to_owned(), |ms| format!("{} ago", span_ms(ms)));
            table.row(vec![
                format!("n{}", member.node),
                member.address.clone(),
                part.to_owned(),
                matched,
                heard,
            ]);
        }
        table.write(out)
    })
}
