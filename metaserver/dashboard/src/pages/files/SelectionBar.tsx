// What can be done with all that is selected; stays in sight at the lower edge.

import type { ReactNode } from "react";
import { Button } from "../../components/Button";
import { CloseIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { words } from "./text";

export function SelectionBar({ count, bytes, onClear, children }: { count: number; bytes: number; onClear: () => void; children: ReactNode }) {
  const t = words();
  const f = useFormat();
  return (
    <div className={`selection-bar ${count > 0 ? "is-on" : ""}`}>
      <span role="status" className="small">
        {count > 0 ? (
          <>
            <span className="strong">{t.selected(count, f.count(count))}</span>
            {bytes > 0 ? <span className="muted selection-bytes"> · {f.bytes(bytes)}</span> : null}
          </>
        ) : null}
      </span>
      {count > 0 ? (
        <>
          <span className="grow" />
          {children}
          <Button kind="quiet" small iconOnly icon={CloseIcon} onClick={onClear}>
            {t.clearSelection}
          </Button>
        </>
      ) : null}
    </div>
  );
}
