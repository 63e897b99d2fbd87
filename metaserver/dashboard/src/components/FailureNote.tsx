// What went wrong, what to do, and the id to look for in the log.

import type { Failure } from "../api/client";
import { common } from "../i18n/common";
import { errorWords } from "../i18n/errors";
import { useServerTexts } from "../i18n/server";
import { Button } from "./Button";
import { DangerIcon } from "./icons";

export function FailureNote({ failure, title, onRetry }: { failure: Failure; title?: string; onRetry?: () => void }) {
  const t = common();
  const words = errorWords();
  const server = useServerTexts();
  return (
    <div className="note danger" role="alert">
      <DangerIcon />
      <div className="grow">
        <p className="strong">{title ?? words.title}</p>
        <p>{server.failure(failure)}</p>
        <p className="small muted">
          <span>{words.code(failure.code)}</span>
          {failure.requestId ? <span> · {words.requestId(failure.requestId)}</span> : null}
        </p>
      </div>
      {onRetry ? (
        <Button small onClick={onRetry}>
          {t.actions.retry}
        </Button>
      ) : null}
    </div>
  );
}
