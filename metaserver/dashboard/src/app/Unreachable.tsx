// The server did not answer at the very first question.

import { useEffect, useState } from "react";
import type { Failure } from "../api/client";
import { Button } from "../components/Button";
import { FailureNote } from "../components/FailureNote";
import { common } from "../i18n/common";
import { shell } from "../i18n/shell";
import { Door } from "./Door";
import { ask } from "./session";

export function Unreachable({ failure }: { failure: Failure }) {
  const t = shell();
  const words = common();
  const [busy, setBusy] = useState(false);
  const again = async () => {
    setBusy(true);
    await ask();
    setBusy(false);
  };
  useEffect(() => {
    const timer = setInterval(() => void ask(), 5_000);
    return () => clearInterval(timer);
  }, []);
  return (
    <Door title={t.login.unreachable}>
      <FailureNote failure={failure} />
      <Button kind="primary" className="full" busy={busy} onClick={() => void again()}>
        {words.actions.retry}
      </Button>
    </Door>
  );
}
