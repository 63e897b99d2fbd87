//! Accounts, logins, tokens, links to files.

use bytes::Bytes;
use holdfast_proto::access::{Account, Credential, CredentialKind, Role, Share};
use holdfast_proto::op::*;
use holdfast_proto::query::*;
use holdfast_proto::status::Code;

use super::common::*;

const HASH: &str = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA";

fn new_account(name: &str, role: Role) -> Op {
    Op::PutAccount(PutAccount {
        name: name.into(),
        create: true,
        role: Some(role as i32),
        password: Some(HASH.into()),
        ..PutAccount::default()
    })
}

fn change(name: &str, change: impl FnOnce(&mut PutAccount)) -> Op {
    let mut op = PutAccount { name: name.into(), ..PutAccount::default() };
    change(&mut op);
    Op::PutAccount(op)
}

fn digest(number: u32) -> Bytes {
    Bytes::copy_from_slice(blake3::hash(&number.to_be_bytes()).as_bytes())
}

fn credential(account: &str, number: u32, kind: CredentialKind) -> Op {
    let credential = Credential {
        account: account.into(),
        digest: digest(number),
        kind: kind as i32,
        role: Role::Admin as i32,
        ..Credential::default()
    };
    Op::PutCredential(PutCredential { credential: Some(credential), lasts_s: 60 })
}

fn accounts(world: &World) -> Vec<Account> {
    world.ask(Query::ListAccounts(ListAccounts::default())).accounts
}

fn credentials(world: &World, account: &str) -> Vec<Credential> {
    let ask = ListCredentials { account: account.into(), most: 1000, ..ListCredentials::default() };
    world.ask(Query::ListCredentials(ask)).credentials
}

#[test]
fn accounts_come_change_and_go() {
    let mut world = World::new();
    world.ok(new_account("root", Role::Admin));
    world.ok(new_account("eve@example", Role::Viewer));
    world.refused(new_account("root", Role::Admin), Code::Exists);
    for bad in ["", "Root", "a b", "-x", "ä", &"x".repeat(65), "a/b"] {
        world.refused(new_account(bad, Role::Viewer), Code::InvalidArgument);
    }
    world.refused(new_account("none", Role::None), Code::InvalidArgument);
    world.refused(change("nobody", |op| op.disabled = Some(true)), Code::NotFound);
    world.refused(change("root", |op| op.password = Some("plain".into())), Code::InvalidArgument);

    let names: Vec<_> = accounts(&world).into_iter().map(|a| (a.name, a.password)).collect();
    assert_eq!(names, [("eve@example".into(), String::new()), ("root".into(), String::new())]);
    let one = world.ask(Query::ListAccounts(ListAccounts { name: "root".into() })).accounts;
    assert_eq!(one[0].password, HASH);
    world.ok(change("eve@example", |op| op.role = Some(Role::Operator as i32)));
    world.ok(Op::DeleteAccount(DeleteAccount { name: "eve@example".into() }));
    world.refused(Op::DeleteAccount(DeleteAccount { name: "eve@example".into() }), Code::NotFound);
}

#[test]
fn somebody_who_may_do_everything_is_left() {
    let mut world = World::new();
    world.ok(new_account("root", Role::Admin));
    world.ok(new_account("other", Role::Operator));
    world.refused(Op::DeleteAccount(DeleteAccount { name: "root".into() }), Code::PreconditionFailed);
    world.refused(change("root", |op| op.disabled = Some(true)), Code::PreconditionFailed);
    world.refused(change("root", |op| op.role = Some(Role::Viewer as i32)), Code::PreconditionFailed);
    world.ok(change("other", |op| op.role = Some(Role::Admin as i32)));
    world.ok(change("root", |op| op.disabled = Some(true)));
    world.refused(Op::DeleteAccount(DeleteAccount { name: "other".into() }), Code::PreconditionFailed);
}

#[test]
fn a_login_lasts_and_makes_way() {
    let mut world = World::new();
    world.ok(new_account("root", Role::Admin));
    for number in 0..64 {
        world.ok(credential("root", number, CredentialKind::Login));
    }
    world.ok(Op::TouchCredential(TouchCredential {
        account: "root".into(),
        digest: digest(0),
        lasts_s: 3600,
    }));
    world.ok(credential("root", 64, CredentialKind::Login));
    let there = credentials(&world, "root");
    assert_eq!(there.len(), 64);
    let has = |number| there.iter().any(|c| c.digest == digest(number));
    assert!(has(0) && !has(1) && has(64), "the one that was used longest ago is gone");
    let touched = there.iter().find(|c| c.digest == digest(0)).unwrap();
    assert!(touched.expires_ns > world.now + 3_599_000_000_000);
    assert!(accounts(&world)[0].login_ns > 0);

    world.refused(credential("nobody", 99, CredentialKind::Login), Code::NotFound);
    let short = Credential {
        account: "root".into(),
        digest: Bytes::from_static(b"x"),
        role: 1,
        ..Credential::default()
    };
    let short = PutCredential { credential: Some(short), lasts_s: 1 };
    world.refused(Op::PutCredential(short), Code::InvalidArgument);
}

