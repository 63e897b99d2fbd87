// A text to look for. Tells after a short rest, not at every key.

import { useEffect, useRef, useState } from "react";
import { common } from "../i18n/common";
import { Button } from "./Button";
import { CloseIcon, SearchIcon } from "./icons";

export interface SearchFieldProps {
  label: string;
  placeholder?: string;
  value: string;
  onChange: (value: string) => void;
  delay?: number;
}

export function SearchField({ label, placeholder, value, onChange, delay = 200 }: SearchFieldProps) {
  const t = common();
  const [text, setText] = useState(value);
  const input = useRef<HTMLInputElement>(null);
  const told = useRef(value);
  useEffect(() => {
    if (value !== told.current) setText(value);
    told.current = value;
  }, [value]);
  useEffect(() => {
    if (text === told.current) return undefined;
    const timer = setTimeout(() => {
      told.current = text;
      onChange(text);
    }, delay);
    return () => clearTimeout(timer);
  }, [text, delay, onChange]);
  return (
    <div className="search" role="search">
      <SearchIcon size={15} />
      <input
        ref={input}
        className="input"
        type="text"
        inputMode="search"
        aria-label={label}
        placeholder={placeholder ?? label}
        value={text}
        spellCheck={false}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape" && text) {
            event.stopPropagation();
            setText("");
          }
        }}
      />
      {text ? (
        <Button
          kind="quiet"
          small
          iconOnly
          icon={CloseIcon}
          onClick={() => {
            setText("");
            input.current?.focus();
          }}
        >
          {t.actions.clear}
        </Button>
      ) : null}
    </div>
  );
}
