// The same groups, counted by what is done about them, by the failures they still survive, by class.

import { useState } from "react";
import type { GroupsSummary } from "../../api/types";
import { Card } from "../../components/Card";
import { SafeText } from "../../components/SafeText";
import { Segmented } from "../../components/Segmented";
import { SkeletonLines } from "../../components/Skeleton";
import { useFormat } from "../../format";
import { STATES, type ChangeFilters, type GroupFilters } from "./filters";
import { StateBadge } from "./state";
import { words } from "./text";

type By = "state" | "spare" | "class";

interface Row {
  key: string;
  label: React.ReactNode;
  groups: number;
  bytes: number;
  means?: string | undefined;
  on?: boolean;
  pick?: () => void;
}

export function Breakdown({ summary, filters, change }: { summary: GroupsSummary | undefined; filters: GroupFilters; change: ChangeFilters }) {
  const t = words();
  const [by, setBy] = useState<By>("state");
  const rows = summary ? rowsBy(by, summary, filters, change, t) : [];
  const notes: Record<By, string> = { state: t.stateNote, spare: t.spareNote, class: t.classNote };
  return (
    <Card title={t.breakdown} note={notes[by]} className="third">
      <div className="stack">
        <Segmented<By>
          label={t.breakdown}
          value={by}
          onChange={setBy}
          options={(["state", "spare", "class"] as const).map((value) => ({ value, label: t.by[value] }))}
        />
        {summary ? <Rows rows={rows} total={summary.total} /> : <SkeletonLines lines={6} height={26} />}
      </div>
    </Card>
  );
}

function rowsBy(by: By, summary: GroupsSummary, filters: GroupFilters, change: ChangeFilters, t: ReturnType<typeof words>): Row[] {
  if (by === "spare") {
    const sorted = [...summary.by_spare].sort((a, b) => a.spare - b.spare);
    return sorted.map((one) => ({ key: String(one.spare), label: t.spareLabel(one.spare), ...one }));
  }
  if (by === "class") {
    return summary.by_class.map((one) => {
      const id = String(one.class);
      const on = filters.class === id;
      return { ...one, key: id, label: <SafeText value={one.name} most={28} />, on, pick: () => change({ class: on ? "" : id }) };
    });
  }
  // Those with which nothing is the matter are not counted by state: they are the rest.
  const by_state: GroupsSummary["by_state"] = { ...summary.by_state };
  by_state["whole"] ??= rest(summary);
  const known = STATES.filter((state) => by_state[state]?.groups);
  const others = Object.keys(by_state).filter((state) => !STATES.includes(state));
  return [...known, ...others].map((state) => {
    const on = filters.state === state;
    const amount = by_state[state] ?? { groups: 0, bytes: 0 };
    return {
      ...amount,
      key: state,
      label: <StateBadge value={state} />,
      means: t.stateMeans[state],
      on,
      pick: () => change({ state: on ? "" : state }),
    };
  });
}

function rest(summary: GroupsSummary): { groups: number; bytes: number } {
  const all = { groups: summary.total, bytes: Object.values(summary.by_level).reduce((sum, one) => sum + one.bytes, 0) };
  for (const one of Object.values(summary.by_state)) {
    all.groups -= one.groups;
    all.bytes -= one.bytes;
  }
  return { groups: Math.max(all.groups, 0), bytes: Math.max(all.bytes, 0) };
}

function Rows({ rows, total }: { rows: Row[]; total: number }) {
  const t = words();
  const f = useFormat();
  return (
    <ul className="pg-rows">
      {rows.map((row) => {
        const inner = (
          <>
            <span className="pg-row-line">
              <span className="grow">{row.label}</span>
              <span className="small nowrap">{t.groupsAnd(f.count(row.groups), f.bytes(row.bytes))}</span>
            </span>
            <span className="pg-row-bar" aria-hidden="true">
              <span style={{ width: `${total > 0 ? Math.max((row.groups / total) * 100, 0.6) : 0}%` }} />
            </span>
          </>
        );
        return (
          <li key={row.key}>
            {row.pick ? (
              <button type="button" className="pg-row" aria-pressed={row.on} title={row.means} onClick={row.pick}>
                {inner}
              </button>
            ) : (
              <div className="pg-row">{inner}</div>
            )}
          </li>
        );
      })}
    </ul>
  );
}
