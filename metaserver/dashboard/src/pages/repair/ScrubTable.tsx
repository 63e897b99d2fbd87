// Every disk and its scrub.

import { useMemo } from "react";
import type { ScrubDisk } from "../../api/types";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { Bar } from "../../components/Progress";
import { StatusBadge, type Tone } from "../../components/StatusBadge";
import { ClockIcon, PauseIcon, PlayIcon, SearchIcon, UnknownIcon, type Icon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { words } from "./text";

const STATES: Record<ScrubDisk["state"], [Tone, Icon]> = {
  running: ["info", PlayIcon],
  waiting: ["idle", ClockIcon],
  off: ["warn", PauseIcon],
  unknown: ["idle", UnknownIcon],
};

const share = (disk: ScrubDisk) =>
  disk.round && disk.round.to_do_bytes > 0 ? Math.min(disk.round.bytes / disk.round.to_do_bytes, 1) : null;

interface ScrubTableProps {
  disks: ScrubDisk[];
  selected: number | null;
  onOpen: (disk: ScrubDisk) => void;
}

export function ScrubTable({ disks, selected, onOpen }: ScrubTableProps) {
  const t = words().scrub;
  const c = t.columns;
  const shared = common();
  const f = useFormat();
  const columns = useMemo(
    (): Column<ScrubDisk>[] => [
      {
        id: "disk",
        title: c.disk,
        width: "minmax(130px, 0.9fr)",
        sort: (disk) => disk.disk,
        cell: (disk) => (
          <>
            <span className="strong">{shared.disk(disk.disk)}</span>
            <span className="muted"> · {shared.node(disk.node)}</span>
          </>
        ),
      },
      {
        id: "state",
        title: c.state,
        width: "100px",
        sort: (disk) => disk.state,
        cell: (disk) => (
          <StatusBadge tone={STATES[disk.state][0]} icon={STATES[disk.state][1]} bare>
            {t.states[disk.state]}
          </StatusBadge>
        ),
      },
      {
        id: "progress",
        title: c.progress,
        width: "minmax(140px, 1.2fr)",
        sort: share,
        cell: (disk) =>
          disk.state === "running" ? (
            <span className="used-cell">
              <Bar label={c.progress} share={share(disk)} />
              <span>{f.percent(share(disk) ?? 0)}</span>
            </span>
          ) : (
            <span className="muted">–</span>
          ),
      },
      { id: "rate", title: c.rate, width: "90px", number: true, sort: (disk) => disk.rate, cell: (disk) => (disk.rate > 0 ? f.rate(disk.rate) : "–") },
      {
        id: "open",
        title: c.open,
        width: "110px",
        number: true,
        sort: (disk) => disk.open,
        cell: (disk) => (disk.open > 0 ? <span className="tone-danger strong">{f.count(disk.open)}</span> : <span className="muted">0</span>),
      },
      { id: "last", title: c.last, width: "130px", number: true, sort: (disk) => disk.last?.ended ?? null, cell: (disk) => (disk.last?.ended ? f.ago(disk.last.ended) : t.neverRun) },
      { id: "found", title: c.found, width: "70px", number: true, sort: (disk) => disk.last?.damaged ?? null, cell: (disk) => (disk.last ? f.count(disk.last.damaged) : "–") },
      { id: "due", title: c.due, width: "120px", number: true, sort: (disk) => disk.due, cell: (disk) => (disk.due ? f.ago(disk.due) : "–") },
    ],
    [c, t, shared, f],
  );
  return (
    <DataTable
      label={t.title}
      columns={columns}
      rows={disks}
      rowKey={(disk) => disk.disk}
      selected={selected}
      onOpen={onOpen}
      height={560}
      rowTone={(disk) => (disk.open > 0 ? "danger" : undefined)}
      empty={<EmptyState icon={SearchIcon} title={t.nothingFound} small />}
    />
  );
}
