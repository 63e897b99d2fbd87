// How fresh what is shown is.

import { live, useLive } from "../api/live";
import { Tooltip } from "../components/Tooltip";
import { useFormat } from "../format";
import { shell } from "../i18n/shell";

export function LiveIndicator() {
  const t = shell();
  const f = useFormat();
  const { state, heard } = useLive();
  const text = state === "stale" ? t.live.stale(f.time(heard)) : t.live[state];
  return (
    <>
      <Tooltip text={t.liveMeans[state]}>
        <button type="button" className={`live-indicator is-${state}`} onClick={live.now}>
          <i aria-hidden="true" />
          <span>{text}</span>
        </button>
      </Tooltip>
      <span role="status" className="hidden-text">
        {text}
      </span>
    </>
  );
}
