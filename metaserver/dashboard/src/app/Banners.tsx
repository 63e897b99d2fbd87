// What limits the truth of everything below: no leader answered, or nobody answers.

import { useLive } from "../api/live";
import { useOverview } from "../api/queries";
import { Note } from "../components/Note";
import { useFormat } from "../format";
import { shell } from "../i18n/shell";

export function Banners() {
  const t = shell();
  const f = useFormat();
  const { state, heard } = useLive();
  const { data } = useOverview();
  const stale = state === "stale" && data !== undefined;
  const partial = data !== undefined && !data.complete;
  if (!stale && !partial) return null;
  return (
    <div className="banners">
      {stale ? (
        <Note tone="warn" role="status" title={t.staleTitle(f.time(heard))}>
          {t.staleBody}
        </Note>
      ) : null}
      {partial ? (
        <Note tone="warn" role="status" title={t.partialTitle}>
          {t.partialBody}
        </Note>
      ) : null}
    </div>
  );
}
