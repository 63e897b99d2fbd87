// A change of the metadata group, with what it will mean.

import { useState } from "react";
import { api, Failure } from "../../api/client";
import { forget } from "../../api/queries";
import type { NodeView } from "../../api/types";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { Note } from "../../components/Note";
import { Select } from "../../components/Select";
import { toast } from "../../components/Toasts";
import { visible } from "../../format/visible";
import type { MetaStatus } from "./MetaTab";
import { words } from "./text";

export type MetaChange = { kind: "add" } | { kind: "transfer" | "replace" | "remove"; node: number };

interface Props {
  change: MetaChange;
  meta: MetaStatus;
  nodes: NodeView[];
  onClose: () => void;
}

export function MetaDialog({ change, meta, nodes, onClose }: Props) {
  const t = words().meta;
  const members = new Set([...meta.voters.map((voter) => voter.node), ...meta.learners]);
  const candidates = nodes.filter((node) => {
    const may = node.roles.includes("meta") || node.roles.includes("witness");
    return may && !members.has(node.id) && node.standing !== "removed";
  });
  const [chosen, setChosen] = useState(String(candidates[0]?.id ?? ""));
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const picks = change.kind === "add" || change.kind === "replace";
  const node = picks ? Number(chosen) : change.node;

  const go = async () => {
    setBusy(true);
    setFailure(null);
    try {
      const body = change.kind === "replace" ? { node, replaces: change.node } : { node };
      await api.post(`/meta/${change.kind}`, body);
      await forget("/meta", "/overview", "/topology");
      toast.ok(change.kind === "transfer" ? t.done.transfer : t.done[change.kind](node));
      onClose();
    } catch (cause) {
      setFailure(cause instanceof Failure ? cause : new Failure("unreadable", 0, String(cause)));
      setBusy(false);
    }
  };
  const titles = {
    add: () => t.addTitle,
    transfer: (of: number) => t.transferTitle(of),
    remove: (of: number) => t.removeTitle(of),
    replace: (of: number) => t.replaceTitle(of),
  };
  const actions = { add: t.add, transfer: t.transfer, remove: t.remove, replace: t.replace };
  const of = change.kind === "add" ? 0 : change.node;
  return (
    <ConfirmDialog
      title={titles[change.kind](of)}
      action={actions[change.kind]}
      dangerous={change.kind === "remove"}
      busy={busy}
      refused={picks && candidates.length === 0 ? t.addNone : null}
      failure={failure}
      onConfirm={() => void go()}
      onClose={onClose}
    >
      {change.kind === "transfer" ? <p>{t.transferBody}</p> : null}
      {change.kind === "add" ? <p>{t.addBody}</p> : null}
      {change.kind === "replace" ? <p>{t.replaceBody}</p> : null}
      {change.kind === "remove" ? <Removal meta={meta} node={change.node} /> : null}
      {picks && candidates.length > 0 ? (
        <Select
          label={change.kind === "replace" ? t.by : t.columns.node}
          value={chosen}
          onChange={setChosen}
          options={candidates.map((one) => ({ value: String(one.id), label: visible(t.nodeOption(one.id, one.address)) }))}
        />
      ) : null}
      {picks && candidates.length === 0 ? <Note tone="warn">{t.addNone}</Note> : null}
    </ConfirmDialog>
  );
}

function Removal({ meta, node }: { meta: MetaStatus; node: number }) {
  const t = words().meta;
  if (meta.learners.includes(node)) return <p>{t.removeLearner}</p>;
  if (meta.voters.length === 1) return <Note tone="danger">{t.removeLast}</Note>;
  const left = meta.voters.filter((voter) => voter.node !== node);
  const answering = left.filter((voter) => voter.ok).length;
  const tolerates = Math.max(0, answering - (Math.floor(left.length / 2) + 1));
  return (
    <>
      <Note tone={tolerates === 0 ? "warn" : "info"}>{t.removeBody(left.length, tolerates)}</Note>
      {meta.leader === node ? <p>{t.removeLeader}</p> : null}
    </>
  );
}
