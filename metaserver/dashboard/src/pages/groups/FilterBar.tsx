// Which groups the table shows. Everything here stands in the address.

import { useEffect, useState } from "react";
import type { GroupsSummary } from "../../api/types";
import { Button } from "../../components/Button";
import { Select } from "../../components/Select";
import { common } from "../../i18n/common";
import { digits, FILTERS, isNumber, LEVELS, STATES, type ChangeFilters, type GroupFilters } from "./filters";
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
      {pick("level", LEVELS.map((value) => ({ value, label: c.levels[value] })))}
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
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  const wanted = digits(text);
  const wrong = wanted !== "" && !isNumber(wanted);
  useEffect(() => {
    if (wrong || wanted === value) return undefined;
    const timer = setTimeout(() => change({ [name]: wanted }), 300);
    return () => clearTimeout(timer);
  }, [wanted, wrong, value, name, change]);
  return (
    <label className="number-filter">
      <span className="small muted">{t.filter[name]}</span>
      <input
        className="input"
        inputMode="numeric"
        value={text}
        maxLength={14}
        aria-invalid={wrong || undefined}
        title={wrong ? t.notANumber : undefined}
        onChange={(event) => setText(event.target.value)}
      />
    </label>
  );
}
