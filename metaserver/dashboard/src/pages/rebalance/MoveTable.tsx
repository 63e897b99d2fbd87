// Each move: from where to where, how much, and why there.

import { useMemo } from "react";
import type { BalanceMove, BalancePlan } from "../../api/types";
import { DataTable, type Column } from "../../components/DataTable";
import { StatusBadge } from "../../components/StatusBadge";
import { ClockIcon, PlayIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { fullness } from "./spread";
import { words } from "./text";

export function MoveTable({ plan }: { plan: BalancePlan }) {
  const t = words().plan;
  const shared = common();
  const f = useFormat();
  const columns = useMemo((): Column<BalanceMove>[] => {
    const disks = new Map(plan.disks.map((disk) => [disk.disk, disk]));
    const place = (id: number) => {
      const node = disks.get(id)?.node;
      return (
        <>
          <span className="strong">{shared.disk(id)}</span>
          {node === undefined ? null : <span className="muted"> · {shared.node(node)}</span>}
        </>
      );
    };
    const full = (id: number) => {
      const disk = disks.get(id);
      return disk ? f.percent(fullness(disk).before) : "?";
    };
    return [
      { id: "group", title: t.group, width: "minmax(90px, 0.6fr)", sort: (move) => move.group, cell: (move) => shared.group(move.group) },
      { id: "from", title: t.from, width: "minmax(130px, 1fr)", sort: (move) => move.from, cell: (move) => place(move.from) },
      { id: "to", title: t.to, width: "minmax(130px, 1fr)", sort: (move) => move.to, cell: (move) => place(move.to) },
      { id: "why", title: t.why, width: "minmax(150px, 1fr)", cell: (move) => t.reason(full(move.from), full(move.to)) },
      { id: "size", title: t.size, width: "90px", number: true, sort: (move) => move.bytes, cell: (move) => f.bytes(move.bytes) },
      {
        id: "state",
        title: t.state,
        width: "120px",
        sort: (move) => (move.under_way ? 0 : 1),
        cell: (move) => (
          <StatusBadge tone={move.under_way ? "info" : "idle"} icon={move.under_way ? PlayIcon : ClockIcon} bare>
            {move.under_way ? t.underWay : t.waiting}
          </StatusBadge>
        ),
      },
    ];
  }, [plan.disks, t, shared, f]);
  return (
    <DataTable
      label={t.title}
      columns={columns}
      rows={plan.moves}
      rowKey={(move) => `${move.group}-${move.from}-${move.to}`}
      height={420}
    />
  );
}
