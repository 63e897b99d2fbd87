// Who keeps the group: disks inside their nodes, racks and zones, so that one sees what a failure would take.

import { Link } from "wouter";
import { useGet } from "../../api/queries";
import type { ClassView, GroupMember, GroupView, NodeView, Topology } from "../../api/types";
import { Card } from "../../components/Card";
import { DiskIcon, NodeIcon } from "../../components/icons";
import { SafeText } from "../../components/SafeText";
import { Tooltip } from "../../components/Tooltip";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { ConditionBadge, toneOfCondition } from "./state";
import { words } from "./text";

interface Placed {
  name: string;
  members: GroupMember[];
}

/** In the order of their first member, so that copy 1 stands first. */
function apart(members: GroupMember[], nameOf: (member: GroupMember) => string): Placed[] {
  const found = new Map<string, GroupMember[]>();
  for (const member of members) {
    const name = nameOf(member);
    const there = found.get(name);
    if (there) there.push(member);
    else found.set(name, [member]);
  }
  return [...found].map(([name, of]) => ({ name, members: of }));
}

export function Members({ group, storage }: { group: GroupView; storage: ClassView | undefined }) {
  const t = words();
  const topology = useGet<Topology>("/topology", {}, { staleTime: 60_000 });
  const nodes = new Map(topology.data?.nodes.map((node) => [node.id, node]));
  const zones = apart(group.members, (member) => nodes.get(member.node)?.zone ?? "");
  return (
    <Card title={t.membersTitle} note={t.membersPlain}>
      <div className="pg-zones">
        {zones.map((zone) => (
          <div key={zone.name} className="pg-zone" style={{ flexGrow: zone.members.length }}>
            <p className="pg-place">{zone.name ? <SafeText value={t.zone(zone.name)} most={40} /> : t.noZone}</p>
            <div className="pg-racks">
              {apart(zone.members, (member) => nodes.get(member.node)?.rack ?? "").map((rack) => (
                <div key={rack.name} className="pg-rack" style={{ flexGrow: rack.members.length }}>
                  <p className="pg-place">{rack.name ? <SafeText value={t.rack(rack.name)} most={40} /> : t.noRack}</p>
                  <div className="pg-nodes">
                    {apart(rack.members, (member) => String(member.node)).map((node) => (
                      <NodeBox key={node.name} placed={node} node={nodes.get(Number(node.name))} group={group} storage={storage} />
                    ))}
                  </div>
                </div>
              ))}
            </div>
          </div>
        ))}
      </div>
    </Card>
  );
}

interface NodeBoxProps {
  placed: Placed;
  node: NodeView | undefined;
  group: GroupView;
  storage: ClassView | undefined;
}

function NodeBox({ placed, node, group, storage }: NodeBoxProps) {
  const c = common();
  return (
    <div className="pg-node">
      <p className="pg-node-name">
        <NodeIcon size={14} />
        <Link href={`/topology/nodes/${placed.name}`}>{c.node(placed.name)}</Link>
        {node?.host ? (
          <span className="muted">
            <SafeText value={node.host} most={22} />
          </span>
        ) : null}
      </p>
      <ul className="pg-disks">
        {placed.members.map((member) => (
          <Member key={`${member.disk}/${member.shard}`} member={member} index={group.members.indexOf(member)} storage={storage} />
        ))}
      </ul>
    </div>
  );
}

function Member({ member, index, storage }: { member: GroupMember; index: number; storage: ClassView | undefined }) {
  const t = words();
  const c = common();
  const f = useFormat();
  const data = storage?.data ?? 0;
  const erasure = storage?.kind === "erasure";
  const part = !erasure ? t.copy(index + 1) : member.shard < data ? t.shard(member.shard + 1) : t.parity(member.shard - data + 1);
  const means = t.conditionMeans[member.condition];
  const notes = [
    member.lacks > 0 ? t.lacks(member.lacks, f.count(member.lacks)) : "",
    member.bytes_left > 0 ? t.memberLeft(f.bytes(member.bytes_left)) : "",
  ].filter(Boolean);
  return (
    <li className={`pg-disk tone-of-${toneOfCondition(member.condition)}`}>
      <span className="pg-disk-name">
        <DiskIcon size={15} />
        <Link href={`/topology/disks/${member.disk}`} className="strong">
          {c.disk(member.disk)}
        </Link>
        <span className="grow" />
        <span className="small muted nowrap">{part}</span>
      </span>
      <span title={means}>
        <ConditionBadge value={member.condition} />
      </span>
      {notes.length > 0 ? <span className="small muted">{notes.join(" · ")}</span> : null}
      {member.temporary ? (
        <Tooltip text={t.temporaryMeans}>
          <span className="small explained" tabIndex={0} role="note">
            {t.temporary}
          </span>
        </Tooltip>
      ) : null}
    </li>
  );
}
