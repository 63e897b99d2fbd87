// One node with its disks.

import { Link } from "wouter";
import type { DiskView, NodeView } from "../../api/types";
import { EmptyState } from "../../components/EmptyState";
import { SafeText } from "../../components/SafeText";
import { Facts } from "../../components/Stat";
import { LivenessBadge, StandingBadge, StatusBadge } from "../../components/StatusBadge";
import { Bar } from "../../components/Progress";
import { Note } from "../../components/Note";
import { NodeIcon, StarIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { Offers } from "./Offers";
import { Panel } from "./Panel";
import { ProcedureView } from "./ProcedureView";
import { useProcedure } from "./procedures";
import { useTick } from "./store";
import { words } from "./text";
import { useNodeOffers } from "./verbs";

export function NodePanel({ id, onClose }: { id: number; onClose: () => void }) {
  const t = words();
  const node = useTick().nodes.get(id);
  return (
    <Panel id={`node-${id}`} title={t.what.Node(id)} onClose={onClose}>
      {node ? <NodeBody node={node} /> : <EmptyState icon={NodeIcon} title={t.panel.gone} small />}
    </Panel>
  );
}

function NodeBody({ node }: { node: NodeView }) {
  const t = words();
  const p = t.panel;
  const shared = common();
  const f = useFormat();
  const store = useTick();
  const disks = store.disksOf(node.id);
  const procedure = useProcedure(node.procedure);
  const offers = useNodeOffers(node, procedure);
  const rows: Parameters<typeof Facts>[0]["rows"] = [
    [p.labels, <SafeText key="l" value={[node.zone, node.rack, node.host].filter(Boolean).join(" / ")} most={90} />],
    [p.roles, node.roles.map((role) => shared.nodeRoles[role] ?? role).join(", ")],
    [p.address, <span key="a" className="mono">{node.address}</span>],
    [p.admin, <span key="b" className="mono">{node.admin_address || "–"}</span>],
  ];
  if (node.s3_address) rows.push([p.s3, <span key="c" className="mono">{node.s3_address}</span>]);
  rows.push([p.version, node.version], [p.uptime, f.duration(node.uptime_ms / 1000)], [p.silent, f.latency(node.silent_ms)]);
  return (
    <div className="stack spaced">
      <div className="row wrap">
        <LivenessBadge value={node.liveness} bare={false} />
        {node.standing === "in" ? null : <StandingBadge value={node.standing} bare={false} />}
        {node.leader ? (
          <StatusBadge tone="info" icon={StarIcon}>
            {p.leader}
          </StatusBadge>
        ) : node.voter ? (
          <StatusBadge tone="info">{p.voter}</StatusBadge>
        ) : null}
      </div>
      {node.liveness === "alive" ? null : (
        <Note tone={node.liveness === "unknown" ? "info" : node.liveness === "suspect" ? "warn" : "danger"}>{shared.livenessMeans[node.liveness]}</Note>
      )}
      <Offers target={{ kind: "node", id: node.id }} offers={offers} />
      {procedure ? (
        <section className="panel-part">
          <h3>{shared.jobs[procedure.kind]}</h3>
          <ProcedureView procedure={procedure} />
        </section>
      ) : null}
      <Facts rows={rows} />
      <section className="panel-part">
        <h3>
          {p.disksOf} <span className="muted normal">{f.count(disks.length)}</span>
        </h3>
        <ul className="disk-rows">
          {disks.map((disk) => (
            <DiskRow key={disk.id} disk={disk} />
          ))}
        </ul>
      </section>
    </div>
  );
}

function DiskRow({ disk }: { disk: DiskView }) {
  const shared = common();
  const f = useFormat();
  const share = disk.capacity_bytes > 0 ? disk.used_bytes / disk.capacity_bytes : 0;
  return (
    <li>
      <Link href={`/topology/disks/${disk.id}`} className="disk-row">
        <span className="strong">{shared.disk(disk.id)}</span>
        <LivenessBadge value={disk.liveness} />
        <span className="muted small number">
          {f.percent(share)} / {f.bytes(disk.capacity_bytes)}
        </span>
        <Bar label={shared.disk(disk.id)} share={share} tone={share > 0.95 ? "danger" : share > 0.85 ? "warn" : "accent"} />
      </Link>
    </li>
  );
}
