//! `holdfast admin pgs`: placement groups and where their members are.

use clap::{Args, Subcommand};
use holdfast_admin::{groups, map};

use super::{group_files, health, operator};
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

pub(super) async fn run(remote: &Remote, args: &PgsArgs, output: Output) -> Outcome<()> {
    if let Some(PgsCommand::Files(args)) = &args.command {
        return group_files::run(remote, args, output).await;
    }
    if args.why {
        return why(remote, args.pg, output).await;
    }
    let mut views = map::map(&operator::cluster(remote)).await?.pgs;
    views.retain(|pg| !args.incomplete || pg.members.iter().any(|m| !m.clean || m.temporary));
    views.retain(|pg| args.disk.is_none_or(|disk| pg.members.iter().any(|m| m.disk == disk)));
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
                view.state.clone(),
                view.epoch.to_string(),
                members.collect::<Vec<_>>().join(" "),
            ]);
        }
        table.write(out)?;
        writeln!(out, "\n* is still being filled   + stands in for a silent member")
    })
}

async fn why(remote: &Remote, pg: Option<u32>, output: Output) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    let groups = match pg {
        Some(pg) => vec![groups::group(&cluster, pg).await?],
        None => health::ailing(&cluster, usize::MAX).await?.0,
    };
    output.show(&groups, |out| match groups.is_empty() {
        true => writeln!(out, "all groups are whole"),
        false => health::table(&groups, out),
    })
}
