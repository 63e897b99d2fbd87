// One drain, maintenance or replacement: how far it is and what it waits for.

import type { Procedure } from "../../api/types";
import { Note } from "../../components/Note";
import { Progress } from "../../components/Progress";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { useServerTexts } from "../../i18n/server";
import { words } from "./text";

export function ProcedureView({ procedure }: { procedure: Procedure }) {
  const t = words().procedures;
  const shared = common();
  const f = useFormat();
  const { reason: say } = useServerTexts();
  const lasts = procedure.kind === "maintenance";
  const facts = [t.began(f.ago(procedure.began))];
  if (!lasts && !procedure.done) {
    facts.push(t.groupsLeft(f.count(procedure.groups_left), f.count(procedure.groups_begun)));
  }
  return (
    <div className="stack tight">
      {lasts ? (
        <p>{procedure.ends_in_seconds === null ? t.endless : t.ends(f.duration(procedure.ends_in_seconds))}</p>
      ) : (
        <Progress
          label={shared.jobs[procedure.kind]}
          done={procedure.bytes_begun - procedure.bytes_left}
          total={procedure.bytes_begun}
          rate={procedure.rate}
          eta={procedure.eta_seconds}
          moving={!procedure.done}
          tone={procedure.done ? "ok" : procedure.blocked.length > 0 ? "warn" : "accent"}
        />
      )}
      <p className="small muted">{facts.join(" · ")}</p>
      {procedure.detail.message ? <p className="small">{say(procedure.detail)}</p> : null}
      {procedure.blocked.length > 0 && !procedure.done ? (
        <Note tone="warn" title={t.waits}>
          <ul className="bullets">
            {procedure.blocked.map((reason) => (
              <li key={reason.message}>{say(reason)}</li>
            ))}
          </ul>
        </Note>
      ) : null}
    </div>
  );
}
