// Another name, another directory, or both.

import { useState } from "react";
import { api, type Failure } from "../../api/client";
import { forget } from "../../api/queries";
import type { Entry } from "../../api/types";
import { Note } from "../../components/Note";
import { TextField } from "../../components/TextField";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { useFormat } from "../../format";
import { pathOf } from "./actions";
import { each } from "./data";
import { DirectoryPicker } from "./DirectoryPicker";
import { shownName } from "./EntryTable";
import { Failures } from "./Failures";
import { FormDialog } from "../../components/FormDialog";
import { child, forBody, isWithin, namesOf, ROOT, type Path } from "./paths";
import { nameProblem } from "./sizes";
import { words } from "./text";

export interface MoveDialogProps {
  entries: Entry[];
  directory: Path;
  onClose: () => void;
  onDone: () => void;
}

export function MoveDialog({ entries, directory, onClose, onDone }: MoveDialogProps) {
  const t = words();
  const m = t.move;
  const f = useFormat();
  const [them, setThem] = useState(entries);
  const one = them.length === 1 ? them[0]! : null;
  const [name, setName] = useState(one?.name ?? "");
  const [into, setInto] = useState(directory);
  const [failed, setFailed] = useState<{ item: Entry; failure: Failure }[]>([]);
  const work = useWork();

  // A name that is left as it is keeps its bytes, even those that cannot be typed.
  const target = (entry: Entry): Path =>
    entry === one && name !== entry.name ? child(into, name) : `${into}/${namesOf(pathOf(entry)).at(-1) ?? ""}`;
  const wrong = one && name !== one.name ? nameProblem(name) : null;
  const slash = one !== null && name.includes("/");
  let refused: string | null = null;
  if (into === ROOT) refused = m.needsBucket;
  else if (wrong) refused = wrong === "empty" ? t.nameEmpty : t.nameWrong;
  else if (slash) refused = t.nameWrong;
  else if (them.every((entry) => target(entry) === pathOf(entry))) refused = m.same;
  else if (them.some((entry) => entry.kind === "directory" && isWithin(into, pathOf(entry)))) refused = m.inside;

  const submit = () =>
    void work.run(async () => {
      const bad = await each(
        them,
        (entry) => api.post("/files/move", { from: forBody(pathOf(entry)), to: forBody(target(entry)) }),
        () => {},
        () => false,
      );
      // After the details under the old name are closed.
      setTimeout(() => void forget("/files"));
      const good = them.length - bad.length;
      if (bad.length > 0) {
        setFailed(bad);
        setThem(bad.map(({ item }) => item));
        return;
      }
      if (!one) toast.ok(m.doneMany(good, f.count(good)));
      else toast.ok(into === directory ? m.renamed(name) : m.done(shownName(one)));
      onDone();
    });

  const taken = failed.some(({ failure }) => failure.code === "exists");
  return (
    <FormDialog
      title={one ? m.title(shownName(one)) : m.titleMany(them.length, f.count(them.length))}
      action={one && into === directory ? m.rename : m.go}
      refused={refused}
      work={work}
      onSubmit={submit}
      onClose={onClose}
    >
      {one ? (
        <TextField
          label={m.name}
          value={name}
          onChange={setName}
          error={wrong || slash ? t.nameWrong : null}
          spellCheck={false}
          autoComplete="off"
          autoFocus
          onFocus={(event) => {
            const dot = one.kind === "file" ? one.name.lastIndexOf(".") : -1;
            event.target.setSelectionRange(0, dot > 0 ? dot : one.name.length);
          }}
        />
      ) : null}
      <DirectoryPicker label={m.into} value={into} onChange={setInto} />
      <p className="muted small">{m.note}</p>
      {taken ? <Note tone="warn">{m.taken}</Note> : null}
      <Failures failed={failed.map(({ item, failure }) => ({ name: item.name, failure }))} />
    </FormDialog>
  );
}
