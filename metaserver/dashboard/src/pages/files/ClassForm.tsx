// The storage class of a directory or a file.

import { useEffect, useRef, useState } from "react";
import { api } from "../../api/client";
import { forget } from "../../api/queries";
import { Button } from "../../components/Button";
import { FailureNote } from "../../components/FailureNote";
import { Note } from "../../components/Note";
import { Select } from "../../components/Select";
import { Checkbox } from "../../components/TextField";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { useFormat } from "../../format";
import { visible } from "../../format/visible";
import { common } from "../../i18n/common";
import { setClassBelow } from "./convert";
import { useClasses, type Stat } from "./data";
import { useClassMeans } from "./Kind";
import { forBody, type Path } from "./paths";
import { words } from "./text";

export function ClassForm({ path, stat }: { path: Path; stat: Stat }) {
  const t = words().properties;
  const w = common();
  const f = useFormat();
  const classes = useClasses();
  const means = useClassMeans();
  const [chosen, setChosen] = useState(String(stat.class));
  const [existing, setExisting] = useState(false);
  const [count, setCount] = useState<number | null>(null);
  const stop = useRef(false);
  useEffect(() => () => void (stop.current = true), []);
  const work = useWork();
  const directory = stat.kind === "directory";
  const now = classes.get(Number(chosen));
  const same = chosen === String(stat.class) && !existing;
  const options = [...classes.values()].map((one) => ({ value: String(one.id), label: visible(one.name) }));
  if (!classes.has(stat.class)) options.unshift({ value: String(stat.class), label: visible(stat.class_name) });

  const save = () =>
    void work.run(async () => {
      const to = Number(chosen);
      await api.put("/files/class", { path: forBody(path), class: to });
      stop.current = false;
      const below = existing ? await setClassBelow(path, to, setCount, () => stop.current).finally(() => setCount(null)) : null;
      setExisting(false);
      toast.ok(below === null ? t.classDone : t.classBelow(f.count(below)));
      await forget("/files");
    });
  return (
    <section className="stack" aria-labelledby="class-form">
      <h3 id="class-form" className="files-h3">
        {t.classTitle}
      </h3>
      <Select label={directory ? t.classFor : t.classOfFile} options={options} value={chosen} onChange={setChosen} />
      {now ? <p className="muted small">{means(now)}</p> : null}
      {directory ? (
        <>
          <p className="muted small">{t.classNote}</p>
          <Checkbox label={t.classExisting} hint={t.classExistingNote} checked={existing} onChange={setExisting} />
        </>
      ) : (
        <p className="muted small">{t.classFileNote}</p>
      )}
      {stat.converting ? <Note role="status">{t.classNow}</Note> : null}
      {work.failure ? <FailureNote failure={work.failure} /> : null}
      <div className="row wrap">
        <Button busy={work.busy} disabled={same} onClick={save}>
          {w.actions.save}
        </Button>
        {count !== null ? (
          <>
            <Button kind="quiet" onClick={() => (stop.current = true)}>
              {t.classStop}
            </Button>
            <span className="muted small" role="status">
              {t.classGoing(f.count(count))}
            </span>
          </>
        ) : null}
      </div>
    </section>
  );
}
