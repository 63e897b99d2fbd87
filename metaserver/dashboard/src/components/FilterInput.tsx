// A short text that narrows a list: tells after a short rest, or at once on Enter.

import { useEffect, useId, useRef, useState } from "react";

export interface FilterInputProps {
  label: string;
  value: string;
  onChange: (value: string) => void;
  /** What is wrong with it; a wrong text is not told. */
  check?: (text: string) => string | null;
  /** What is made of the text before it is told. */
  clean?: (text: string) => string;
  suggestions?: string[];
  placeholder?: string;
  width?: number;
  numeric?: boolean;
}

const REST_MS = 350;
const asIs = (text: string) => text.trim();

export function FilterInput({ label, value, onChange, check, clean = asIs, suggestions, placeholder, width = 84, numeric }: FilterInputProps) {
  const list = useId();
  const [text, setText] = useState(value);
  const told = useRef(value);
  useEffect(() => {
    if (value !== told.current) setText(value);
    told.current = value;
  }, [value]);
  const wanted = clean(text);
  const wrong = wanted ? (check?.(wanted) ?? null) : null;
  useEffect(() => {
    if (wrong || wanted === told.current) return undefined;
    const timer = setTimeout(() => {
      told.current = wanted;
      onChange(wanted);
    }, REST_MS);
    return () => clearTimeout(timer);
  }, [wanted, wrong, onChange]);
  return (
    <label className="filter-input">
      <span className="small muted">{label}</span>
      <input
        className="input"
        style={{ width }}
        value={text}
        maxLength={200}
        autoComplete="off"
        spellCheck={false}
        placeholder={placeholder}
        aria-invalid={wrong ? true : undefined}
        title={wrong ?? undefined}
        {...(numeric ? { inputMode: "numeric" as const } : {})}
        {...(suggestions ? { list } : {})}
        onChange={(event) => setText(event.target.value)}
      />
      {suggestions ? (
        <datalist id={list}>
          {suggestions.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
      ) : null}
    </label>
  );
}
