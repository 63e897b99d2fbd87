// A new password: because one wants to, or because the present one was set by somebody else.

import { useState } from "react";
import { Failure } from "../api/client";
import { Button } from "../components/Button";
import { Dialog } from "../components/Dialog";
import { FailureNote } from "../components/FailureNote";
import { TextField } from "../components/TextField";
import { toast } from "../components/Toasts";
import { shell } from "../i18n/shell";
import { passwordProblem } from "../pages/access/data";
import { Door } from "./Door";
import { changePassword, signOut, useMe } from "./session";

/** What the server would say against a password. */
function ruleOf(password: string, account: string, t: ReturnType<typeof shell>["password"]): string | null {
  const problem = passwordProblem(password, account);
  if (problem) return problem === "short" ? t.short : t.named;
  return new Set(password).size === 1 ? t.repeated : null;
}

function Form({ onDone }: { onDone: () => void }) {
  const t = shell().password;
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const [again, setAgain] = useState("");
  const [tried, setTried] = useState(false);
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const { account } = useMe();
  const wrong = next === old && next !== "" ? t.same : ruleOf(next, account, t);
  const differs = again !== next ? t.differ : null;

  const submit = async () => {
    setTried(true);
    if (busy) return;
    setFailure(null);
    if (wrong || differs) return;
    setBusy(true);
    try {
      await changePassword(old, next);
      toast.ok(t.done);
      onDone();
    } catch (cause) {
      if (!(cause instanceof Failure)) throw cause;
      setFailure(cause);
      setBusy(false);
    }
  };

  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      {failure ? <FailureNote failure={failure} /> : null}
      <TextField label={t.old} type="password" value={old} onChange={setOld} autoComplete="current-password" autoFocus />
      <TextField
        label={t.new}
        type="password"
        value={next}
        onChange={setNext}
        autoComplete="new-password"
        hint={t.short}
        error={tried ? wrong : null}
      />
      <TextField
        label={t.again}
        type="password"
        value={again}
        onChange={setAgain}
        autoComplete="new-password"
        error={tried ? differs : null}
      />
      <Button kind="primary" type="submit" busy={busy} className="full">
        {t.submit}
      </Button>
    </form>
  );
}

export function PasswordForm() {
  const t = shell();
  return (
    <Door title={t.password.title} lead={t.password.mustLead}>
      <Form onDone={() => {}} />
      <Button kind="quiet" className="full" onClick={() => void signOut()}>
        {t.signOut}
      </Button>
    </Door>
  );
}

export function PasswordDialog({ onClose }: { onClose: () => void }) {
  const t = shell();
  return (
    <Dialog title={t.password.title} open onClose={onClose}>
      <Form onDone={onClose} />
    </Dialog>
  );
}
