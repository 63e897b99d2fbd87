// Before something is done to a disk or node: the cluster is asked what would happen, and what speaks against it.

import { useEffect, useState } from "react";
import { api, Failure } from "../../api/client";
import type { ProcedureResult } from "../../api/types";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { FailureNote } from "../../components/FailureNote";
import { Note } from "../../components/Note";
import { Select } from "../../components/Select";
import { SkeletonLines } from "../../components/Skeleton";
import { Facts } from "../../components/Stat";
import { Checkbox } from "../../components/TextField";
import { toast } from "../../components/Toasts";
import { useFormat } from "../../format";
import { useServerTexts } from "../../i18n/server";
import { refresh } from "./store";
import { words } from "./text";
import type { Target, Verb } from "./verbs";

const WINDOWS = [1_800, 3_600, 7_200, 14_400, 28_800, 86_400];

interface Ask {
  preview?: boolean;
  force?: boolean;
  window_seconds?: number;
}

function send(target: Target, verb: Verb, ask: Ask): Promise<ProcedureResult> {
  const path = `/${target.kind}s/${target.id}`;
  if (verb === "remove") return api.delete<ProcedureResult>(path, { preview: ask.preview });
  return api.post<ProcedureResult>(`${path}/${verb === "decommission" ? "drain" : verb}`, ask);
}

export function ProcedureDialog({ target, verb, onClose }: { target: Target; verb: Verb; onClose: () => void }) {
  const t = words();
  const f = useFormat();
  const [preview, setPreview] = useState<ProcedureResult | null>(null);
  const [refusal, setRefusal] = useState<Failure | null>(null);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [force, setForce] = useState(false);
  const [window_seconds, setWindow] = useState(3_600);
  const [busy, setBusy] = useState(false);
  const more = verb === "maintenance" ? { window_seconds } : {};

  useEffect(() => {
    let here = true;
    send(target, verb, { preview: true, ...(verb === "maintenance" ? { window_seconds: 3_600 } : {}) }).then(
      (result) => here && setPreview(result),
      (cause: unknown) => here && cause instanceof Failure && setRefusal(cause),
    );
    return () => {
      here = false;
    };
  }, [target.kind, target.id, verb]);

  const what = t.what[target.kind](target.id);
  const said = t.dialogs[verb];
  const against = preview?.against ?? [];
  const lasting = verb === "remove" || verb === "replace" || (force && against.length > 0);

  const confirm = async () => {
    setBusy(true);
    setFailure(null);
    try {
      await send(target, verb, { ...more, ...(force ? { force } : {}) });
      toast.ok(said.done(t.what[target.kind === "disk" ? "Disk" : "Node"](target.id)));
      onClose();
      await refresh();
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause;
      setFailure(cause);
      setBusy(false);
    }
  };

  const refused = !preview
    ? refusal
      ? t.dialogs.refusedTitle
      : t.dialogs.checking
    : against.length > 0 && !force
      ? t.dialogs.forceTyped
      : null;
  return (
    <ConfirmDialog
      title={said.title(what)}
      action={t.verbs[verb]}
      dangerous={lasting || verb === "decommission"}
      {...(lasting ? { typed: String(target.id) } : {})}
      busy={busy}
      refused={refused}
      failure={failure}
      onConfirm={() => void confirm()}
      onClose={onClose}
    >
      <p>{said.body}</p>
      {verb === "maintenance" ? (
        <Select
          label={t.dialogs.window}
          value={String(window_seconds)}
          options={WINDOWS.map((seconds) => ({ value: String(seconds), label: f.duration(seconds) }))}
          onChange={(value) => setWindow(Number(value))}
        />
      ) : null}
      <div className="preview">
        {refusal ? <FailureNote failure={refusal} title={t.dialogs.refusedTitle} /> : null}
        {!preview && !refusal ? <SkeletonLines lines={3} /> : null}
        {preview ? <Preview preview={preview} verb={verb} /> : null}
      </div>
      {against.length > 0 ? (
        <Checkbox label={t.dialogs.force} hint={t.dialogs.forceHint} checked={force} onChange={setForce} />
      ) : null}
    </ConfirmDialog>
  );
}

function Preview({ preview, verb }: { preview: ProcedureResult; verb: Verb }) {
  const t = words().dialogs;
  const f = useFormat();
  const { reason: say } = useServerTexts();
  const moves = verb === "drain" || verb === "decommission" || verb === "replace";
  const rows: [string, string][] = [];
  if (preview.bytes > 0) rows.push([moves ? t.moves : t.affects, f.bytes(preview.bytes)]);
  if (verb !== "remove") rows.push([t.groups, f.count(preview.groups)]);
  if (moves && preview.eta_seconds !== null) rows.push([t.eta, f.duration(preview.eta_seconds)]);
  return (
    <div className="stack">
      {rows.length > 0 ? <Facts rows={rows} /> : null}
      {preview.already ? <Note>{t.already}</Note> : null}
      {preview.proofs.map((proof) => (
        <Note key={proof.disk} tone={proof.unknown > 0 ? "warn" : "ok"}>
          <p>{t.proof(f.count(proof.records), f.count(proof.elsewhere))}</p>
          {proof.unknown > 0 ? <p>{t.unknownRecords(f.count(proof.unknown))}</p> : null}
        </Note>
      ))}
      {preview.against.length > 0 ? (
        <Note tone="warn" title={t.against}>
          <ul className="bullets">
            {preview.against.map((reason) => (
              <li key={reason.message}>{say(reason)}</li>
            ))}
          </ul>
        </Note>
      ) : (
        <p className="small tone-ok">{t.nothingAgainst}</p>
      )}
    </div>
  );
}
