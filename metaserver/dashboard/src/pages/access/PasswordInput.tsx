// A password for somebody else: typed or generated, shown on request, to be handed over.

import { useState } from "react";
import { Button } from "../../components/Button";
import { CopyButton } from "../../components/CopyButton";
import { Checkbox, TextField } from "../../components/TextField";
import { generatedPassword, passwordProblem } from "./data";
import { words } from "./text";

export interface PasswordInputProps {
  label: string;
  account: string;
  value: string;
  onChange: (password: string) => void;
  tried: boolean;
}

export function PasswordInput({ label, account, value, onChange, tried }: PasswordInputProps) {
  const t = words().accounts;
  const [shown, setShown] = useState(false);
  const problem = passwordProblem(value, account);
  return (
    <div className="stack tight">
      <div className="row password-row">
        <TextField
          className="grow"
          label={label}
          type={shown ? "text" : "password"}
          value={value}
          onChange={onChange}
          autoComplete="new-password"
          spellCheck={false}
          hint={t.passwordHint}
          error={tried && problem ? (problem === "short" ? t.passwordShort : t.passwordName) : null}
        />
        <Button
          onClick={() => {
            onChange(generatedPassword());
            setShown(true);
          }}
        >
          {t.generate}
        </Button>
        <CopyButton text={value} />
      </div>
      <Checkbox label={t.show} checked={shown} onChange={setShown} />
    </div>
  );
}
