// Tokens for programs: everybody's for administrators, else one's own.

import { useState } from "react";
import { api } from "../../api/client";
import { forget } from "../../api/queries";
import type { Role, Token } from "../../api/types";
import { useMe, useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { FormDialog } from "../../components/FormDialog";
import { ClockIcon, PlusIcon, ShieldIcon } from "../../components/icons";
import { SafeText } from "../../components/SafeText";
import { Select } from "../../components/Select";
import { StatusBadge } from "../../components/StatusBadge";
import { TextField } from "../../components/TextField";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { EXPIRES, rankOf, useTokens, type Expiry } from "./data";
import { OnceDialog } from "./OnceDialog";
import { RoleChoice } from "./RoleChoice";
import { Section } from "./Section";
import { words } from "./text";

export function Tokens({ mine = false }: { mine?: boolean }) {
  const t = words();
  const k = t.tokens;
  const w = common();
  const f = useFormat();
  const me = useMe();
  const admin = useRefusal("admin");
  const asked = useTokens();
  const [creating, setCreating] = useState(false);
  const [revoking, setRevoking] = useState<Token | null>(null);
  const create = (
    <Button kind={mine ? "plain" : "primary"} icon={PlusIcon} onClick={() => setCreating(true)}>
      {k.create}
    </Button>
  );
  const columns: Column<Token>[] = [
    {
      id: "description",
      title: k.columns.description,
      width: "minmax(160px, 1.4fr)",
      sort: (one) => one.description,
      cell: (one) => (one.description ? <SafeText value={one.description} most={60} /> : <span className="muted">–</span>),
    },
    ...(mine
      ? []
      : [{ id: "account", title: k.columns.account, width: "minmax(110px, 0.8fr)", sort: (one: Token) => one.account, cell: (one: Token) => <SafeText value={one.account} most={32} /> }]),
    { id: "role", title: k.columns.role, width: "minmax(100px, 0.6fr)", sort: (one) => rankOf(one.role), cell: (one) => w.roles[one.role] },
    { id: "created", title: k.columns.created, width: "minmax(136px, 0.6fr)", sort: (one) => one.created, cell: (one) => f.day(one.created) },
    {
      id: "used",
      title: k.columns.used,
      width: "minmax(120px, 0.7fr)",
      sort: (one) => one.last_used,
      cell: (one) =>
        one.last_used ? <span title={f.dateTime(one.last_used)}>{f.ago(one.last_used)}</span> : <span className="muted">{k.neverUsed}</span>,
    },
    {
      id: "expires",
      title: k.columns.expires,
      width: "minmax(150px, 0.8fr)",
      sort: (one) => one.expires,
      cell: (one) => {
        if (!one.expires) return <span className="muted">{t.expires.never}</span>;
        const over = Date.parse(one.expires) < Date.now();
        return over ? (
          <StatusBadge tone="idle" icon={ClockIcon} bare>
            {t.expires.over(f.ago(one.expires))}
          </StatusBadge>
        ) : (
          <span title={f.dateTime(one.expires)}>{f.ago(one.expires)}</span>
        );
      },
    },
    {
      id: "do",
      title: t.actions,
      width: "90px",
      cell: (one) => (
        <Button small refused={one.account === me.account ? null : admin} onClick={() => setRevoking(one)}>
          {k.revoke}
        </Button>
      ),
    },
  ];
  return (
    <div className="stack access-stack">
      <Section title={mine ? t.me.tokens : t.tabs.tokens} note={k.lead} asked={asked} aside={create}>
        {(items) => (
          <DataTable
            label={mine ? t.me.tokens : t.tabs.tokens}
            columns={columns}
            rows={mine ? items.filter((one) => one.account === me.account) : items}
            rowKey={(one) => one.id}
            initialSort={{ column: "created", descending: true }}
            rowHeight={42}
            height={mine ? 300 : 560}
            empty={
              <EmptyState icon={ShieldIcon} title={k.emptyTitle} small={mine}>
                {k.emptyBody}
              </EmptyState>
            }
          />
        )}
      </Section>
      {creating ? <CreateDialog most={me.role} onClose={() => setCreating(false)} /> : null}
      {revoking ? <RevokeDialog one={revoking} onClose={() => setRevoking(null)} /> : null}
    </div>
  );
}

function CreateDialog({ most, onClose }: { most: Role; onClose: () => void }) {
  const t = words();
  const k = t.tokens;
  const [description, setDescription] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [expiry, setExpiry] = useState<Expiry>("quarter");
  const [tried, setTried] = useState(false);
  const [made, setMade] = useState<(Token & { token: string }) | null>(null);
  const work = useWork();
  const empty = description.trim() === "";

  const submit = async () => {
    setTried(true);
    if (empty) return;
    const body = { description: description.trim(), role, expires_in_seconds: EXPIRES[expiry] };
    await work.run(async () => setMade(await api.post<Token & { token: string }>("/tokens", body)));
    void forget("/tokens", "/accounts");
  };
  if (made) {
    return (
      <OnceDialog
        title={k.created}
        rows={[{ label: k.token, value: made.token }]}
        file={{ name: `holdfast-token-${made.id}.txt`, text: `${made.token}\n` }}
        onClose={onClose}
      />
    );
  }
  return (
    <FormDialog title={k.createTitle} action={k.create} work={work} onSubmit={() => void submit()} onClose={onClose}>
      <TextField
        label={k.description}
        hint={k.descriptionHint}
        error={tried && empty ? k.descriptionEmpty : null}
        value={description}
        onChange={setDescription}
        maxLength={200}
        autoComplete="off"
        autoFocus
      />
      <RoleChoice label={k.role} value={role} onChange={setRole} most={most} />
      <p className="muted small">{k.roleHint}</p>
      <Select<Expiry>
        label={t.expires.label}
        options={(Object.keys(EXPIRES) as Expiry[]).map((value) => ({ value, label: t.expires.choices[value] }))}
        value={expiry}
        onChange={setExpiry}
      />
      {expiry === "never" ? <p className="tone-warn small">{t.expires.neverNote}</p> : null}
    </FormDialog>
  );
}

function RevokeDialog({ one, onClose }: { one: Token; onClose: () => void }) {
  const k = words().tokens;
  const work = useWork();
  const go = async () => {
    if (!(await work.run(() => api.delete(`/tokens/${encodeURIComponent(one.id)}`)))) return;
    toast.ok(k.revoked);
    void forget("/tokens", "/accounts");
    onClose();
  };
  return (
    <ConfirmDialog title={k.revokeTitle} action={k.revoke} dangerous busy={work.busy} failure={work.failure} onConfirm={() => void go()} onClose={onClose}>
      <p>
        <SafeText value={one.description || one.id} most={80} /> · <SafeText value={one.account} most={40} />
      </p>
      <p>{k.revokeNote}</p>
    </ConfirmDialog>
  );
}
