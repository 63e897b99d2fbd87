// The value of a setting, to be changed: a switch, a choice, or a number with its unit.

import { useEffect, useId, useState } from "react";
import type { Setting } from "../../api/types";
import { Segmented } from "../../components/Segmented";
import { Select } from "../../components/Select";
import { useFormat } from "../../format";
import type { SettingText } from "../../i18n/en/settingNames";
import { baseOf, checkNumber, fittingUnit, modesOf, rangeOf, unitsOf, type Mode } from "./quantities";
import { words } from "./text";

export interface ValueControlProps {
  setting: Setting;
  text: SettingText | undefined;
  title: string;
  value: string;
  disabled: boolean;
  onChange: (value: string, wrong: boolean) => void;
}

export function ValueControl(props: ValueControlProps) {
  if (props.setting.kind === "switch") return <Switch {...props} />;
  if (props.setting.kind === "choice") return <Choice {...props} />;
  return <Quantity {...props} />;
}

function Switch({ title, value, disabled, onChange }: ValueControlProps) {
  const t = words();
  const on = value === "true";
  return (
    <label className="switch">
      <input
        type="checkbox"
        role="switch"
        aria-label={title}
        checked={on}
        disabled={disabled}
        onChange={(event) => onChange(String(event.target.checked), false)}
      />
      <span className="switch-track" aria-hidden="true" />
      <span className="strong" aria-hidden="true">
        {on ? t.on : t.off}
      </span>
    </label>
  );
}

function Choice({ setting, text, title, value, disabled, onChange }: ValueControlProps) {
  const choices = setting.choices ?? [value];
  const means = text?.choices?.[value]?.means;
  return (
    <fieldset className="bare-set" disabled={disabled}>
      <Segmented
        label={title}
        value={value}
        onChange={(next) => onChange(next, false)}
        options={choices.map((choice) => ({ value: choice, label: text?.choices?.[choice]?.label ?? choice }))}
      />
      {means ? <p className="small muted">{means}</p> : null}
    </fieldset>
  );
}

const modeOf = (value: string, modes: Mode[]): Mode["id"] =>
  value === "node" ? "node" : value === "0" && modes.some((mode) => mode.id === "zero") ? "zero" : "set";

function Quantity({ setting, text, title, value, disabled, onChange }: ValueControlProps) {
  const t = words();
  const f = useFormat();
  const id = useId();
  const units = unitsOf(setting.unit, t);
  const modes = modesOf(setting, text, t);
  const [mode, setMode] = useState<Mode["id"]>(() => modeOf(value, modes));
  const [size, setSize] = useState(() => fittingUnit(value, units));
  const [typed, setTyped] = useState(() => shown(value, size));
  const [told, setTold] = useState(value);
  // The value changed from outside: somebody else, a reset, a cancel.
  useEffect(() => {
    if (value === told) return;
    const next = fittingUnit(value, unitsOf(setting.unit, t));
    setTold(value);
    setMode(modeOf(value, modesOf(setting, text, t)));
    setSize(next);
    setTyped(shown(value, next));
  }, [value, told, setting, text, t]);

  const problem = mode === "set" ? checkNumber(setting, typed, size, t, f) : null;
  const tell = (nextMode: Mode["id"], nextTyped: string, nextSize: number) => {
    const bad = nextMode === "set" && checkNumber(setting, nextTyped, nextSize, t, f) !== null;
    const next = nextMode === "node" ? "node" : nextMode === "zero" ? "0" : bad ? value : baseOf(nextTyped, nextSize);
    setTold(next);
    onChange(next, bad);
  };
  return (
    <fieldset className="bare-set" disabled={disabled}>
      {modes.length > 0 ? (
        <Segmented
          label={`${title}: ${t.mode}`}
          value={mode}
          options={modes.map((one) => ({ value: one.id, label: one.label }))}
          onChange={(next) => {
            setMode(next);
            const start = next === "set" && typed === "" ? suggestion(setting, size) : typed;
            setTyped(start);
            tell(next, start, size);
          }}
        />
      ) : null}
      {mode === "set" ? (
        <>
          <div className="quantity">
            <input
              className="input"
              aria-label={title}
              aria-describedby={id}
              aria-invalid={problem ? true : undefined}
              inputMode="decimal"
              value={typed}
              autoComplete="off"
              disabled={disabled}
              onChange={(event) => {
                setTyped(event.target.value);
                tell(mode, event.target.value, size);
              }}
            />
            {units.length > 1 ? (
              <Select
                label={`${title}: ${t.unit}`}
                hideLabel
                disabled={disabled}
                value={String(size)}
                options={units.map((unit) => ({ value: String(unit.size), label: unit.name }))}
                onChange={(next) => {
                  setSize(Number(next));
                  tell(mode, typed, Number(next));
                }}
              />
            ) : units[0] ? (
              <span className="muted">{units[0].name}</span>
            ) : null}
          </div>
          {problem ? (
            <p id={id} className="small tone-danger" role="alert">
              {problem}
            </p>
          ) : (
            <span id={id} className="hidden-text">
              {rangeOf(setting, t, f)}
            </span>
          )}
        </>
      ) : null}
    </fieldset>
  );
}

/** What to begin with where so far nothing was set. */
function suggestion(setting: Setting, size: number): string {
  const usual: Record<string, number> = { bytes_per_second: 64 * 1024 ** 2, seconds: 14 * 86_400 };
  const value = Math.min(usual[setting.unit] ?? 1, setting.most ?? Infinity);
  return String(Math.max(value, setting.least ?? 1) / size);
}

function shown(value: string, size: number): string {
  const number = Number(value);
  if (value === "node" || value === "0" || !Number.isFinite(number)) return value === "0" ? "0" : "";
  return String(number / size);
}
