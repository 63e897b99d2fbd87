//! `holdfast admin pgs`: placement groups and where their members are.

use clap::Args;
use holdfast_proto::map::{Pg, PgState};
use serde::Serialize;

use crate::failure::Outcome;
use crate::output::{Output, Table};
use crate::remote::Remote;

#[derive(Args, Debug)]
pub(crate) struct PgsArgs {
    /// Only groups with a member that is not clean or temporary
    #[arg(long)]
    incomplete: bool,

    /// Only groups with a member on this disk
    #[arg(long)]
    disk: Option<u32>,
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
