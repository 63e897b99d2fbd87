//! `holdfast admin pgs`: placement groups and where their members are.

use clap::{Args, Subcommand};
use holdfast_proto::map::{Pg, PgState};
use serde::Serialize;

use super::{group_files, health};
use crate::failure::Outcome;
use crate::output::{Output, Table};
use crate::remote::Remote;

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct PgsArgs {
    #[command(subcommand)]
    command: Option<PgsCommand>,

    /// What is the matter with groups that are not whole: since when, what is being done, how much is left
    #[arg(long, conflicts_with_all = ["incomplete", "disk"])]
    why: bool,

    /// With --why: this group alone, also if it is whole
    #[arg(long, requires = "why")]
    pg: Option<u32>,

    /// Only groups with a member that is not clean or temporary
    #[arg(long)]
    incomplete: bool,

    /// Only groups with a member on this disk
    #[arg(long)]
    disk: Option<u32>,
}

#[derive(Subcommand, Debug)]
enum PgsCommand {
    /// List the files that have content in a group
    Files(group_files::FilesArgs),
}

#[derive(Serialize)]
pub(super) struct PgView {
    id: u32,
    epoch: u64,
    class: u32,
    state: &'static str,
    members: Vec<MemberView>,
}

#[derive(Serialize)]
struct MemberView {
    disk: u32,
    incarnation: u64,
    joined: u64,
    clean: bool,
    temporary: bool,
}

pub(super) fn view(pg: &Pg) -> PgView {
    PgView {
        id: pg.id,
        epoch: pg.epoch,
        class: pg.class,
        state: match PgState::try_from(pg.state) {
            Ok(PgState::Writable) => "writable",
            Ok(PgState::Sealed) => "sealed",
            Ok(PgState::Retired) => "retired",
            Err(_) => "unknown",
        },
        members: pg
            .members
            .iter()
            .map(|m| MemberView {
                disk: m.disk,
                incarnation: m.incarnation,
                joined: m.joined,
                clean: m.clean,
                temporary: m.temporary,
            })
            .collect(),
    }
}

pub(super) async fn run(remote: &Remote, args: &PgsArgs, output: Output) -> Outcome<()> {
    if let Some(PgsCommand::Files(args)) = &args.command {
        return group_files::run(remote, args, output).await;
    }
    if args.why {
        return why(remote, args.pg, output).await;
    }
    let map = super::whole_map(remote).await?;
    let views: Vec<PgView> = map
        .pgs
        .iter()
        .filter(|pg| !args.incomplete || pg.members.iter().any(|m| !m.clean || m.temporary))
        .filter(|pg| args.disk.is_none_or(|disk| pg.members.iter().any(|m| m.disk == disk)))
        .map(view)
        .collect();
    output.show(&views, |out| {
        let mut table = Table::new(&["group", "class", "state", ">epoch", "members"]);
        for view in &views {
            let members = view.members.iter().map(|m| {
                let marks = [(!m.clean, "*"), (m.temporary, "+")];
                let marks: String = marks.iter().filter(|(on, _)| *on).map(|(_, mark)| *mark).collect();
                format!("d{}{marks}", m.disk)
            });
            table.row(vec![
                format!("pg{}", view.id),
                view.class.to_string(),
                view.state.to_owned(),
                view.epoch.to_string(),
                members.collect::<Vec<_>>().join(" "),
            ]);
        }
        table.write(out)?;
        writeln!(out, "\n* is still being filled   + stands in for a silent member")
    })
}

async fn why(remote: &Remote, pg: Option<u32>, output: Output) -> Outcome<()> {
    let groups = match pg {
        Some(pg) => {
            let reply = health::ask(remote, 0, 1, pg).await?;
            reply.groups.iter().map(|group| health::view(group, &reply)).collect()
        }
        None => health::groups(remote, u32::MAX).await?.1,
    };
    output.show(&groups, |out| match groups.is_empty() {
        true => writeln!(out, "all groups are whole"),
        false => health::table(&groups, out),
    })
}
