// Who may sign in.

import { useState } from "react";
import type { Account } from "../../api/types";
import { useMe, useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { DataTable, type Column } from "../../components/DataTable";
import { AccessIcon, EditIcon, MoreIcon, OkIcon, PauseIcon, PlayIcon, PlusIcon, TrashIcon } from "../../components/icons";
import { Menu, type MenuEntry } from "../../components/Menu";
import { SafeText } from "../../components/SafeText";
import { StatusBadge } from "../../components/StatusBadge";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { AccountDialogs, type AccountVerb } from "./AccountDialogs";
import { isLastAdmin, rankOf, useAccounts } from "./data";
import { RolesCard } from "./RolesCard";
import { Section } from "./Section";
import { words } from "./text";

export function Accounts() {
  const t = words();
  const a = t.accounts;
  const w = common();
  const f = useFormat();
  const me = useMe();
  const refused = useRefusal("admin");
  const asked = useAccounts();
  const all = asked.data?.items ?? [];
  const [open, setOpen] = useState<{ verb: AccountVerb; account: Account | null } | null>(null);

  const entries = (one: Account): MenuEntry[] => {
    const self = one.name === me.account;
    const last = isLastAdmin(all, one.name) ? a.lastAdmin : null;
    return [
      { id: "role", label: a.change, icon: EditIcon, refused: refused ?? last },
      { id: "reset", label: a.reset, icon: AccessIcon, refused: refused ?? (self ? a.self : null) },
      one.disabled
        ? { id: "enable", label: a.enable, icon: PlayIcon, refused }
        : { id: "disable", label: a.disable, icon: PauseIcon, refused: refused ?? last ?? (self ? a.selfDisable : null) },
      { id: "delete", label: a.delete, icon: TrashIcon, danger: true, refused: refused ?? last ?? (self ? a.selfDelete : null) },
    ];
  };
  const columns: Column<Account>[] = [
    {
      id: "name",
      title: a.columns.name,
      width: "minmax(170px, 1.4fr)",
      sort: (one) => one.name,
      cell: (one) => (
        <>
          <span className="strong">
            <SafeText value={one.name} most={40} />
          </span>
          {one.name === me.account ? <span className="muted"> ({a.you})</span> : null}
        </>
      ),
    },
    { id: "role", title: a.columns.role, width: "minmax(110px, 0.8fr)", sort: (one) => rankOf(one.role), cell: (one) => w.roles[one.role] },
    {
      id: "state",
      title: a.columns.state,
      width: "minmax(180px, 1fr)",
      sort: (one) => Number(one.disabled) * 2 + Number(one.must_change_password),
      cell: (one) =>
        one.disabled ? (
          <StatusBadge tone="idle" icon={PauseIcon} bare>
            {a.disabled}
          </StatusBadge>
        ) : one.must_change_password ? (
          <StatusBadge tone="warn" icon={AccessIcon} bare>
            {a.mustChange}
          </StatusBadge>
        ) : (
          <StatusBadge tone="ok" icon={OkIcon} bare>
            {a.active}
          </StatusBadge>
        ),
    },
    {
      id: "login",
      title: a.columns.login,
      width: "minmax(120px, 0.8fr)",
      sort: (one) => one.last_login,
      cell: (one) =>
        one.last_login ? <span title={f.dateTime(one.last_login)}>{f.ago(one.last_login)}</span> : <span className="muted">{a.neverIn}</span>,
    },
    { id: "sessions", title: a.columns.sessions, width: "80px", number: true, sort: (one) => one.sessions, cell: (one) => f.count(one.sessions) },
    { id: "tokens", title: a.columns.tokens, width: "80px", number: true, sort: (one) => one.tokens, cell: (one) => f.count(one.tokens) },
    { id: "created", title: a.columns.created, width: "minmax(136px, 0.7fr)", sort: (one) => one.created, cell: (one) => f.day(one.created) },
    {
      id: "do",
      title: t.actions,
      width: "60px",
      cell: (one) => (
        <Menu
          label={t.actionsOf(one.name)}
          button={<MoreIcon />}
          className="button quiet icon-only is-small"
          entries={entries(one)}
          onAction={(id) => setOpen({ verb: id as AccountVerb, account: one })}
        />
      ),
    },
  ];
  return (
    <div className="stack access-stack">
      <Section
        title={t.tabs.accounts}
        note={a.lead}
        asked={asked}
        aside={
          <Button kind="primary" icon={PlusIcon} refused={refused} onClick={() => setOpen({ verb: "create", account: null })}>
            {a.create}
          </Button>
        }
      >
        {(items) => (
          <DataTable label={t.tabs.accounts} columns={columns} rows={items} rowKey={(one) => one.name} rowHeight={42} height={520} />
        )}
      </Section>
      <RolesCard />
      {open ? <AccountDialogs verb={open.verb} account={open.account} all={all} onClose={() => setOpen(null)} /> : null}
    </div>
  );
}
