// A new bucket, a new directory.

import { useState } from "react";
import { navigate } from "wouter/use-browser-location";
import { api } from "../../api/client";
import { forget } from "../../api/queries";
import { TextField } from "../../components/TextField";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { FormDialog } from "../../components/FormDialog";
import { addressOf, below, child, forBody, ROOT, type Path } from "./paths";
import { bucketNameProblem, nameProblem } from "./sizes";
import { words } from "./text";

export function BucketDialog({ onClose, onDone }: { onClose: () => void; onDone: () => void }) {
  const t = words();
  const b = t.newBucket;
  const [name, setName] = useState("");
  const [tried, setTried] = useState(false);
  const work = useWork();
  const problem = bucketNameProblem(name);

  const submit = async () => {
    setTried(true);
    if (problem) return;
    if (!(await work.run(() => api.post("/buckets", { name })))) return;
    toast.ok(b.done(name));
    void forget("/files", "/overview");
    onDone();
    navigate(addressOf(child(ROOT, name)));
  };
  return (
    <FormDialog title={b.title} action={t.do.newBucket} work={work} onSubmit={() => void submit()} onClose={onClose}>
      <TextField
        label={b.name}
        hint={b.hint}
        error={tried && problem ? b[problem] : null}
        value={name}
        onChange={setName}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
      />
    </FormDialog>
  );
}

export function DirectoryDialog({ directory, onClose, onDone }: { directory: Path; onClose: () => void; onDone: () => void }) {
  const t = words();
  const d = t.newDirectory;
  const [name, setName] = useState("");
  const [tried, setTried] = useState(false);
  const work = useWork();
  const parts = name.split("/").filter((part, index, all) => part !== "" || all.length === 1 || (index > 0 && index < all.length - 1));
  const problem = parts.map(nameProblem).find((one) => one !== null) ?? null;

  const submit = async () => {
    setTried(true);
    if (problem) return;
    if (!(await work.run(() => api.post("/files/directory", { path: forBody(below(directory, name)) })))) return;
    toast.ok(d.done(name));
    void forget("/files");
    onDone();
  };
  return (
    <FormDialog title={d.title} action={t.do.newDirectory} work={work} onSubmit={() => void submit()} onClose={onClose}>
      <TextField
        label={d.name}
        hint={d.hint}
        error={tried && problem ? (problem === "empty" ? t.nameEmpty : t.nameWrong) : null}
        value={name}
        onChange={setName}
        autoComplete="off"
        spellCheck={false}
        autoFocus
      />
    </FormDialog>
  );
}
