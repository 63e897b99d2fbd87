// Which groups the table shows. Everything here stands in the address.

import { useCallback } from "react";
import type { GroupsSummary } from "../../api/types";
import { Button } from "../../components/Button";
import { FilterInput } from "../../components/FilterInput";
import { Select } from "../../components/Select";
import { common } from "../../i18n/common";
import { AILING, digits, FILTERS, isNumber, LEVELS, STATES, type ChangeFilters, type GroupFilters } from "./filters";
import { words } from "./text";

const ANY = "any";

interface Props {
  classes: GroupsSummary["by_class"] | undefined;
  filters: GroupFilters;
  change: ChangeFilters;
}

export function FilterBar({ classes, filters, change }: Props) {
  const t = words();
  const c = common();
  const some = FILTERS.some((name) => filters[name]);
  const pick = (name: "level" | "state" | "class", options: { value: string; label: string }[]) => (
    <Select
      label={t.filter[name]}
      hideLabel
      value={options.some((option) => option.value === filters[name]) ? filters[name] : ANY}
      options={[{ value: ANY, label: t.any[name] }, ...options]}
      onChange={(value) => change({ [name]: value === ANY ? "" : value })}
    />
  );
  return (
    <div className="filter-bar" role="group" aria-label={t.filters}>
      {pick("level", [{ value: AILING, label: t.ailing }, ...LEVELS.map((value) => ({ value, label: c.levels[value] }))])}
      {pick("state", STATES.map((value) => ({ value, label: t.states[value] ?? value })))}
      {pick("class", (classes ?? []).map((one) => ({ value: String(one.class), label: one.name })))}
      {(["pg", "disk", "node"] as const).map((name) => (
        <NumberFilter key={name} name={name} value={filters[name]} change={change} />
      ))}
      {some ? (
        <Button kind="quiet" small onClick={() => change(Object.fromEntries(FILTERS.map((name) => [name, ""])))}>
          {t.clearAll}
        </Button>
      ) : null}
    </div>
  );
}

function NumberFilter({ name, value, change }: { name: "pg" | "disk" | "node"; value: string; change: ChangeFilters }) {
  const t = words();
  const tell = useCallback((text: string) => change({ [name]: text }), [change, name]);
  return (
    <FilterInput
      label={t.filter[name]}
      value={value}
      onChange={tell}
      clean={digits}
      check={(text) => (isNumber(text) ? null : t.notANumber)}
      numeric
    />
  );
}
