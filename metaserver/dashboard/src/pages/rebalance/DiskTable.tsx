// Each disk before and after, and the proof that none goes above its limit on the way.

import { useMemo } from "react";
import type { BalanceDisk, BalancePlan } from "../../api/types";
import { DataTable, type Column } from "../../components/DataTable";
import { StatusBadge } from "../../components/StatusBadge";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { fullness } from "./spread";
import { words } from "./text";

export function DiskTable({ plan }: { plan: BalancePlan }) {
  const t = words().plan;
  const shared = common();
  const f = useFormat();
  const columns = useMemo((): Column<BalanceDisk>[] => {
    const change = (disk: BalanceDisk) => disk.after_bytes - disk.before_bytes;
    return [
      {
        id: "disk",
        title: t.disk,
        width: "minmax(130px, 1fr)",
        sort: (disk) => disk.disk,
        cell: (disk) => (
          <>
            <span className="strong">{shared.disk(disk.disk)}</span>
            <span className="muted"> · {shared.node(disk.node)}</span>
          </>
        ),
      },
      {
        id: "picture",
        title: `${t.before} → ${t.after}`,
        width: "minmax(150px, 1.6fr)",
        cell: (disk) => <BeforeAfter disk={disk} />,
      },
      { id: "before", title: t.before, width: "70px", number: true, sort: (disk) => fullness(disk).before, cell: (disk) => f.percent(fullness(disk).before) },
      { id: "after", title: t.after, width: "70px", number: true, sort: (disk) => fullness(disk).after, cell: (disk) => f.percent(fullness(disk).after) },
      {
        id: "change",
        title: t.change,
        width: "100px",
        number: true,
        sort: change,
        cell: (disk) => (change(disk) > 0 ? `+${f.bytes(change(disk))}` : change(disk) < 0 ? f.bytes(change(disk)) : "–"),
      },
      { id: "peak", title: t.peak, width: "130px", number: true, sort: (disk) => disk.peak_bytes, cell: (disk) => f.bytes(disk.peak_bytes) },
      { id: "cap", title: t.cap, width: "90px", number: true, sort: (disk) => disk.cap_bytes, cell: (disk) => f.bytes(disk.cap_bytes) },
      {
        id: "within",
        title: t.within,
        width: "80px",
        cell: (disk) => {
          const ok = disk.peak_bytes <= disk.cap_bytes;
          return (
            <StatusBadge tone={ok ? "ok" : "danger"} bare>
              {ok ? shared.yes : shared.no}
            </StatusBadge>
          );
        },
      },
    ];
  }, [t, shared, f]);
  return (
    <DataTable
      label={t.views.disks}
      columns={columns}
      rows={plan.disks}
      rowKey={(disk) => disk.disk}
      initialSort={{ column: "before", descending: true }}
      height={420}
    />
  );
}

/** Now as a bar, afterwards as a mark on it. */
function BeforeAfter({ disk }: { disk: BalanceDisk }) {
  const { before, after } = fullness(disk);
  const at = (value: number) => `${Math.min(value, 1) * 100}%`;
  return (
    <span className="before-after" aria-hidden="true">
      <span style={{ width: at(before) }} />
      <i style={{ left: at(after) }} />
    </span>
  );
}
