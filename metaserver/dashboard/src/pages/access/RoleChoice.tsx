// A role, with what it may do.

import { useId } from "react";
import type { Role } from "../../api/types";
import { common } from "../../i18n/common";
import { rankOf, ROLES } from "./data";
import { words } from "./text";

export function RoleChoice({ label, value, onChange, most = "admin" }: { label: string; value: Role; onChange: (role: Role) => void; most?: Role }) {
  const t = words().roles;
  const w = common();
  const name = useId();
  return (
    <fieldset className="roles">
      <legend>{label}</legend>
      {ROLES.map((role) => {
        const off = rankOf(role) > rankOf(most);
        return (
          <label key={role} className={`role ${value === role ? "is-on" : ""} ${off ? "is-off" : ""}`}>
            <input type="radio" name={name} value={role} checked={value === role} disabled={off} onChange={() => onChange(role)} />
            <span>
              <span className="strong block">{w.roles[role]}</span>
              <span className="small muted block">{t[role]}</span>
            </span>
          </label>
        );
      })}
    </fieldset>
  );
}
