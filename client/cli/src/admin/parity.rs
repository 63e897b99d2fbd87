//! What of the command line corresponds to what of the admin API: every command of `holdfast admin` and every operation of
//! the API's description, or why there is no counterpart. The tests fail when one is added without an entry here.

/// Commands, with the operations that do the same through HTTP. A group of commands that does something by itself (`nodes`
/// lists) is a command, too.
const COMMANDS: &[(&str, &[&str])] = &[
    ("status", &["get_overview", "get_loops"]),
    ("health", &["get_groups_summary", "list_groups", "get_procedures"]),
    ("drains", &["get_procedures"]),
    ("nodes", &["get_topology", "get_node"]),
    ("nodes set", &["change_node"]),
    ("nodes drain", &["act_on_node"]),
    ("nodes undrain", &["act_on_node"]),
    ("nodes maintenance", &["act_on_node"]),
    ("nodes remove", &["remove_node"]),
    ("disks", &["get_topology", "get_disk"]),
    ("disks set", &["change_disk"]),
    ("disks drain", &["act_on_disk"]),
    ("disks undrain", &["act_on_disk"]),
    ("disks replace", &["act_on_disk"]),
    ("disks remove", &["remove_disk"]),
    ("pgs", &["get_cluster_map", "list_groups", "get_group"]),
    ("pgs files", &["list_files_of_group"]),
    ("map", &["get_cluster_map"]),
    ("meta", &["get_meta"]),
    ("meta add", &["change_meta"]),
    ("meta remove", &["change_meta"]),
    ("meta replace", &["change_meta"]),
    ("meta transfer", &["change_meta"]),
    ("accounts", &["list_accounts"]),
    ("accounts add", &["create_account"]),
    ("accounts set", &["change_account"]),
    ("accounts password", &["change_account"]),
    ("accounts rm", &["delete_account"]),
    ("accounts tokens", &["list_tokens"]),
    ("accounts token", &["create_token"]),
    ("accounts revoke", &["delete_token"]),
    ("audit", &["list_audit", "get_audit_entry"]),
    ("audit verify", &["verify_audit"]),
    ("audit head", &["get_audit_head"]),
    ("audit export", &["export_audit"]),
    ("keys", &["list_keys"]),
    ("keys add", &["create_key"]),
    ("keys set", &["change_key"]),
    ("keys rm", &["delete_key"]),
    ("token new", &["new_join_token"]),
    ("token revoke", &["delete_join_token"]),
    ("set", &["list_settings", "change_setting", "reset_setting"]),
    ("classes", &["list_classes"]),
    ("classes put", &["create_class", "change_class"]),
    ("quota", &["stat_file", "set_quota"]),
    ("balance", &["get_balance"]),
    ("balance status", &["get_balance"]),
    ("balance plan", &["get_balance_plan"]),
    ("balance start", &["steer_balance"]),
    ("balance pause", &["steer_balance"]),
    ("balance resume", &["steer_balance"]),
    ("balance cancel", &["steer_balance"]),
    ("balance throttle", &["throttle_balance"]),
    ("scrub", &["get_scrub"]),
    ("scrub status", &["get_scrub"]),
    ("scrub now", &["start_scrub"]),
];

/// Commands without an operation, and why.
const COMMANDS_ALONE: &[(&str, &str)] = &[];

