// Uploads into this directory that were begun and not finished, before a reload perhaps.

import { useSyncExternalStore } from "react";
import { Button } from "../../../components/Button";
import { FailureNote } from "../../../components/FailureNote";
import { Note } from "../../../components/Note";
import { SafeText } from "../../../components/SafeText";
import { toast } from "../../../components/Toasts";
import { useWork } from "../../../components/useWork";
import { useFormat } from "../../../format";
import { common } from "../../../i18n/common";
import { namesOf, decodeName, isWithin, type Path } from "../paths";
import { words } from "../text";
import { remembered, watchMemory } from "./memory";
import { discard, useUploads } from "./store";

export function Unfinished({ directory }: { directory: Path }) {
  const t = words().upload;
  const w = common();
  const f = useFormat();
  const all = useSyncExternalStore(watchMemory, remembered);
  const { uploads } = useUploads();
  const work = useWork();
  const under = new Set(uploads.map((one) => one.to));
  const mine = all.filter((one) => isWithin(one.to, directory) && !under.has(one.to));
  if (mine.length === 0) return null;
  return (
    <Note tone="info" title={t.unfinished(mine.length, f.count(mine.length))}>
      <p>{t.unfinishedBody}</p>
      <ul className="unfinished">
        {mine.slice(0, 5).map((one) => (
          <li key={one.id} className="row">
            <span className="grow">
              <SafeText value={namesOf(one.to).slice(namesOf(directory).length).map(decodeName).join("/")} most={60} />{" "}
              <span className="muted">
                {f.bytes(one.size)} · {f.ago(one.at)}
              </span>
            </span>
            <Button
              small
              kind="quiet"
              busy={work.busy}
              onClick={() =>
                void work.run(() => discard(one.id)).then((done) => {
                  if (done) toast.ok(t.discarded);
                })
              }
            >
              {t.discard}
            </Button>
          </li>
        ))}
        {mine.length > 5 ? <li className="muted">{w.of("5", f.count(mine.length))}</li> : null}
      </ul>
      {work.failure ? <FailureNote failure={work.failure} /> : null}
    </Note>
  );
}
