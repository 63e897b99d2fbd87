// Which browsers are signed in.

import { useState } from "react";
import { api } from "../../api/client";
import { forget } from "../../api/queries";
import { signOut, useMe, useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { UserIcon } from "../../components/icons";
import { SafeText } from "../../components/SafeText";
import { StatusBadge } from "../../components/StatusBadge";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { useFormat } from "../../format";
import { browserOf, useSessions, type LoginSession } from "./data";
import { Section } from "./Section";
import { words } from "./text";

export function Sessions({ mine = false }: { mine?: boolean }) {
  const t = words();
  const s = t.sessions;
  const f = useFormat();
  const me = useMe();
  const admin = useRefusal("admin");
  const asked = useSessions();
  const [ending, setEnding] = useState<{ them: LoginSession[]; many: boolean } | null>(null);
  const all = (asked.data?.items ?? []).filter((one) => !mine || one.account === me.account);
  const others = all.filter((one) => one.account === me.account && !one.current);

  const when = (at: string | null) => (at ? <span title={f.dateTime(at)}>{f.ago(at)}</span> : <span className="muted">–</span>);

  const columns: Column<LoginSession>[] = [
    ...(mine
      ? []
      : [{ id: "account", title: s.columns.account, width: "minmax(110px, 0.8fr)", sort: (one: LoginSession) => one.account, cell: (one: LoginSession) => <SafeText value={one.account} most={32} /> }]),
    {
      id: "agent",
      title: s.columns.agent,
      width: "minmax(240px, 1.5fr)",
      cell: (one) => {
        const known = browserOf(one.agent);
        return (
          <span className="row">
            {known ? <span title={one.agent}>{s.on(known.browser, known.system)}</span> : <SafeText value={one.agent || "–"} most={44} />}
            {one.current ? (
              <StatusBadge tone="info" icon={UserIcon}>
                {s.current}
              </StatusBadge>
            ) : null}
          </span>
        );
      },
    },
    { id: "from", title: s.columns.from, width: "minmax(120px, 0.8fr)", sort: (one) => one.from, cell: (one) => <SafeText value={one.from} most={45} mono /> },
    { id: "created", title: s.columns.created, width: "minmax(120px, 0.7fr)", sort: (one) => one.created, cell: (one) => <span title={f.dateTime(one.created)}>{f.ago(one.created)}</span> },
    { id: "seen", title: s.columns.seen, width: "minmax(120px, 0.7fr)", sort: (one) => one.last_seen, cell: (one) => when(one.last_seen) },
    { id: "expires", title: s.columns.expires, width: "minmax(110px, 0.7fr)", sort: (one) => one.expires, cell: (one) => when(one.expires) },
    {
      id: "do",
      title: t.actions,
      width: "80px",
      cell: (one) => (
        <Button small refused={one.account === me.account ? null : admin} onClick={() => setEnding({ them: [one], many: false })}>
          {s.end}
        </Button>
      ),
    },
  ];
  return (
    <div className="stack access-stack">
      <Section
        title={mine ? t.me.sessions : t.tabs.sessions}
        note={s.lead}
        asked={asked}
        aside={
          mine && others.length > 0 ? (
            <Button onClick={() => setEnding({ them: others, many: true })}>{s.endOthers}</Button>
          ) : null
        }
      >
        {() => (
          <DataTable
            label={mine ? t.me.sessions : t.tabs.sessions}
            columns={columns}
            rows={all}
            rowKey={(one) => one.id}
            initialSort={{ column: "seen", descending: true }}
            rowHeight={42}
            height={mine ? 300 : 560}
            empty={
              <EmptyState icon={UserIcon} title={s.emptyTitle} small={mine}>
                {s.emptyBody}
              </EmptyState>
            }
          />
        )}
      </Section>
      {ending ? <EndDialog them={ending.them} many={ending.many} onClose={() => setEnding(null)} /> : null}
    </div>
  );
}

function EndDialog({ them, many, onClose }: { them: LoginSession[]; many: boolean; onClose: () => void }) {
  const s = words().sessions;
  const f = useFormat();
  const work = useWork();
  const first = them[0];
  const own = !many && first?.current === true;
  const go = async () => {
    const done = await work.run(async () => {
      for (const one of them) if (!one.current) await api.delete(`/sessions/${encodeURIComponent(one.id)}`);
    });
    void forget("/sessions", "/accounts");
    if (!done) return;
    if (own) return void signOut();
    toast.ok(many ? s.endedMany(them.length, f.count(them.length)) : s.ended);
    onClose();
  };
  const title = many ? s.endOthersTitle(them.length, f.count(them.length)) : own ? s.endOwnTitle : s.endTitle;
  return (
    <ConfirmDialog
      title={title}
      action={many ? s.endOthers : s.end}
      dangerous
      busy={work.busy}
      failure={work.failure}
      onConfirm={() => void go()}
      onClose={onClose}
    >
      {many || !first ? null : (
        <p>
          <SafeText value={first.account} most={40} /> · <SafeText value={first.from} most={45} mono />
        </p>
      )}
      <p>{many ? s.endOthersNote : own ? s.endOwnNote : s.endNote}</p>
    </ConfirmDialog>
  );
}