/// Operations without a command of `holdfast admin`, and where else they are, or why they are nowhere.
const OPERATIONS_ALONE: &[(&str, &str)] = &[
    ("login", "who may reach the cluster's ports may do everything: the command line does not log in"),
    ("logout", "the command line does not log in"),
    ("me", "the command line does not log in"),
    ("choose_password", "of the account that is logged in; `accounts password` is for all"),
    ("list_sessions", "`accounts` counts them; ending all of an account's is what `accounts set` does"),
    ("end_session", "changing an account ends its logins"),
    ("get_events", "a stream for the dashboard; `drains --watch` looks again"),
    ("get_history", "curves for the dashboard; Prometheus keeps the same longer"),
    ("get_groups_map", "a picture for the dashboard; `pgs` lists them"),
    ("get_repair", "put together for the dashboard from what `status`, `health` and `set` tell"),
    ("get_repair_history", "`audit --action data`"),
    ("get_balance_history", "`audit --action balance`"),
    ("list_files", "`holdfast ls`"),
    ("get_file_content", "`holdfast get`"),
    ("put_file_content", "`holdfast put`"),
    ("create_upload", "pieces of a file from a browser; `holdfast put`"),
    ("get_upload", "pieces of a file from a browser; `holdfast put`"),
    ("put_part", "pieces of a file from a browser; `holdfast put`"),
    ("complete_upload", "pieces of a file from a browser; `holdfast put`"),
    ("abort_upload", "pieces of a file from a browser; `holdfast put`"),
    ("create_bucket", "`holdfast mkdir`"),
    ("delete_bucket", "`holdfast rm -r`"),
    ("create_directory", "`holdfast mkdir`"),
    ("move_file", "`holdfast mv`"),
    ("delete_file", "`holdfast rm`"),
    ("set_class", "`holdfast class set`"),
    ("set_trash_time", "`holdfast trash keep`"),
    ("list_trash", "`holdfast trash ls`"),
    ("restore_files", "`holdfast trash restore`"),
    ("delete_for_good", "`holdfast trash rm`"),
    ("create_share", "a link through the admin port, whose address only who serves it knows"),
    ("list_shares", "links through the admin port"),
    ("delete_share", "links through the admin port"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    /// Every command that does something.
    fn commands(of: &clap::Command, path: &str, all: &mut BTreeSet<String>) {
        let inner: Vec<&clap::Command> =
            of.get_subcommands().filter(|command| command.get_name() != "help").collect();
        if !path.is_empty() && (inner.is_empty() || !of.is_subcommand_required_set()) {
            all.insert(path.to_owned());
        }
        for command in inner {
            commands(command, format!("{path} {}", command.get_name()).trim(), all);
        }
    }

    fn operations() -> BTreeSet<String> {
        let described = holdfast_admin::openapi();
        let paths = described["paths"].as_object().unwrap();
        let operations = paths.values().flat_map(|path| path.as_object().unwrap().values());
        let ids = operations.filter_map(|operation| operation["operationId"].as_str());
        ids.map(str::to_owned).collect()
    }

    #[test]
    fn every_command_has_its_operations_or_a_reason() {
        let cli = Cli::command();
        let admin = cli.get_subcommands().find(|command| command.get_name() == "admin").unwrap();
        let mut there = BTreeSet::new();
        commands(admin, "", &mut there);
        let told = COMMANDS.iter().map(|(command, _)| *command);
        let told: Vec<&str> = told.chain(COMMANDS_ALONE.iter().map(|(command, _)| *command)).collect();
        let listed: BTreeSet<String> = told.iter().map(|command| (*command).to_owned()).collect();
        assert_eq!(listed.len(), told.len(), "each is listed once");
        assert_eq!(there, listed, "commands of `holdfast admin`, and those that the table lists");
    }

    #[test]
    fn every_operation_has_its_command_or_a_reason() {
        let there = operations();
        let done: BTreeSet<&str> =
            COMMANDS.iter().flat_map(|(_, operations)| operations.iter().copied()).collect();
        let alone: BTreeSet<&str> = OPERATIONS_ALONE.iter().map(|(operation, _)| *operation).collect();
        assert_eq!(alone.len(), OPERATIONS_ALONE.len(), "each is listed once");
        let both: Vec<&&str> = done.intersection(&alone).collect();
        assert!(both.is_empty(), "these have a command: {both:?}");
        let listed: BTreeSet<String> = done.union(&alone).map(|operation| (*operation).to_owned()).collect();
        let new: Vec<&String> = there.difference(&listed).collect();
        let gone: Vec<&String> = listed.difference(&there).collect();
        assert!(new.is_empty() && gone.is_empty(), "not in the table: {new:?}; not in the API: {gone:?}");
        let reasons = COMMANDS_ALONE.iter().chain(OPERATIONS_ALONE);
        assert!(reasons.clone().all(|(_, why)| !why.is_empty()));
    }
}
