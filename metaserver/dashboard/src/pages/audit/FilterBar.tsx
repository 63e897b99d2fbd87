// Which entries the list shows. Everything here stands in the address.

import { useCallback } from "react";
import { Button } from "../../components/Button";
import { FilterInput } from "../../components/FilterInput";
import { SearchField } from "../../components/SearchField";
import { Select } from "../../components/Select";
import { knownActions } from "../../i18n/server";
import { localOf, NO_FILTERS, RANGES, type AuditFilters, type ChangeFilters } from "./filters";
import { words } from "./text";

const ANY = "any";
const names = knownActions();
const areas = [...new Set(names.map((name) => name.split(".")[0] ?? name))];
const SUGGESTED = [...new Set([...areas, ...names])].sort();

export function FilterBar({ filters, change }: { filters: AuditFilters; change: ChangeFilters }) {
  const t = words();
  const search = useCallback((q: string) => change({ q }), [change]);
  const account = useCallback((text: string) => change({ account: text }), [change]);
  const action = useCallback((text: string) => change({ action: text }), [change]);
  const target = useCallback((text: string) => change({ target: text }), [change]);
  const some = Object.values(filters).some(Boolean);
  const custom = filters.range === "custom";
  return (
    <div className="filter-bar" role="group" aria-label={t.filters}>
      <SearchField label={t.search} value={filters.q} onChange={search} delay={350} />
      <Select
        label={t.filter.kind}
        hideLabel
        value={t.kinds[filters.kind] ? filters.kind : ANY}
        options={[{ value: ANY, label: t.anyKind }, ...Object.entries(t.kinds).map(([value, label]) => ({ value, label }))]}
        onChange={(value) => change({ kind: value === ANY ? "" : value })}
      />
      <Select
        label={t.filter.range}
        hideLabel
        value={custom || RANGES[filters.range] ? filters.range : ANY}
        options={[ANY, ...Object.keys(RANGES), "custom"].map((value) => ({ value, label: t.ranges[value] ?? value }))}
        onChange={(value) => change({ range: value === ANY ? "" : value, from: "", to: "" })}
      />
      {custom ? (
        <>
          <TimeInput label={t.from} value={filters.from} onChange={(from) => change({ from })} />
          <TimeInput label={t.to} value={filters.to} onChange={(to) => change({ to })} />
        </>
      ) : null}
      <FilterInput label={t.filter.account} value={filters.account} onChange={account} width={116} />
      <FilterInput
        label={t.filter.action}
        value={filters.action}
        onChange={action}
        width={150}
        suggestions={SUGGESTED}
        placeholder="disk.drain"
      />
      <FilterInput label={t.filter.target} value={filters.target} onChange={target} width={116} />
      {some ? (
        <Button kind="quiet" small onClick={() => change(NO_FILTERS)}>
          {t.clearAll}
        </Button>
      ) : null}
    </div>
  );
}

export function TimeInput({ label, value, onChange }: { label: string; value: string; onChange: (iso: string) => void }) {
  return (
    <label className="filter-input">
      <span className="small muted">{label}</span>
      <input
        className="input audit-time"
        type="datetime-local"
        value={localOf(value)}
        onChange={(event) => onChange(event.target.value ? new Date(event.target.value).toISOString() : "")}
      />
    </label>
  );
}
