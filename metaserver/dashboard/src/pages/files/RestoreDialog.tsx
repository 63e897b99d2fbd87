// Out of the trash: back to a place, or gone for good.

import { useState } from "react";
import { api, Failure } from "../../api/client";
import { forget } from "../../api/queries";
import type { TrashItem } from "../../api/types";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { Note } from "../../components/Note";
import { SafeText } from "../../components/SafeText";
import { Segmented } from "../../components/Segmented";
import { Checkbox } from "../../components/TextField";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { useFormat } from "../../format";
import { DirectoryPicker } from "./DirectoryPicker";
import { Failures } from "./Failures";
import { FormDialog } from "../../components/FormDialog";
import { canonical, forBody, namesOf, ROOT, type Path } from "./paths";
import { words } from "./text";
import { placeOf } from "./Trash";

interface Props {
  items: TrashItem[];
  directory: Path;
  onClose: () => void;
  onDone: () => void;
}
interface Restored {
  restored: number;
  failed: { ino: number; code: string; message: string }[];
}
/** So many in one request. */
const LOT = 500;

function Names({ items, directory }: { items: TrashItem[]; directory: Path }) {
  const f = useFormat();
  return (
    <ul className="name-list">
      {items.slice(0, 6).map((item) => (
        <li key={`${item.ino}-${item.index}`}>
          <SafeText value={placeOf(item, directory)} most={60} />
        </li>
      ))}
      {items.length > 6 ? <li className="muted">… +{f.count(items.length - 6)}</li> : null}
    </ul>
  );
}

export function RestoreDialog({ items, directory, onClose, onDone }: Props) {
  const t = words();
  const tr = t.trash;
  const f = useFormat();
  const [them, setThem] = useState(items);
  const [where, setWhere] = useState<"place" | "other">("place");
  const [to, setTo] = useState(directory);
  const [overwrite, setOverwrite] = useState(false);
  const [failed, setFailed] = useState<Restored["failed"]>([]);
  const work = useWork();
  const taken = failed.filter((one) => one.code === "exists");
  const others = failed.filter((one) => one.code !== "exists");

  const submit = () =>
    void work.run(async () => {
      const bad: Restored["failed"] = [];
      let good = 0;
      for (let from = 0; from < them.length; from += LOT) {
        const lot = them.slice(from, from + LOT);
        // Of one file its new path is asked for, of several their directory.
        const target = lot.length === 1 ? `${to}/${namesOf(canonical(lot[0]!.path)).at(-1) ?? ""}` : to;
        const body = {
          items: lot.map(({ ino, index }) => ({ ino, index })),
          ...(where === "other" ? { to: forBody(target) } : {}),
          ...(overwrite ? { overwrite: true } : {}),
        };
        const answer = await api.post<Restored>("/trash/restore", body);
        good += answer.restored;
        bad.push(...answer.failed);
      }
      void forget("/trash", "/files", "/overview");
      if (good > 0) toast.ok(tr.restored(good, f.count(good)));
      if (bad.length === 0) return onDone();
      const left = new Set(bad.map((one) => one.ino));
      setThem(them.filter((item) => left.has(item.ino)));
      setFailed(bad);
    });
  const nameOf = (ino: number) => {
    const item = items.find((one) => one.ino === ino);
    return item ? placeOf(item, directory) : String(ino);
  };
  return (
    <FormDialog
      title={tr.restoreTitle(them.length, f.count(them.length))}
      action={tr.restore}
      refused={where === "other" && to === ROOT ? t.move.needsBucket : null}
      work={work}
      onSubmit={submit}
      onClose={onClose}
    >
      <Names items={them} directory={directory} />
      <div>
        <Segmented
          label={tr.where}
          options={[
            { value: "place", label: tr.inPlace },
            { value: "other", label: tr.elsewhere },
          ]}
          value={where}
          onChange={(value) => {
            setWhere(value);
            setFailed([]);
          }}
        />
      </div>
      {where === "other" ? <DirectoryPicker label={tr.where} value={to} onChange={setTo} /> : <p className="muted small">{tr.missing}</p>}
      {taken.length > 0 ? (
        <Note tone="warn" role="alert" title={tr.conflictTitle(taken.length, f.count(taken.length))}>
          <p>{tr.conflictBody}</p>
          <Checkbox label={tr.replace} checked={overwrite} onChange={setOverwrite} />
        </Note>
      ) : null}
      <Failures failed={others.map((one) => ({ name: nameOf(one.ino), failure: new Failure(one.code, 0, one.message) }))} />
    </FormDialog>
  );
}

export function PurgeDialog({ items, directory, onClose, onDone }: Props) {
  const t = words();
  const tr = t.trash;
  const f = useFormat();
  const work = useWork();
  const go = () =>
    void work
      .run(async () => {
        for (let from = 0; from < items.length; from += LOT) {
          await api.post("/trash/delete", { items: items.slice(from, from + LOT).map(({ ino, index }) => ({ ino, index })) });
        }
      })
      .then((done) => {
        void forget("/trash", "/overview");
        if (!done) return;
        toast.ok(tr.gone(items.length, f.count(items.length)));
        onDone();
      });
  return (
    <ConfirmDialog
      title={tr.goneTitle(items.length, f.count(items.length))}
      action={t.remove.goForGood}
      dangerous
      typed={t.remove.word}
      busy={work.busy}
      failure={work.failure}
      onConfirm={go}
      onClose={onClose}
    >
      <Names items={items} directory={directory} />
      <p>{tr.goneBody}</p>
    </ConfirmDialog>
  );
}
