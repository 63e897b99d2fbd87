//! `holdfast admin set`: cluster settings, kept in the metadata and the same for all nodes.

use clap::Args;
use holdfast_admin::settings as admin;
use holdfast_state::settings;

use super::operator;
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

pub(super) async fn run(remote: &Remote, args: &SetArgs, output: Output) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    if let (Some(name), Some(value)) = (&args.name, &args.value) {
        let value = if value == "default" { "" } else { value };
        admin::put(&cluster, name, value).await.doing(format_args!("set {name}"))?;
        return Ok(());
    }
    let mut views = admin::list(&cluster).await?;
    if let Some(name) = &args.name {
        views.retain(|setting| setting.name == *name);
        if views.is_empty() {
            let what = format!("there is no setting '{name}'; `holdfast admin set` lists them");
            return Err(Failure::not_found(what));
        }
    }
    output.show(&views, |out| {
        let mut table = Table::new(&["setting", "value"]);
        for view in &views {
            table.row(vec![view.name.clone(), view.value.clone()]);
        }
        table.write(out)
    })
}
