// Signing in. The page underneath keeps its address.

import { useState } from "react";
import { Failure } from "../api/client";
import { Button } from "../components/Button";
import { FailureNote } from "../components/FailureNote";
import { Note } from "../components/Note";
import { TextField } from "../components/TextField";
import { shell } from "../i18n/shell";
import { Door } from "./Door";
import { signIn } from "./session";

export function Login({ ended }: { ended: boolean }) {
  const t = shell();
  const [account, setAccount] = useState("");
  const [password, setPassword] = useState("");
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);

  const submit = async () => {
    if (busy) return;
    setBusy(true);
    setFailure(null);
    try {
      await signIn(account.trim(), password);
    } catch (cause) {
      setPassword("");
      setBusy(false);
      if (cause instanceof Failure) setFailure(cause);
      else throw cause;
    }
  };

  return (
    <Door title={t.login.title} lead={t.login.lead}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        {ended && !failure ? <Note role="status">{t.login.ended}</Note> : null}
        {failure ? <FailureNote failure={failure} /> : null}
        <TextField
          label={t.login.account}
          value={account}
          onChange={setAccount}
          autoComplete="username"
          autoCapitalize="none"
          spellCheck={false}
          autoFocus
          required
        />
        <TextField
          label={t.login.password}
          type="password"
          value={password}
          onChange={setPassword}
          autoComplete="current-password"
          required
        />
        <Button kind="primary" type="submit" busy={busy} className="full">
          {t.login.submit}
        </Button>
      </form>
    </Door>
  );
}
