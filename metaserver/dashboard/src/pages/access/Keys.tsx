// Which S3 clients may use which buckets.

import { useState } from "react";
import { api } from "../../api/client";
import { forget } from "../../api/queries";
import type { Key } from "../../api/types";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { AccessIcon, EditIcon, MoreIcon, OkIcon, PauseIcon, PlayIcon, PlusIcon, TrashIcon } from "../../components/icons";
import { Menu } from "../../components/Menu";
import { SafeText } from "../../components/SafeText";
import { StatusBadge } from "../../components/StatusBadge";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { useFormat } from "../../format";
import { useKeys, type Rule } from "./data";
import { KeyDialog } from "./KeyDialog";
import { Section } from "./Section";
import { words } from "./text";

type Verb = "create" | "edit" | "disable" | "enable" | "delete";

export function Keys() {
  const t = words();
  const k = t.keys;
  const refused = useRefusal("admin");
  const asked = useKeys();
  const [open, setOpen] = useState<{ verb: Verb; key: Key | null } | null>(null);
  const create = (
    <Button kind="primary" icon={PlusIcon} refused={refused} onClick={() => setOpen({ verb: "create", key: null })}>
      {k.create}
    </Button>
  );
  const columns: Column<Key>[] = [
    { id: "key", title: k.columns.key, width: "minmax(190px, 0.9fr)", sort: (one) => one.access_key, cell: (one) => <SafeText value={one.access_key} most={32} mono /> },
    {
      id: "description",
      title: k.columns.description,
      width: "minmax(150px, 1fr)",
      sort: (one) => one.description,
      cell: (one) => (one.description ? <SafeText value={one.description} most={60} /> : <span className="muted">–</span>),
    },
    { id: "rules", title: k.columns.rules, width: "minmax(320px, 2.2fr)", cell: (one) => <RulesShort rules={one.rules} /> },
    {
      id: "state",
      title: k.columns.state,
      width: "120px",
      sort: (one) => Number(one.disabled),
      cell: (one) => (
        <StatusBadge tone={one.disabled ? "idle" : "ok"} icon={one.disabled ? PauseIcon : OkIcon} bare>
          {one.disabled ? k.disabled : k.enabled}
        </StatusBadge>
      ),
    },
    {
      id: "do",
      title: t.actions,
      width: "60px",
      cell: (one) => (
        <Menu
          label={t.actionsOf(one.access_key)}
          button={<MoreIcon />}
          className="button quiet icon-only is-small"
          entries={[
            { id: "edit", label: k.edit, icon: EditIcon, refused },
            one.disabled ? { id: "enable", label: k.enable, icon: PlayIcon, refused } : { id: "disable", label: k.disable, icon: PauseIcon, refused },
            { id: "delete", label: k.delete, icon: TrashIcon, danger: true, refused },
          ]}
          onAction={(id) => setOpen({ verb: id as Verb, key: one })}
        />
      ),
    },
  ];
  const verb = open?.verb;
  return (
    <div className="stack access-stack">
      <Section title={t.tabs.keys} note={k.lead} asked={asked} aside={create}>
        {(items) => (
          <DataTable
            label={t.tabs.keys}
            columns={columns}
            rows={items}
            rowKey={(one) => one.access_key}
            rowHeight={42}
            height={560}
            empty={
              <EmptyState icon={AccessIcon} title={k.emptyTitle} action={create}>
                {k.emptyBody}
              </EmptyState>
            }
          />
        )}
      </Section>
      {verb === "create" || verb === "edit" ? <KeyDialog old={open?.key ?? null} onClose={() => setOpen(null)} /> : null}
      {open?.key && (verb === "disable" || verb === "enable" || verb === "delete") ? (
        <AskDialog verb={verb} one={open.key} onClose={() => setOpen(null)} />
      ) : null}
    </div>
  );
}

function RulesShort({ rules }: { rules: readonly Rule[] }) {
  const k = words().keys;
  const f = useFormat();
  if (rules.length === 0) {
    return (
      <StatusBadge tone="warn" bare>
        {k.noRules}
      </StatusBadge>
    );
  }
  const rights = (rule: Rule) => (["read", "write", "manage"] as const).filter((right) => rule[right]).map((right) => k.rightsShort[right]).join(" · ");
  return (
    <span className="rules-short">
      {rules.slice(0, 2).map((rule, index) => (
        <span key={index} className="rule-short">
          <SafeText value={rule.bucket} most={24} mono /> <span className="muted">{rights(rule)}</span>
        </span>
      ))}
      {rules.length > 2 ? <span className="muted">{k.more(f.count(rules.length - 2))}</span> : null}
    </span>
  );
}

function AskDialog({ verb, one, onClose }: { verb: "disable" | "enable" | "delete"; one: Key; onClose: () => void }) {
  const k = words().keys;
  const work = useWork();
  const at = `/keys/${encodeURIComponent(one.access_key)}`;
  const go = async () => {
    if (!(await work.run(() => (verb === "delete" ? api.delete(at) : api.patch(at, { disabled: verb === "disable" }))))) return;
    toast.ok({ disable: k.disableDone, enable: k.enableDone, delete: k.deleteDone }[verb]);
    void forget("/keys");
    onClose();
  };
  return (
    <ConfirmDialog
      title={{ disable: k.disableTitle, enable: k.enable, delete: k.deleteTitle }[verb]}
      action={k[verb].replace("…", "")}
      dangerous={verb !== "enable"}
      {...(verb === "delete" ? { typed: one.access_key } : {})}
      busy={work.busy}
      failure={work.failure}
      onConfirm={() => void go()}
      onClose={onClose}
    >
      <p>
        <SafeText value={one.access_key} most={64} mono /> {one.description ? <SafeText value={`(${one.description})`} most={60} /> : null}
      </p>
      {verb === "enable" ? <RulesShort rules={one.rules} /> : <p>{verb === "disable" ? k.disableNote : k.deleteNote}</p>}
    </ConfirmDialog>
  );
}
