//! `holdfast admin set`: cluster settings, kept in the metadata and the same for all nodes.

use clap::Args;
use holdfast_proto::op::{Op, PutSetting};
use holdfast_proto::query::{ListSettings, Query};
use holdfast_state::settings;
use serde::Serialize;

use crate::failure::{Doing, Failure, Outcome};
use crate::output::{Output, Table};
use crate::remote::Remote;

/// What each setting means and takes.
fn meanings() -> String {
    let about = settings::ALL
        .iter()
        .map(|about| format!("  {} (default {})\n      {}\n", about.name, about.default, about.meaning));
    format!("Settings:\n{}", about.collect::<String>())
}

#[derive(Args, Debug)]
#[command(after_help = meanings())]
pub(crate) struct SetArgs {
    /// Which; all are shown when none is named
    name: Option<String>,
    /// New value; `default` for the default
    value: Option<String>,
}

#[derive(Serialize)]
struct View {
    name: String,
    value: String,
}

pub(super) async fn run(remote: &Remote, args: &SetArgs, output: Output) -> Outcome<()> {
    if let (Some(name), Some(value)) = (&args.name, &args.value) {
        let value = if value == "default" { String::new() } else { value.clone() };
        let op = PutSetting { name: name.clone(), value };
        remote.mutate(Op::PutSetting(op)).await.doing(format_args!("set {name}"))?;
        return Ok(());
    }
    let reply = remote.ask(Query::ListSettings(ListSettings {})).await?;
    let views: Vec<View> = reply
        .settings
        .into_iter()
        .filter(|s| args.name.as_ref().is_none_or(|name| *name == s.key))
        .map(|s| View { name: s.key, value: s.value })
        .collect();
    if let (Some(name), true) = (&args.name, views.is_empty()) {
        return Err(Failure::not_found(format!(
            "there is no setting '{name}'; `holdfast admin set` lists them"
        )));
    }
    output.show(&views, |out| {
        let mut table = Table::new(&["setting", "value"]);
        for view in &views {
            table.row(vec![view.name.clone(), view.value.clone()]);
        }
        table.write(out)
    })
}
