//! `holdfast admin token`: the token with which new nodes join. The cluster keeps its digest only, so an old
//! token cannot be shown again: a new one replaces it.

use clap::{Args, Subcommand};
use holdfast_admin::meta;
use serde::Serialize;

use super::operator;
use crate::args::SecretOut;
use crate::failure::{Doing, Outcome};
use crate::output::Output;
use crate::remote::Remote;
use crate::server::secrets;

#[derive(Args, Debug)]
pub(crate) struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand, Debug)]
enum TokenCommand {
    /// Make a new token; the old one stops working
    New {
        #[command(flatten)]
        out: SecretOut,
    },
    /// Let no node join
    Revoke,
}

#[derive(Serialize)]
struct NewToken {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
}

pub(super) async fn run(remote: &Remote, args: &TokenArgs, output: Output) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    match &args.command {
        TokenCommand::Revoke => meta::delete_token(&cluster).await.doing("revoke the join token"),
        TokenCommand::New { out } => {
            let token = meta::draw_token();
            if let Some(path) = &out.secret_file {
                secrets::write_file(path, &format!("{token}\n"))?;
            }
            meta::store_token(&cluster, &token).await.doing("make a join token")?;
            let shown = NewToken { token: out.secret_file.is_none().then_some(token) };
            output.show(&shown, |w| match (&shown.token, &out.secret_file) {
                (Some(token), _) => writeln!(w, "{token}"),
                (None, Some(path)) => writeln!(w, "written to {}", path.display()),
                (None, None) => Ok(()),
            })
        }
    }
}
