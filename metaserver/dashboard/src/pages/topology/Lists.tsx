// Nodes and disks as tables.

import { useMemo } from "react";
import type { DiskView, NodeView } from "../../api/types";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { Bar } from "../../components/Progress";
import { SafeText } from "../../components/SafeText";
import { LivenessBadge, StandingBadge, StatusBadge } from "../../components/StatusBadge";
import { SearchIcon, StarIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { useTick } from "./store";
import { words } from "./text";

const HEIGHT = 620;

interface ListProps {
  find: string;
  selected: number | null;
  onOpen: (id: number) => void;
}

const within = (text: string, find: string) => text.toLowerCase().includes(find);
const place = (node: NodeView | undefined) => [node?.zone, node?.rack].filter(Boolean).join(" / ");

export function NodeList({ find, selected, onOpen }: ListProps) {
  const t = words();
  const c = t.columns;
  const shared = common();
  const f = useFormat();
  const store = useTick();
  const columns = useMemo(
    (): Column<NodeView>[] => [
      {
        id: "node",
        title: c.node,
        width: "minmax(136px, 0.8fr)",
        sort: (node) => node.id,
        cell: (node) => (
          <span className="row">
            <span className="strong">{shared.node(node.id)}</span>
            {node.leader ? (
              <StatusBadge tone="info" icon={StarIcon} bare>
                {t.map.leader}
              </StatusBadge>
            ) : null}
          </span>
        ),
      },
      { id: "state", title: c.state, width: "110px", sort: (node) => node.liveness, cell: (node) => <LivenessBadge value={node.liveness} /> },
      { id: "standing", title: c.standing, width: "130px", sort: (node) => node.standing, cell: (node) => <StandingBadge value={node.standing} /> },
      { id: "host", title: c.host, width: "minmax(120px, 1fr)", sort: (node) => node.host, cell: (node) => <SafeText value={node.host} most={32} /> },
      { id: "place", title: c.place, width: "minmax(100px, 0.8fr)", sort: place, cell: (node) => <SafeText value={place(node)} most={40} /> },
      { id: "roles", title: c.roles, width: "minmax(170px, 1.4fr)", cell: (node) => <Roles node={node} /> },
      { id: "disks", title: c.disks, width: "80px", number: true, sort: (node) => node.disks, cell: (node) => f.count(node.disks) },
      { id: "version", title: c.version, width: "80px", sort: (node) => node.version, cell: (node) => node.version },
      { id: "uptime", title: c.uptime, width: "110px", number: true, sort: (node) => node.uptime_ms, cell: (node) => f.duration(node.uptime_ms / 1000) },
    ],
    [c, shared, f, t],
  );
  const wanted = find.trim().toLowerCase();
  const rows = [...store.nodes.values()].filter(
    (node) => !wanted || [shared.node(node.id), node.host, node.address, node.zone, node.rack].some((text) => within(text, wanted)),
  );
  return (
    <DataTable
      label={t.views.nodes}
      columns={columns}
      rows={rows}
      rowKey={(node) => node.id}
      selected={selected}
      onOpen={(node) => onOpen(node.id)}
      height={HEIGHT}
      rowTone={(node) => (node.liveness === "down" || node.liveness === "failed" ? "danger" : node.liveness === "suspect" ? "warn" : undefined)}
      empty={<EmptyState icon={SearchIcon} title={t.nothingFound} />}
    />
  );
}

function Roles({ node }: { node: NodeView }) {
  const shared = common();
  const text = node.roles.map((role) => shared.nodeRoles[role] ?? role).join(", ");
  return <span title={text}>{text}</span>;
}

const used = (disk: DiskView) => (disk.capacity_bytes > 0 ? disk.used_bytes / disk.capacity_bytes : 0);

export function DiskList({ find, selected, onOpen }: ListProps) {
  const t = words();
  const c = t.columns;
  const shared = common();
  const f = useFormat();
  const store = useTick();
  const columns = useMemo(
    (): Column<DiskView>[] => [
      { id: "disk", title: c.disk, width: "minmax(66px, 0.6fr)", sort: (disk) => disk.id, cell: (disk) => <span className="strong">{shared.disk(disk.id)}</span> },
      { id: "node", title: c.node, width: "minmax(62px, 0.5fr)", sort: (disk) => disk.node, cell: (disk) => shared.node(disk.node) },
      { id: "state", title: c.state, width: "96px", sort: (disk) => disk.liveness, cell: (disk) => <LivenessBadge value={disk.liveness} /> },
      { id: "standing", title: c.standing, width: "112px", sort: (disk) => disk.effective_standing, cell: (disk) => <StandingBadge value={disk.effective_standing} /> },
      {
        id: "used",
        title: c.used,
        width: "minmax(116px, 1fr)",
        sort: used,
        cell: (disk) => (
          <span className="used-cell">
            <Bar label={c.used} share={used(disk)} tone={used(disk) > 0.95 ? "danger" : used(disk) > 0.85 ? "warn" : "accent"} />
            <span>{f.percent(used(disk))}</span>
          </span>
        ),
      },
      { id: "size", title: c.size, width: "64px", number: true, sort: (disk) => disk.capacity_bytes, cell: (disk) => f.bytes(disk.capacity_bytes) },
      { id: "load", title: c.load, width: "52px", number: true, sort: (disk) => disk.load, cell: (disk) => f.percent(disk.load) },
      { id: "read", title: c.read, width: "84px", number: true, sort: (disk) => disk.read_bytes, cell: (disk) => f.rate(disk.read_bytes) },
      { id: "write", title: c.write, width: "84px", number: true, sort: (disk) => disk.write_bytes, cell: (disk) => f.rate(disk.write_bytes) },
      { id: "groups", title: c.groups, width: "66px", number: true, sort: (disk) => disk.groups, cell: (disk) => f.count(disk.groups) },
      { id: "commit", title: c.commit, width: "72px", number: true, sort: (disk) => disk.commit_us, cell: (disk) => f.latency(disk.commit_us / 1000) },
      { id: "weight", title: c.weight, width: "62px", number: true, sort: (disk) => disk.weight, cell: (disk) => f.decimal(disk.weight, 2) },
    ],
    [c, shared, f],
  );
  const wanted = find.trim().toLowerCase();
  const rows = [...store.disks.values()].filter((disk) => {
    if (!wanted) return true;
    const host = store.nodes.get(disk.node)?.host ?? "";
    return [shared.disk(disk.id), shared.node(disk.node), disk.path, host].some((text) => within(text, wanted));
  });
  return (
    <DataTable
      label={t.views.disks}
      columns={columns}
      rows={rows}
      rowKey={(disk) => disk.id}
      selected={selected}
      onOpen={(disk) => onOpen(disk.id)}
      height={HEIGHT}
      rowTone={(disk) => (disk.liveness === "down" || disk.liveness === "failed" ? "danger" : disk.liveness === "alive" ? undefined : "warn")}
      empty={<EmptyState icon={SearchIcon} title={t.nothingFound} />}
    />
  );
}
