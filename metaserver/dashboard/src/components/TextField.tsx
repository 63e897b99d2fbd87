// A line of text with its label, a hint and what is wrong with it.

import { useId, type InputHTMLAttributes, type ReactNode, type Ref } from "react";

export interface TextFieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "onChange"> {
  label: ReactNode;
  hint?: ReactNode;
  error?: ReactNode;
  /** After the text: a unit. */
  unit?: ReactNode;
  onChange: (value: string) => void;
  ref?: Ref<HTMLInputElement>;
}

export function TextField({ label, hint, error, unit, onChange, className = "", ...rest }: TextFieldProps) {
  const id = useId();
  const described = error || hint ? `${id}-note` : undefined;
  return (
    <div className={`field ${className}`}>
      <label htmlFor={id}>{label}</label>
      <div className="row">
        <input
          {...rest}
          id={id}
          className="input"
          aria-describedby={described}
          aria-invalid={error ? true : undefined}
          onChange={(event) => onChange(event.target.value)}
        />
        {unit ? <span className="muted small nowrap">{unit}</span> : null}
      </div>
      {error || hint ? (
        <p id={described} className={`small ${error ? "tone-danger" : "muted"}`}>
          {error ?? hint}
        </p>
      ) : null}
    </div>
  );
}

export function Checkbox({
  label,
  hint,
  checked,
  onChange,
  disabled = false,
}: {
  label: ReactNode;
  hint?: ReactNode;
  checked: boolean;
  onChange: (on: boolean) => void;
  disabled?: boolean;
}) {
  return (
    <label className="checkbox">
      <input type="checkbox" checked={checked} disabled={disabled} onChange={(event) => onChange(event.target.checked)} />
      <span>
        {label}
        {hint ? <span className="small muted block">{hint}</span> : null}
      </span>
    </label>
  );
}
