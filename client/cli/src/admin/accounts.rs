//! `holdfast admin accounts`: who may log into the dashboard, and their API tokens.

use clap::{Args, Subcommand, ValueEnum};
use holdfast_admin::accounts::{self, AccountChange, NewAccount};
use holdfast_admin::password;
use holdfast_admin::tokens::{self, TokenSpec};
use holdfast_proto::access::Role;
use holdfast_support::config::Period;
use serde::Serialize;

use super::operator;
use crate::args::SecretOut;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Table};
use crate::remote::Remote;
use crate::server::secrets;

#[derive(Args, Debug)]
pub(crate) struct AccountsArgs {
    #[command(subcommand)]
    command: Option<AccountsCommand>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
enum RoleArg {
    /// Sees everything but secrets
    Viewer,
    /// Steers the cluster and changes files, too
    Operator,
    /// Does everything
    Admin,
}

impl RoleArg {
    fn name(self) -> String {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
        .to_owned()
    }
}

#[derive(Subcommand, Debug)]
enum AccountsCommand {
    /// Make an account; its first password is generated, and has to be changed at the first login
    Add {
        /// Its name
        name: String,
        /// What it may do
        #[arg(long, value_enum, default_value = "viewer")]
        role: RoleArg,
        #[command(flatten)]
        out: SecretOut,
    },
    /// Change an account; its logins end
    Set {
        /// Its name
        name: String,
        /// What it may do
        #[arg(long, value_enum)]
        role: Option<RoleArg>,
        /// It cannot be used
        #[arg(long, conflicts_with = "enable")]
        disable: bool,
        /// It can be used again
        #[arg(long)]
        enable: bool,
    },
    /// Give an account a new generated password, which has to be changed at the next login
    Password {
        /// Its name
        name: String,
        #[command(flatten)]
        out: SecretOut,
    },
    /// Delete an account with its logins and tokens
    Rm {
        /// Its name
        name: String,
    },
    /// List API tokens
    Tokens {
        /// Of this account only
        name: Option<String>,
    },
    /// Take an API token back
    Revoke {
        /// Its id as `accounts tokens` shows it
        token: String,
    },
    /// Make an API token for an account
    Token {
        /// The account
        name: String,
        /// It may do no more than this, and no more than the account
        #[arg(long, value_enum, default_value = "viewer")]
        role: RoleArg,
        /// What it is for
        #[arg(long, default_value = "")]
        description: String,
        /// For how long it lasts, such as 90d; without it for ever
        #[arg(long = "for", value_name = "TIME")]
        lasts: Option<Period>,
        #[command(flatten)]
        out: SecretOut,
    },
}

#[derive(Serialize)]
struct Secret {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

pub(super) async fn run(remote: &Remote, args: AccountsArgs, output: Output) -> Outcome<()> {
    let cluster = operator::cluster(remote);
    match args.command {
        None => list(remote, output).await,
        Some(AccountsCommand::Add { name, role, out }) => {
            let password = password::generated();
            let new = NewAccount {
                name: name.clone(),
                role: role.name(),
                password: password.clone(),
                keep_password: false,
            };
            keep(&out, &password)?;
            accounts::create(&cluster, new).await?;
            show(name, "password", password, &out, output)
        }
        Some(AccountsCommand::Set { name, role, disable, enable }) => {
            let change = AccountChange {
                role: role.map(RoleArg::name),
                disabled: (disable || enable).then_some(disable),
                ..AccountChange::default()
            };
            if change.role.is_none() && change.disabled.is_none() {
                return Err(Failure::usage("nothing to change: give --role, --disable or --enable"));
            }
            accounts::change(&cluster, &name, change).await?;
            Ok(())
        }
        Some(AccountsCommand::Password { name, out }) => {
            let password = password::generated();
            keep(&out, &password)?;
            let change = AccountChange { password: Some(password.clone()), ..AccountChange::default() };
            accounts::change(&cluster, &name, change).await?;
            show(name, "password", password, &out, output)
        }
        Some(AccountsCommand::Rm { name }) => Ok(accounts::delete(&cluster, &name).await?),
        Some(AccountsCommand::Tokens { name }) => {
            list_tokens(remote, &name.unwrap_or_default(), output).await
        }
        Some(AccountsCommand::Revoke { token }) => Ok(tokens::revoke(&cluster, &token).await?),
        Some(AccountsCommand::Token { name, role, description, lasts, out }) => {
            let expires_in_seconds = lasts.map(|period| period.0.as_secs());
            let spec = TokenSpec { description, role: role.name(), expires_in_seconds };
            let from = operator::actor().from;
            let made = tokens::create(&cluster, &name, Role::Admin, &from, spec).await?;
            keep(&out, &made.token)?;
            show(name, "token", made.token, &out, output)
        }
    }
}

fn keep(out: &SecretOut, secret: &str) -> Outcome<()> {
    // First the file: a secret that nobody has would be useless.
    out.secret_file.as_ref().map_or(Ok(()), |path| secrets::write_file(path, &format!("{secret}\n")))
}

fn show(name: String, what: &str, secret: String, out: &SecretOut, output: Output) -> Outcome<()> {
    let shown = Secret { name, secret: out.secret_file.is_none().then_some(secret) };
    output.show(&shown, |w| match (&shown.secret, &out.secret_file) {
        (Some(secret), _) => writeln!(w, "{what} of {}: {secret}\nIt is not shown again.", shown.name),
        (None, Some(path)) => writeln!(w, "{what} of {}: in {}", shown.name, path.display()),
        (None, None) => Ok(()),
    })
}

async fn list(remote: &Remote, output: Output) -> Outcome<()> {
    let views = accounts::list(&operator::cluster(remote)).await?;
    output.show(&views, |out| {
        let mut table = Table::new(&["account", "role", "state", "last login", ">logins", ">tokens"]);
        for view in &views {
            let state = match (view.disabled, view.must_change_password) {
                (true, _) => "disabled",
                (false, true) => "has to change its password",
                (false, false) => "in use",
            };
            table.row(vec![
                view.name.clone(),
                view.role.clone(),
                state.to_owned(),
                view.last_login.clone().unwrap_or_else(|| "never".to_owned()),
                view.sessions.to_string(),
                view.tokens.to_string(),
            ]);
        }
        table.write(out)
    })
}

async fn list_tokens(remote: &Remote, account: &str, output: Output) -> Outcome<()> {
    let views = tokens::list(&operator::cluster(remote), account).await?;
    output.show(&views, |out| {
        let mut table = Table::new(&["token", "account", "role", "ends", "last used", "for"]);
        for view in &views {
            table.row(vec![
                view.id.chars().take(12).collect(),
                view.account.clone(),
                view.role.clone(),
                view.expires.clone().unwrap_or_else(|| "never".to_owned()),
                view.last_used.clone().unwrap_or_else(|| "never".to_owned()),
                view.description.clone(),
            ]);
        }
        table.write(out)
    })
}
