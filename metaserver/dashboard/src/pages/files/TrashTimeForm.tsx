// For how long what is deleted in a directory is kept.

import { useState } from "react";
import { api } from "../../api/client";
import { forget } from "../../api/queries";
import { Button } from "../../components/Button";
import { FailureNote } from "../../components/FailureNote";
import { Select } from "../../components/Select";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { common } from "../../i18n/common";
import { useTrashTime, type Stat } from "./data";
import { forBody, parentOf, ROOT, type Path } from "./paths";
import { words } from "./text";
import { useKeeps } from "./useKeeps";

const DAY = 86_400;
const CHOICES = [3_600, DAY, 3 * DAY, 7 * DAY, 14 * DAY, 30 * DAY, 90 * DAY, 365 * DAY];

export function TrashTimeForm({ path, stat }: { path: Path; stat: Stat }) {
  const t = words().properties;
  const w = common();
  const said = useKeeps();
  const set = stat.trash_seconds;
  const parent = parentOf(path);
  // What would hold if nothing were set here: only known below the buckets without asking for the settings twice.
  const above = useTrashTime(parent === ROOT ? path : parent);
  const inherited = parent === ROOT && set !== null ? null : (above?.seconds ?? null);
  const [chosen, setChosen] = useState(set === null ? "" : String(set));
  const work = useWork();
  const choices = set === null || set === 0 || CHOICES.includes(set) ? CHOICES : [...CHOICES, set].sort((a, b) => a - b);

  const save = () =>
    void work.run(async () => {
      await api.put("/files/trash-time", { path: forBody(path), seconds: chosen === "" ? null : Number(chosen) });
      toast.ok(t.trashDone);
      await forget("/files");
    });
  return (
    <section className="stack" aria-labelledby="trash-form">
      <h3 id="trash-form" className="files-h3">
        {t.trashTitle}
      </h3>
      <Select
        label={t.trashKeep}
        value={chosen || "above"}
        onChange={(value) => setChosen(value === "above" ? "" : value)}
        options={[
          { value: "above", label: inherited === null ? t.trashInheritOpen : t.trashInherit(said(inherited)) },
          { value: "0", label: t.trashOff },
          ...choices.map((seconds) => ({ value: String(seconds), label: t.trashOther(said(seconds)) })),
        ]}
      />
      <p className="muted small">{t.trashNote}</p>
      {work.failure ? <FailureNote failure={work.failure} /> : null}
      <div>
        <Button busy={work.busy} disabled={chosen === (set === null ? "" : String(set))} onClick={save}>
          {w.actions.save}
        </Button>
      </div>
    </section>
  );
}
