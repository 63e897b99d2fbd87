//! Accounts, what belongs to them, and the audit log.

use holdfast_proto::access::{Account, Credential, Share};
use holdfast_proto::op::NoteUsage;

use super::{Report, each};
use crate::audit;
use crate::keys;
use crate::table::{Broken, View};

/// Checks them; how many links to files there are.
pub(super) fn check(view: &dyn View, report: &mut Report) -> Result<u64, Broken> {
    let mut names = std::collections::BTreeSet::new();
    each::<Account>(view, keys::ACCOUNT, report, |report, key, account| {
        report.expect(*key == keys::account(&account.name), "access_fits", || {
            format!("{} is account {:?}", keys::describe(key), account.name)
        });
        names.insert(account.name);
        Ok(())
    })?;
    each::<Credential>(view, keys::CREDENTIAL, report, |report, key, credential| {
        let fits = *key == keys::credential(&credential.account, &credential.digest);
        report.expect(fits && names.contains(&credential.account), "access_fits", || {
            format!("{} is a credential of {:?}", keys::describe(key), credential.account)
        });
        Ok(())
    })?;
    let mut shares = 0;
    each::<Share>(view, keys::SHARE, report, |report, key, share| {
        shares += 1;
        report.expect(*key == keys::share(&share.digest), "access_fits", || keys::describe(key));
        Ok(())
    })?;
    each::<NoteUsage>(view, keys::USAGE, report, |report, key, usage| {
        report.expect(*key == keys::usage(usage.hour), "access_fits", || keys::describe(key));
        Ok(())
    })?;
    for problem in audit::verify(view, 0)?.problems {
        report.add("audit_is_a_chain", format!("entry {}: {}", problem.seq, problem.message));
    }
    Ok(shares)
}
