// A new S3 key, or other rules for one.

import { useState } from "react";
import { api } from "../../api/client";
import { forget } from "../../api/queries";
import type { Key } from "../../api/types";
import { FormDialog } from "../../components/FormDialog";
import { TextField } from "../../components/TextField";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { common } from "../../i18n/common";
import { credentialsFile, ruleProblem, type Rule } from "./data";
import { OnceDialog } from "./OnceDialog";
import { RulesEditor } from "./RulesEditor";
import { words } from "./text";

type Made = Key & { secret_key: string };
const FIRST: Rule[] = [{ bucket: "", read: true, write: true, manage: false }];

export function KeyDialog({ old, onClose }: { old: Key | null; onClose: () => void }) {
  const t = words();
  const k = t.keys;
  const w = common();
  const [description, setDescription] = useState(old?.description ?? "");
  const [rules, setRules] = useState<Rule[]>(old?.rules ?? FIRST);
  const [tried, setTried] = useState(false);
  const [made, setMade] = useState<Made | null>(null);
  const work = useWork();

  const submit = async () => {
    setTried(true);
    if (rules.some((rule) => ruleProblem(rule) !== null)) return;
    const body = { description: description.trim(), rules };
    const done = await work.run(async () => {
      if (old) await api.patch(`/keys/${encodeURIComponent(old.access_key)}`, body);
      else setMade(await api.post<Made>("/keys", body));
    });
    void forget("/keys");
    if (!done || !old) return;
    toast.ok(k.saved);
    onClose();
  };
  if (made) {
    return (
      <OnceDialog
        title={k.created}
        rows={[
          { label: k.accessKey, value: made.access_key },
          { label: k.secretKey, value: made.secret_key },
        ]}
        file={{ name: `holdfast-${made.access_key}.txt`, text: credentialsFile(made.access_key, made.secret_key) }}
        onClose={onClose}
      />
    );
  }
  return (
    <FormDialog title={old ? k.editTitle : k.createTitle} action={old ? w.actions.save : k.create} wide work={work} onSubmit={() => void submit()} onClose={onClose}>
      <TextField label={k.description} hint={k.descriptionHint} value={description} onChange={setDescription} maxLength={200} autoComplete="off" autoFocus />
      <RulesEditor rules={rules} onChange={setRules} tried={tried} />
    </FormDialog>
  );
}