#[test]
fn what_was_proven_ends_with_what_it_was_proven_for() {
    let mut world = World::new();
    world.ok(new_account("root", Role::Admin));
    world.ok(new_account("other", Role::Admin));
    world.ok(credential("root", 1, CredentialKind::Login));
    world.ok(credential("root", 2, CredentialKind::Login));
    world.ok(credential("root", 3, CredentialKind::Token));
    world.ok(credential("other", 4, CredentialKind::Login));
    world.ok(change("root", |op| {
        op.password = Some(HASH.into());
        op.keep = digest(1);
    }));
    let left: Vec<Bytes> = credentials(&world, "root").into_iter().map(|c| c.digest).collect();
    assert_eq!(left.len(), 2, "the other login is over");
    assert!(left.contains(&digest(1)) && left.contains(&digest(3)));
    world.ok(change("root", |op| op.disabled = Some(true)));
    world.refused(credential("root", 5, CredentialKind::Login), Code::PermissionDenied);
    world.ok(Op::DeleteAccount(DeleteAccount { name: "root".into() }));
    assert!(credentials(&world, "root").is_empty());
    assert_eq!(credentials(&world, "other").len(), 1);
}

#[test]
fn an_account_has_so_many_tokens() {
    let mut world = World::new();
    world.ok(new_account("root", Role::Admin));
    for number in 0..64 {
        world.ok(credential("root", number, CredentialKind::Token));
    }
    world.refused(credential("root", 64, CredentialKind::Token), Code::TooLarge);
    let gone = DeleteCredential { account: "root".into(), digest: digest(7), expired: false };
    world.ok(Op::DeleteCredential(gone.clone()));
    world.refused(Op::DeleteCredential(gone), Code::NotFound);
    world.ok(credential("root", 64, CredentialKind::Token));
}

#[test]
fn pages_of_credentials_and_links() {
    let mut world = World::new();
    world.ok(new_account("a", Role::Admin));
    world.ok(new_account("ab", Role::Admin));
    for number in 0..5 {
        world.ok(credential("a", number, CredentialKind::Token));
        world.ok(credential("ab", number, CredentialKind::Token));
    }
    assert_eq!(credentials(&world, "a").len(), 5, "no other account's, however alike their names");
    let (mut found, mut after) = (Vec::new(), Bytes::new());
    loop {
        let ask = ListCredentials { after: after.clone(), most: 3, ..ListCredentials::default() };
        let reply = world.ask(Query::ListCredentials(ask));
        found.extend(reply.credentials);
        if !reply.more {
            break;
        }
        after = reply.next;
    }
    assert_eq!(found.len(), 10);
}

#[test]
fn links_come_and_go() {
    let mut world = World::new();
    let share = |number| Share {
        digest: digest(number),
        bucket: BUCKET.into(),
        key: Bytes::from_static(b"a/b"),
        account: "root".into(),
        ..Share::default()
    };
    let put = |number, lasts_s| Op::PutShare(PutShare { share: Some(share(number)), lasts_s });
    world.ok(put(1, 60));
    world.ok(put(2, 60));
    world.refused(put(1, 60), Code::Exists);
    world.refused(put(3, 0), Code::InvalidArgument);
    world.refused(put(3, u64::MAX), Code::InvalidArgument);
    let one = ListShares { digest: digest(1), ..ListShares::default() };
    let found = world.ask(Query::ListShares(one)).shares;
    assert_eq!(found[0].expires_ns - found[0].created_ns, 60_000_000_000);
    let page = world.ask(Query::ListShares(ListShares { most: 1, ..ListShares::default() }));
    assert!(page.shares.len() == 1 && page.more);
    world.ok(Op::DeleteShare(DeleteShare { digest: digest(1), expired: false }));
    world.refused(Op::DeleteShare(DeleteShare { digest: digest(1), expired: false }), Code::NotFound);
}

#[test]
fn a_key_keeps_its_secret_when_only_its_rules_change() {
    let mut world = World::new();
    let key = PutKey { access_key: "AKIA1".into(), secret_key: "secret-secret".into(), ..PutKey::default() };
    world.refused(Op::PutKey(PutKey { secret_key: String::new(), ..key.clone() }), Code::NoSuchKey);
    world.ok(Op::PutKey(key.clone()));
    world.ok(Op::PutKey(PutKey { secret_key: String::new(), disabled: true, ..key }));
    let keys = world.ask(Query::ListKeys(ListKeys {})).keys;
    assert!(keys[0].disabled && keys[0].secret_key == "secret-secret");
}
