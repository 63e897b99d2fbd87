// A head that somebody kept: is it still what the journal says?

import { useId, useState } from "react";
import { api, Failure } from "../../api/client";
import type { AuditEntry, Page } from "../../api/types";
import { Button } from "../../components/Button";
import { FailureNote } from "../../components/FailureNote";
import { Note } from "../../components/Note";
import { useFormat } from "../../format";
import { words } from "./text";
import type { AuditHead } from "./types";

type Outcome = "same" | "differs" | "old" | "new";

/** "9120 5f0c…", "9120:5f0c…", or what the copy button gave. */
export function parseHead(text: string): { seq: number; hash: string } | null {
  const found = /^\D*(\d{1,15})[^0-9a-f]+([0-9a-f]{16,128})\s*$/i.exec(text.trim());
  return found ? { seq: Number(found[1]), hash: found[2]!.toLowerCase() } : null;
}

export function CompareHead({ head }: { head: AuditHead | undefined }) {
  const t = words();
  const f = useFormat();
  const id = useId();
  const [text, setText] = useState("");
  const [wrong, setWrong] = useState(false);
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<{ outcome: Outcome; seq: number } | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const compare = async () => {
    const noted = parseHead(text);
    setWrong(!noted);
    setSaid(null);
    setFailure(null);
    if (!noted || !head) return;
    setBusy(true);
    try {
      setSaid({ outcome: await judge(noted, head), seq: noted.seq });
    } catch (cause) {
      setFailure(cause instanceof Failure ? cause : new Failure("unreadable", 0, String(cause)));
    } finally {
      setBusy(false);
    }
  };
  const texts: Record<Outcome, (seq: string) => string> = {
    same: t.compareSame,
    differs: t.compareDiffers,
    old: t.compareOld,
    new: t.compareNew,
  };
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void compare();
      }}
    >
      <h2 className="card-title">{t.compare}</h2>
      <p className="small muted">{t.compareWhy}</p>
      <div className="audit-bottom stack">
        <div className="row">
          <input
            className="input mono"
            aria-label={t.compareLabel}
            aria-invalid={wrong || undefined}
            aria-describedby={id}
            placeholder={t.comparePlaceholder}
            value={text}
            autoComplete="off"
            spellCheck={false}
            onChange={(event) => setText(event.target.value)}
          />
          <Button busy={busy} disabled={!head || text.trim() === ""} onClick={() => void compare()}>
            {t.compareNow}
          </Button>
        </div>
        <div id={id} role="status">
          {wrong ? <p className="small tone-danger">{t.compareForm}</p> : null}
          {said ? (
            <Note tone={said.outcome === "same" ? "ok" : said.outcome === "old" ? "info" : "danger"}>
              <p>{texts[said.outcome](f.count(said.seq))}</p>
            </Note>
          ) : null}
          {failure ? <FailureNote failure={failure} /> : null}
        </div>
      </div>
    </form>
  );
}

async function judge(noted: { seq: number; hash: string }, head: AuditHead): Promise<Outcome> {
  const page = await api.get<Page<AuditEntry>>("/audit", { after: noted.seq + 1, limit: 1 });
  const entry = page.items[0];
  if (entry?.seq === noted.seq) {
    return entry.hash.toLowerCase().startsWith(noted.hash) ? "same" : "differs";
  }
  return noted.seq < head.first_seq ? "old" : noted.seq > head.seq ? "new" : "differs";
}
