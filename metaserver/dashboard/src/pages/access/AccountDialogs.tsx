// What is done to accounts.

import { useState } from "react";
import { api } from "../../api/client";
import { forget } from "../../api/queries";
import type { Account, Role } from "../../api/types";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { FormDialog } from "../../components/FormDialog";
import { Note } from "../../components/Note";
import { TextField } from "../../components/TextField";
import { toast } from "../../components/Toasts";
import { useWork } from "../../components/useWork";
import { visible } from "../../format/visible";
import { common } from "../../i18n/common";
import { isAccountName, passwordProblem } from "./data";
import { PasswordInput } from "./PasswordInput";
import { RoleChoice } from "./RoleChoice";
import { words } from "./text";

export type AccountVerb = "create" | "role" | "reset" | "disable" | "enable" | "delete";

interface Props {
  verb: AccountVerb;
  account: Account | null;
  all: readonly Account[];
  onClose: () => void;
}
const at = (name: string) => `/accounts/${encodeURIComponent(name)}`;
const refresh = () => void forget("/accounts", "/sessions", "/tokens");

export function AccountDialogs({ verb, account, all, onClose }: Props) {
  if (verb === "create") return <CreateDialog all={all} onClose={onClose} />;
  if (!account) return null;
  if (verb === "role") return <RoleDialog account={account} onClose={onClose} />;
  if (verb === "reset") return <ResetDialog account={account} onClose={onClose} />;
  return <AskDialog verb={verb} account={account} onClose={onClose} />;
}

function CreateDialog({ all, onClose }: { all: readonly Account[]; onClose: () => void }) {
  const t = words().accounts;
  const [name, setName] = useState("");
  const [role, setRole] = useState<Role>("viewer");
  const [password, setPassword] = useState("");
  const [tried, setTried] = useState(false);
  const work = useWork();
  let wrong: string | null = null;
  if (!isAccountName(name)) wrong = t.nameWrong;
  else if (all.some((one) => one.name === name)) wrong = t.nameTaken;

  const submit = async () => {
    setTried(true);
    if (wrong || passwordProblem(password, name)) return;
    if (!(await work.run(() => api.post("/accounts", { name, role, password })))) return;
    toast.ok(t.created(name));
    refresh();
    onClose();
  };
  return (
    <FormDialog title={t.create} action={t.create} work={work} onSubmit={() => void submit()} onClose={onClose}>
      <TextField
        label={t.name}
        hint={t.nameHint}
        error={tried ? wrong : null}
        value={name}
        onChange={setName}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus
      />
      <RoleChoice label={t.role} value={role} onChange={setRole} />
      <PasswordInput label={t.password} account={name} value={password} onChange={setPassword} tried={tried} />
    </FormDialog>
  );
}

function RoleDialog({ account, onClose }: { account: Account; onClose: () => void }) {
  const t = words().accounts;
  const w = common();
  const [role, setRole] = useState(account.role);
  const work = useWork();
  const name = visible(account.name);
  const submit = async () => {
    if (!(await work.run(() => api.patch(at(account.name), { role })))) return;
    toast.ok(t.changed(name, w.roles[role]));
    refresh();
    onClose();
  };
  return (
    <FormDialog
      title={t.changeTitle(name)}
      action={w.actions.save}
      disabled={role === account.role}
      work={work}
      onSubmit={() => void submit()}
      onClose={onClose}
    >
      <RoleChoice label={t.role} value={role} onChange={setRole} />
      <p className="muted small">{t.changeNote}</p>
    </FormDialog>
  );
}

function ResetDialog({ account, onClose }: { account: Account; onClose: () => void }) {
  const t = words().accounts;
  const [password, setPassword] = useState("");
  const [tried, setTried] = useState(false);
  const work = useWork();
  const name = visible(account.name);
  const submit = async () => {
    setTried(true);
    if (passwordProblem(password, account.name)) return;
    if (!(await work.run(() => api.patch(at(account.name), { password })))) return;
    toast.ok(t.resetDone(name));
    refresh();
    onClose();
  };
  return (
    <FormDialog title={t.resetTitle(name)} action={t.reset.replace("…", "")} work={work} onSubmit={() => void submit()} onClose={onClose}>
      <Note>{t.resetNote}</Note>
      <PasswordInput label={t.newPassword} account={account.name} value={password} onChange={setPassword} tried={tried} />
    </FormDialog>
  );
}

function AskDialog({ verb, account, onClose }: { verb: "disable" | "enable" | "delete"; account: Account; onClose: () => void }) {
  const t = words().accounts;
  const work = useWork();
  const name = visible(account.name);
  const done = { disable: t.disableDone, enable: t.enableDone, delete: t.deleteDone }[verb];
  const go = async () => {
    const asked = () => (verb === "delete" ? api.delete(at(account.name)) : api.patch(at(account.name), { disabled: verb === "disable" }));
    if (!(await work.run(asked))) return;
    toast.ok(done(name));
    refresh();
    onClose();
  };
  const title = { disable: t.disableTitle(name), enable: `${t.enable}: ${name}`, delete: t.deleteTitle(name) }[verb];
  return (
    <ConfirmDialog
      title={title}
      action={t[verb].replace("…", "")}
      dangerous={verb !== "enable"}
      {...(verb === "delete" ? { typed: account.name } : {})}
      busy={work.busy}
      failure={work.failure}
      onConfirm={() => void go()}
      onClose={onClose}
    >
      {verb === "enable" ? <p>{t.enableDone(name)}</p> : <p>{verb === "disable" ? t.disableNote : t.deleteNote}</p>}
    </ConfirmDialog>
  );
}
