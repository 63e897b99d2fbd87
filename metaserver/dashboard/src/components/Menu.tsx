// Actions behind a button.

import type { Key, ReactNode } from "react";
import { Button, Menu as Inner, MenuItem, MenuTrigger, Popover } from "react-aria-components";
import type { Icon } from "./icons";

export interface MenuEntry {
  id: string;
  label: ReactNode;
  icon?: Icon;
  selected?: boolean;
  danger?: boolean;
  disabled?: boolean;
}

export interface MenuProps {
  label: string;
  button: ReactNode;
  className?: string;
  entries: MenuEntry[];
  onAction: (id: string) => void;
  /** Above the entries: who is signed in, say. */
  head?: ReactNode;
}

export function Menu({ label, button, className = "button quiet", entries, onAction, head }: MenuProps) {
  const text = (entry: MenuEntry) => (typeof entry.label === "string" ? entry.label : entry.id);
  return (
    <MenuTrigger>
      <Button className={className} aria-label={label}>
        {button}
      </Button>
      <Popover className="popover" offset={5} placement="bottom end">
        {head ? <div className="menu-head">{head}</div> : null}
        <Inner
          className="list-box"
          aria-label={label}
          onAction={(key: Key) => onAction(String(key))}
          disabledKeys={entries.filter((entry) => entry.disabled).map((entry) => entry.id)}
        >
          {entries.map((entry) => (
            <MenuItem
              key={entry.id}
              id={entry.id}
              textValue={text(entry)}
              className={`list-item ${entry.danger ? "tone-danger" : ""}`}
              data-selected={entry.selected || undefined}
            >
              {entry.icon ? <entry.icon size={15} /> : null}
              <span className="grow">{entry.label}</span>
            </MenuItem>
          ))}
        </Inner>
      </Popover>
    </MenuTrigger>
  );
}
