// The token with which machines join: made, revoked; shown once, with what to type on the new machine.

import { useState } from "react";
import { api, Failure } from "../../api/client";
import { forget, useGet } from "../../api/queries";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { Card } from "../../components/Card";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { Command } from "../../components/CopyButton";
import { Dialog } from "../../components/Dialog";
import { Note } from "../../components/Note";
import { toast } from "../../components/Toasts";
import type { MetaStatus } from "./MetaTab";
import { words } from "./text";

export function JoinTab() {
  const t = words().join;
  const refused = useRefusal("admin");
  const meta = useGet<MetaStatus>("/meta", {}, { staleTime: 30_000 });
  const [asked, setAsked] = useState<"make" | "revoke" | null>(null);
  const [token, setToken] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const addresses = meta.data?.voters.map((voter) => voter.address).filter(Boolean) ?? [];
  const go = async () => {
    setBusy(true);
    setFailure(null);
    try {
      if (asked === "make") setToken((await api.post<{ token: string }>("/join-token")).token);
      else {
        await api.delete("/join-token");
        toast.ok(t.revoked);
      }
      void forget("/audit");
      setAsked(null);
    } catch (cause) {
      setFailure(cause instanceof Failure ? cause : new Failure("unreadable", 0, String(cause)));
    } finally {
      setBusy(false);
    }
  };
  const close = () => {
    setAsked(null);
    setFailure(null);
  };
  return (
    <div className="stack settings-stack">
      <div className="settings-lead">
        <p>{t.lead}</p>
      </div>
      <div className="grid">
        <Card title={t.title} className="third">
          <div className="stack">
            <p className="muted">{t.how}</p>
            <div className="row wrap">
              <Button kind="primary" refused={refused} onClick={() => setAsked("make")}>
                {t.make}
              </Button>
              <Button refused={refused} onClick={() => setAsked("revoke")}>
                {t.revoke}
              </Button>
            </div>
          </div>
        </Card>
        <Card title={t.stepsTitle} className="two-thirds">
          <Steps addresses={addresses} />
        </Card>
      </div>
      {asked ? (
        <ConfirmDialog
          title={asked === "make" ? t.makeTitle : t.revokeTitle}
          action={asked === "make" ? t.make : t.revoke}
          dangerous={asked === "revoke"}
          busy={busy}
          failure={failure}
          onConfirm={() => void go()}
          onClose={close}
        >
          <p>{asked === "make" ? t.makeBody : t.revokeBody}</p>
        </ConfirmDialog>
      ) : null}
      {token ? (
        <Dialog
          title={t.onceTitle}
          open
          alert
          wide
          onClose={() => setToken(null)}
          footer={
            <Button kind="primary" onClick={() => setToken(null)}>
              {t.done}
            </Button>
          }
        >
          <div className="stack">
            <Note tone="warn">{t.onceBody}</Note>
            <Command text={token} />
            <h3 className="card-title">{t.stepsTitle}</h3>
            <Steps addresses={addresses} />
          </div>
        </Dialog>
      ) : null}
    </div>
  );
}

/** The token never stands in a command: commands end up in histories and lists of processes. */
function Steps({ addresses }: { addresses: string[] }) {
  const t = words().join;
  const first = addresses.length > 0 ? addresses.slice(0, 3).join(",") : t.noAddress;
  const port = /:(\d+)$/.exec(first)?.[1] ?? "7400";
  return (
    <ol className="steps">
      <li>
        <p>{t.step1}</p>
        <Command text="(umask 077; cat > join-token)" />
      </li>
      <li>
        <p>{t.step2}</p>
        <Command
          text={`holdfast server --data /srv/holdfast --listen THIS-MACHINE:${port} --join ${first} --join-token-file join-token`}
        />
        <p className="small muted">{t.step2Note}</p>
      </li>
      <li>
        <p>{t.step3}</p>
      </li>
    </ol>
  );
}
