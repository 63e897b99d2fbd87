// All cluster settings by what they belong to.

import { useMemo } from "react";
import { useGet } from "../../api/queries";
import type { List, Setting } from "../../api/types";
import { useFilters } from "../../app/address";
import { Card } from "../../components/Card";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { SearchField } from "../../components/SearchField";
import { SearchIcon } from "../../components/icons";
import { SkeletonLines } from "../../components/Skeleton";
import { Checkbox } from "../../components/TextField";
import { useFormat } from "../../format";
import { SettingRow } from "./SettingRow";
import { useSettingNames, words } from "./text";

const GROUPS = ["durability", "detection", "repair", "balance", "scrub", "trash", "metadata", "audit", "access"];
const NAMES = ["q", "changed"] as const;

export function ClusterTab() {
  const t = words();
  const f = useFormat();
  const names = useSettingNames();
  const [filters, change] = useFilters(NAMES);
  const { data, error, refetch } = useGet<List<Setting>>("/settings", {}, { every: 30_000 });
  const all = data?.items ?? [];
  const changed = all.filter((setting) => setting.value !== setting.default).length;
  const wanted = filters.q.trim().toLowerCase();
  const shown = all.filter((setting) => {
    if (filters.changed && setting.value === setting.default) return false;
    if (!wanted) return true;
    const text = names[setting.name];
    return `${setting.name} ${text?.title ?? ""} ${text?.meaning ?? setting.meaning}`.toLowerCase().includes(wanted);
  });
  const search = useMemo(() => (q: string) => change({ q }), [change]);
  const sections = [...GROUPS, ...new Set(all.map((setting) => setting.group).filter((group) => !GROUPS.includes(group)))];
  return (
    <div className="stack settings-stack">
      <div className="settings-find">
        <SearchField label={t.find} value={filters.q} onChange={search} />
        <Checkbox
          label={t.onlyChanged(f.count(changed))}
          checked={filters.changed !== ""}
          onChange={(on) => change({ changed: on ? "1" : "" })}
        />
      </div>
      {error && !data ? <FailureNote failure={error} onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonLines lines={12} height={44} /> : null}
      {data && shown.length === 0 ? (
        <section className="card">
          <EmptyState icon={SearchIcon} title={t.nothingFound} small />
        </section>
      ) : null}
      {sections.map((group) => {
        const members = shown.filter((setting) => setting.group === group);
        if (members.length === 0) return null;
        return (
          <Card key={group} title={t.groups[group] ?? t.others} note={t.groupsMean[group]} flush>
            <ul className="settings-list">
              {members.map((setting) => (
                <SettingRow key={setting.name} setting={setting} />
              ))}
            </ul>
          </Card>
        );
      })}
    </div>
  );
}
