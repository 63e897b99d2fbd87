// The end of a list that is fetched page by page.

import { common } from "../i18n/common";
import { Button } from "./Button";

export function Pager({ shown, more, busy, onMore }: { shown: string; more: boolean; busy?: boolean; onMore: () => void }) {
  const t = common();
  return (
    <div className="pager">
      <span className="muted small" role="status">
        {shown}
      </span>
      {more ? (
        <Button small busy={busy ?? false} onClick={onMore}>
          {t.actions.more}
        </Button>
      ) : null}
    </div>
  );
}
