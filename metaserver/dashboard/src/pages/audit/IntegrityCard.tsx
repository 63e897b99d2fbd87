// Whether the journal is what it was: its head to be kept elsewhere, verification by every metadata server, and the
// comparison with a head that was kept.

import { useState } from "react";
import { api, Failure } from "../../api/client";
import { useGet } from "../../api/queries";
import type { AuditVerdict } from "../../api/types";
import { Button } from "../../components/Button";
import { CopyButton } from "../../components/CopyButton";
import { FailureNote } from "../../components/FailureNote";
import { ShieldIcon } from "../../components/icons";
import { Skeleton } from "../../components/Skeleton";
import { useFormat } from "../../format";
import { CompareHead } from "./CompareHead";
import { words } from "./text";
import type { AuditHead } from "./types";
import { Verdict } from "./Verdict";

export function IntegrityCard() {
  const t = words();
  const head = useGet<AuditHead>("/audit/head", {}, { every: 15_000 });
  const [verdict, setVerdict] = useState<AuditVerdict | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [busy, setBusy] = useState(false);
  const verify = async () => {
    setBusy(true);
    setFailure(null);
    try {
      setVerdict(await api.post<AuditVerdict>("/audit/verify"));
    } catch (cause) {
      setVerdict(null);
      setFailure(cause instanceof Failure ? cause : new Failure("unreadable", 0, String(cause)));
    } finally {
      setBusy(false);
    }
  };
  return (
    <section className="card audit-integrity" aria-label={t.integrity}>
      <div className="audit-three">
        <Head head={head.data} failure={head.error} />
        <div className="stack">
          <h2 className="card-title">{t.verify}</h2>
          <p className="small muted">{t.verifyWhy}</p>
          <div className="audit-bottom">
            <Button icon={ShieldIcon} busy={busy} onClick={() => void verify()}>
              {verdict ? t.verifyAgain : t.verifyNow}
            </Button>
          </div>
        </div>
        <CompareHead head={head.data} />
      </div>
      <div role="status">{verdict ? <Verdict verdict={verdict} /> : null}</div>
      {failure ? (
        <div className="pad">
          <FailureNote failure={failure} onRetry={() => void verify()} />
        </div>
      ) : null}
    </section>
  );
}

function Head({ head, failure }: { head: AuditHead | undefined; failure: Failure | null }) {
  const t = words();
  const f = useFormat();
  return (
    <div className="stack">
      <h2 className="card-title">{t.head}</h2>
      <p className="small muted">{t.headWhy}</p>
      <div className="audit-bottom">
        {head ? (
          <>
            <div className="audit-head">
              <span className="strong nowrap">{t.entryNo(f.count(head.seq))}</span>
              <code title={head.hash}>{head.hash}</code>
              <CopyButton text={`${head.seq} ${head.hash}`} label={t.headCopy} />
            </div>
            <p className="small muted">{t.kept(f.count(head.first_seq), f.count(head.retention_days))}</p>
          </>
        ) : failure ? (
          <FailureNote failure={failure} />
        ) : (
          <Skeleton height={58} />
        )}
      </div>
    </div>
  );
}
