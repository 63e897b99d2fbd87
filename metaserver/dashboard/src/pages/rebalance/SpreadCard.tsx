// How full disks are now, and how they would be.

import { useMemo } from "react";
import type { Balance, BalancePlan } from "../../api/types";
import { Card } from "../../components/Card";
import { Histogram, type Bin } from "../../components/Histogram";
import { Skeleton } from "../../components/Skeleton";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { spreadOf } from "./spread";
import { words } from "./text";

export function SpreadCard({ plan, balance }: { plan: BalancePlan | undefined; balance: Balance | undefined }) {
  const t = words().spread;
  const shared = common();
  const f = useFormat();
  const planned = (plan?.moves_total ?? 0) > 0;
  const bins = useMemo(() => {
    return spreadOf(plan?.disks ?? []).map((bin): Bin => {
      // Bins may be narrower than a whole percent.
      const edge = (share: number) => `${f.decimal(share * 100, bin.to - bin.from < 0.01 ? 1 : 0)}%`;
      const [from, to] = [edge(bin.from), edge(bin.to)];
      const now = shared.disks(bin.before, f.count(bin.before));
      const after = shared.disks(bin.after, f.count(bin.after));
      return {
        label: from,
        value: bin.before,
        ...(planned ? { after: bin.after } : {}),
        title: planned ? t.binAfter(from, to, now, after) : t.bin(from, to, now),
      };
    });
  }, [plan, planned, f, shared, t]);
  const threshold = balance ? f.percent(balance.threshold_percent / 100) : "";
  return (
    <Card
      title={t.title}
      note={plan ? t.note(shared.disks(plan.disks.length, f.count(plan.disks.length))) : "\u00a0"}
      aside={
        <ul className="legend">
          <li>
            <i className="spread-now" />
            <span className="muted">{t.now}</span>
          </li>
          {planned ? (
            <li>
              <i className="spread-after" />
              <span className="muted">{t.after}</span>
            </li>
          ) : null}
        </ul>
      }
    >
      {plan ? (
        <div className="stack">
          <Histogram label={t.title} bins={bins} height={170} every={bins.length > 14 ? 2 : 1} />
          <p>
            <span className="muted">{t.difference}</span> <span className="strong">{f.percent(plan.spread_before)}</span>
            {planned ? <span className="strong"> → {f.percent(plan.spread_after)}</span> : null}
            <span className="muted small"> {balance?.automatic_on ? t.threshold(threshold) : balance ? t.off : ""}</span>
          </p>
        </div>
      ) : (
        <Skeleton height={230} />
      )}
    </Card>
  );
}
