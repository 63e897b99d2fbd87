// One of several, in a list that opens.

import type { Key } from "react";
import { Button } from "react-aria-components/Button";
import { Label } from "react-aria-components/Label";
import { ListBox, ListBoxItem } from "react-aria-components/ListBox";
import { Popover } from "react-aria-components/Popover";
import { Select as Inner, SelectValue } from "react-aria-components/Select";
import { CheckIcon, ChevronDownIcon } from "./icons";

export interface SelectProps<T extends string> {
  label: string;
  options: { value: T; label: string }[];
  value: T;
  onChange: (value: T) => void;
  /** The label is spoken, not shown. */
  hideLabel?: boolean;
  disabled?: boolean;
}

export function Select<T extends string>({ label, options, value, onChange, hideLabel = false, disabled = false }: SelectProps<T>) {
  return (
    <Inner
      className="field select"
      selectedKey={value}
      isDisabled={disabled}
      onSelectionChange={(key: Key | null) => {
        if (key !== null) onChange(String(key) as T);
      }}
    >
      <Label className={hideLabel ? "hidden-text" : "field-label"}>{label}</Label>
      <Button className="button plain select-button">
        <SelectValue className="select-value" />
        <ChevronDownIcon size={14} />
      </Button>
      <Popover className="popover" offset={5}>
        <ListBox className="list-box">
          {options.map((option) => (
            <ListBoxItem key={option.value} id={option.value} textValue={option.label} className="list-item">
              {({ isSelected }) => (
                <>
                  <span className="grow">{option.label}</span>
                  {isSelected ? <CheckIcon size={14} /> : null}
                </>
              )}
            </ListBoxItem>
          ))}
        </ListBox>
      </Popover>
    </Inner>
  );
}
