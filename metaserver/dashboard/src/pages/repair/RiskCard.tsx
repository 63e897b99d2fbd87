// The groups closest to loss: what is the matter with each member, and what is done.

import { useMemo } from "react";
import { useLocation } from "wouter";
import { pages } from "../../app/pages";
import type { GroupMember, GroupView, Repair } from "../../api/types";
import { Card } from "../../components/Card";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { LevelBadge } from "../../components/StatusBadge";
import { OkIcon, ShieldIcon, WarningIcon, DangerIcon, ClockIcon, type Icon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { useServerTexts } from "../../i18n/server";
import { words } from "./text";

export function RiskCard({ repair }: { repair: Repair }) {
  const t = words();
  const r = t.risk;
  const shared = common();
  const f = useFormat();
  const { reason: say } = useServerTexts();
  const [, go] = useLocation();
  const linked = pages.some((page) => page.id === "groups");
  const columns = useMemo(
    (): Column<GroupView>[] => [
      { id: "group", title: r.group, width: "minmax(90px, 0.6fr)", sort: (group) => group.id, cell: (group) => <span className="strong">{shared.group(group.id)}</span> },
      { id: "level", title: r.level, width: "120px", cell: (group) => <LevelBadge value={group.level} /> },
      { id: "spare", title: r.spare, width: "100px", sort: (group) => group.spare, cell: (group) => r.spareOf(group.spare) },
      {
        id: "doing",
        title: r.doing,
        width: "minmax(210px, 1.8fr)",
        cell: (group) => {
          const text = t.doing[group.state] ?? group.reasons.map(say).join(" · ");
          return (
            <span title={text}>
              {text}
              {group.until ? <span className="muted"> · {r.until(f.time(group.until))}</span> : null}
            </span>
          );
        },
      },
      { id: "members", title: r.members, width: "minmax(190px, 1.5fr)", cell: (group) => <Members members={group.members} /> },
      { id: "left", title: r.left, width: "90px", number: true, sort: (group) => group.bytes_left, cell: (group) => f.bytes(group.bytes_left) },
      { id: "since", title: r.since, width: "120px", number: true, sort: (group) => group.level_since ?? group.since, cell: (group) => (group.level_since ? f.ago(group.level_since) : "–") },
    ],
    [r, t, shared, f, say],
  );
  return (
    <Card title={r.title} note={r.note} flush>
      <DataTable
        label={r.title}
        columns={columns}
        rows={repair.at_risk}
        rowKey={(group) => group.id}
        height={420}
        {...(linked ? { onOpen: (group: GroupView) => go(`/groups/${group.id}`) } : {})}
        empty={
          <EmptyState icon={ShieldIcon} title={r.none} small>
            {r.noneMeans}
          </EmptyState>
        }
      />
    </Card>
  );
}

const SHAPES: Record<string, [Icon, string]> = {
  whole: [OkIcon, "ok"],
  filling: [ClockIcon, "warn"],
  lacks: [WarningIcon, "warn"],
  leaving: [ClockIcon, "idle"],
  away: [ClockIcon, "idle"],
};

function Members({ members }: { members: GroupMember[] }) {
  const t = words();
  return (
    <span className="members">
      {members.map((member) => {
        const [Shape, tone] = SHAPES[member.condition] ?? [DangerIcon, "danger"];
        const text = t.risk.member(String(member.disk), t.conditions[member.condition] ?? member.condition);
        return (
          <span key={`${member.disk}-${member.shard}`} className={`tone-${tone}`} title={text}>
            <Shape size={12} />
            <span aria-hidden="true">{member.disk}</span>
            <span className="hidden-text">{text}</span>
          </span>
        );
      })}
    </span>
  );
}
