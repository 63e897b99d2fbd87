//! `holdfast admin meta`: who votes on metadata, and changing that at run time.

use clap::{Args, Subcommand};
use holdfast_proto::admin::{ChangeMembership, MembershipChange, MetaStatus};
use holdfast_proto::cluster::Peer;
use holdfast_proto::method::Membership;
use serde::Serialize;

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

#[derive(Serialize)]
struct View {
    answered_by: u64,
    leader: u64,
    term: u64,
    last_log: u64,
    applied: u64,
    snapshot: u64,
    purged: u64,
    quorum_age_ms: u64,
    members: Vec<Member>,
}

#[derive(Serialize)]
struct Member {
    node: u64,
    address: String,
    voter: bool,
    leader: bool,
    matched: Option<u64>,
    /// Since it last answered the leader; known to that one only.
    silent_ms: Option<u64>,
}

pub(super) async fn run(remote: &Remote, args: &MetaArgs, output: Output) -> Outcome<()> {
    let Some(command) = &args.command else {
        let status = super::condition(remote).await?.meta.unwrap_or_default();
        return show(&status, output);
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
    let request =
        ChangeMembership { change: change as i32, node, replaces, actor: Some(super::operator::actor()) };
    let status = remote.ask_leader::<Membership>(&request).await.doing(what)?;
    show(&status, output)
}

fn show(status: &MetaStatus, output: Output) -> Outcome<()> {
    let member = |peer: &Peer, voter| {
        let progress = status.progress.iter().find(|p| p.node == peer.node);
        Member {
            node: peer.node,
            address: peer.address.clone(),
            voter,
            leader: peer.node == status.leader,
            matched: progress.map(|p| p.matched),
            silent_ms: progress.and_then(|p| p.silent_ms),
        }
    };
    let voters = status.voters.iter().map(|peer| member(peer, true));
    let learners = status.learners.iter().map(|peer| member(peer, false));
    let view = View {
        answered_by: status.node,
        leader: status.leader,
        term: status.term,
        last_log: status.last_log,
        applied: status.applied,
        snapshot: status.snapshot,
        purged: status.purged,
        quorum_age_ms: status.quorum_age_ms,
        members: voters.chain(learners).collect(),
    };
    output.show(&view, |out| {
        writeln!(
            out,
            "leader n{}, term {}, log {}, applied {}, snapshot {}, purged {}, last quorum {} ago\n",
            view.leader,
            view.term,
            view.last_log,
            view.applied,
            view.snapshot,
            view.purged,
            span_ms(view.quorum_age_ms)
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
