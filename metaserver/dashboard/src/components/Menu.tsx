// Actions behind a button.

import type { Key, ReactNode } from "react";
import { Button } from "react-aria-components/Button";
import { Menu as Inner, MenuItem, MenuTrigger } from "react-aria-components/Menu";
import { Popover } from "react-aria-components/Popover";
import type { Icon } from "./icons";

export interface MenuEntry {
  id: string;
  label: ReactNode;
  icon?: Icon;
  selected?: boolean;
  danger?: boolean;
  disabled?: boolean;
  /** Why it cannot be used: makes it disabled. */
  refused?: string | null;
}

export interface MenuProps {
  label: string;
  button: ReactNode;
  className?: string;
  entries: MenuEntry[];
  onAction: (id: string) => void;
  /** Above the entries: who is signed in, say. */
  head?: ReactNode;
  /** Reached by other means than Tab: in rows of a table. */
  tabStop?: boolean;
}

export function Menu({ label, button, className = "button quiet", entries, onAction, head, tabStop = true }: MenuProps) {
  const text = (entry: MenuEntry) => (typeof entry.label === "string" ? entry.label : entry.id);
  return (
    <MenuTrigger>
      <Button className={className} aria-label={label} excludeFromTabOrder={!tabStop}>
        {button}
      </Button>
      <Popover className="popover" offset={5} placement="bottom end">
        {head ? <div className="menu-head">{head}</div> : null}
        <Inner
          className="list-box"
          aria-label={label}
          onAction={(key: Key) => onAction(String(key))}
          disabledKeys={entries.filter((entry) => entry.disabled || entry.refused).map((entry) => entry.id)}
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
              <span className="grow">
                {entry.label}
                {entry.refused ? <span className="small muted block menu-why">{entry.refused}</span> : null}
              </span>
            </MenuItem>
          ))}
        </Inner>
      </Popover>
    </MenuTrigger>
  );
}
