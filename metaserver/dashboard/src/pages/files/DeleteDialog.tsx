// Deleting: to the trash, for how long, or for good; one or many, with what could not be done.

import { useRef, useState } from "react";
import { api, type Failure } from "../../api/client";
import { forget } from "../../api/queries";
import type { Entry } from "../../api/types";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { Note } from "../../components/Note";
import { Bar } from "../../components/Progress";
import { SafeText } from "../../components/SafeText";
import { toast } from "../../components/Toasts";
import { useFormat } from "../../format";
import { pathOf } from "./actions";
import { each, useTrashTime } from "./data";
import { shownName } from "./EntryTable";
import { Failures } from "./Failures";
import { at, readable, ROOT, type Path } from "./paths";
import { words } from "./text";
import { useKeeps } from "./useKeeps";

export interface DeleteDialogProps {
  entries: Entry[];
  directory: Path;
  onClose: () => void;
  onDone: () => void;
}

const remove = (entry: Entry) =>
  entry.bucket
    ? api.delete(`/buckets/${encodeURIComponent(entry.name)}`)
    : api.delete(at("/files", pathOf(entry), { recursive: entry.kind === "directory" ? true : null }));

export function DeleteDialog({ entries, directory, onClose, onDone }: DeleteDialogProps) {
  const t = words();
  const r = t.remove;
  const f = useFormat();
  const said = useKeeps();
  const buckets = directory === ROOT;
  const keeps = useTrashTime(directory);
  const [them, setThem] = useState(entries);
  const [done, setDone] = useState<number | null>(null);
  const [failed, setFailed] = useState<{ item: Entry; failure: Failure }[]>([]);
  const stopped = useRef(false);
  const first = them[0];
  const name = first ? shownName(first) : "";
  const one = them.length === 1;
  const trees = !buckets && them.some((entry) => entry.kind === "directory");
  const off = !buckets && keeps?.seconds === 0;

  const go = async () => {
    setFailed([]);
    setDone(0);
    const wrong = await each(them, remove, setDone, () => stopped.current);
    setDone(null);
    const good = them.length - wrong.length;
    if (good > 0 && !stopped.current) toast.ok(one ? r.done(name) : r.doneMany(good, f.count(good)));
    // After the details of what is gone are closed.
    setTimeout(() => void forget("/files", "/trash", "/overview"));
    if (stopped.current) return;
    if (wrong.length === 0) onDone();
    else {
      setFailed(wrong);
      setThem(wrong.map(({ item }) => item));
    }
  };

  let kept = r.keptUnknown;
  if (keeps && keeps.seconds !== null) {
    const time = said(keeps.seconds);
    kept = keeps.from === null ? r.kept(time) : r.keptFrom(time, readable(keeps.from));
  }
  const title = buckets && one ? r.bucketTitle(name) : one ? r.title(name) : r.titleMany(them.length, f.count(them.length));
  return (
    <ConfirmDialog
      title={title}
      action={off ? r.goForGood : r.go}
      dangerous
      {...(off || trees ? { typed: r.word } : {})}
      busy={done !== null}
      onConfirm={() => void go()}
      onClose={() => {
        stopped.current = true;
        onClose();
      }}
    >
      {one ? null : (
        <ul className="name-list">
          {them.slice(0, 6).map((entry) => (
            <li key={entry.path}>
              <SafeText value={entry.name} most={56} />
            </li>
          ))}
          {them.length > 6 ? <li className="muted">… +{f.count(them.length - 6)}</li> : null}
        </ul>
      )}
      {buckets ? <p>{r.bucketBody}</p> : off ? <Note tone="danger">{r.gone}</Note> : <p>{kept}</p>}
      {trees ? <p>{r.recursive}</p> : null}
      {buckets || off ? null : (
        <p className="muted small">
          {r.notKept} {r.early}
        </p>
      )}
      {done !== null && them.length > 1 ? (
        <div role="status" className="stack tight">
          <span className="small">{t.progress(f.count(done), f.count(them.length))}</span>
          <Bar label={title} share={done / them.length} />
        </div>
      ) : null}
      <Failures failed={failed.map(({ item, failure }) => ({ name: item.name, failure }))} />
    </ConfirmDialog>
  );
}
