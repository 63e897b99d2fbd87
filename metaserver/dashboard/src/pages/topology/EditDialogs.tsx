// Labels of a node, weight of a disk.

import { useState } from "react";
import { api, Failure } from "../../api/client";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { TextField } from "../../components/TextField";
import { Slider } from "../../components/Slider";
import { toast } from "../../components/Toasts";
import { common } from "../../i18n/common";
import { useFormat } from "../../format";
import { refresh, useTick } from "./store";
import { words } from "./text";

function useSave(onDone: () => void) {
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const save = async (path: string, body: unknown, said: string) => {
    setBusy(true);
    setFailure(null);
    try {
      await api.patch(path, body);
      toast.ok(said);
      onDone();
      await refresh();
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause;
      setFailure(cause);
      setBusy(false);
    }
  };
  return { busy, failure, save };
}

export function LabelsDialog({ id, onClose }: { id: number; onClose: () => void }) {
  const t = words();
  const shared = common();
  const node = useTick().nodes.get(id);
  const [zone, setZone] = useState(node?.zone ?? "");
  const [rack, setRack] = useState(node?.rack ?? "");
  const [host, setHost] = useState(node?.host ?? "");
  const { busy, failure, save } = useSave(onClose);
  const what = t.what.node(id);
  const same = zone === node?.zone && rack === node?.rack && host === node?.host;
  return (
    <ConfirmDialog
      title={t.labels.title(what)}
      action={shared.actions.save}
      busy={busy}
      failure={failure}
      refused={same ? t.labels.same : null}
      onConfirm={() => void save(`/nodes/${id}`, { zone, rack, host }, t.labels.done(t.what.Node(id)))}
      onClose={onClose}
    >
      <p>{t.labels.body}</p>
      <TextField label={t.labels.zone} value={zone} onChange={setZone} spellCheck={false} maxLength={64} />
      <TextField label={t.labels.rack} value={rack} onChange={setRack} spellCheck={false} maxLength={64} />
      <TextField label={t.labels.host} value={host} onChange={setHost} spellCheck={false} maxLength={64} />
      <button type="submit" hidden />
    </ConfirmDialog>
  );
}

const WEIGHTS = Array.from({ length: 41 }, (_, index) => index / 20);

export function WeightDialog({ id, onClose }: { id: number; onClose: () => void }) {
  const t = words();
  const shared = common();
  const f = useFormat();
  const disk = useTick().disks.get(id);
  const [weight, setWeight] = useState(disk?.weight ?? 1);
  const { busy, failure, save } = useSave(onClose);
  const what = t.what.disk(id);
  return (
    <ConfirmDialog
      title={t.weight.title(what)}
      action={shared.actions.save}
      busy={busy}
      failure={failure}
      refused={weight === disk?.weight ? t.weight.same : null}
      onConfirm={() => void save(`/disks/${id}`, { weight }, t.weight.done(t.what.Disk(id)))}
      onClose={onClose}
    >
      <p>{t.weight.body}</p>
      <Slider label={t.weight.field} steps={WEIGHTS} value={weight} onChange={setWeight} show={(value) => f.decimal(value, 2)} />
    </ConfirmDialog>
  );
}
