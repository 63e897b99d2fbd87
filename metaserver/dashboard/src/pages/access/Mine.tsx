// One's own account: who one is, the password, one's sessions and tokens.

import { useState } from "react";
import { PasswordDialog } from "../../app/PasswordForm";
import { useMe } from "../../app/session";
import { Button } from "../../components/Button";
import { Card } from "../../components/Card";
import { SafeText } from "../../components/SafeText";
import { Facts } from "../../components/Stat";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { shell } from "../../i18n/shell";
import { rankOf, ROLES } from "./data";
import { Sessions } from "./Sessions";
import { words } from "./text";
import { Tokens } from "./Tokens";

export function Mine() {
  const t = words();
  const m = t.me;
  const w = common();
  const s = shell();
  const f = useFormat();
  const me = useMe();
  const [password, setPassword] = useState(false);
  return (
    <div className="stack access-stack">
      <Card title={m.who}>
        <Facts
          rows={[
            [m.account, <span key="a" className="strong"><SafeText value={me.account} most={64} /></span>],
            [m.role, w.roles[me.role]],
            [
              m.may,
              <ul key="m" className="may">
                {ROLES.filter((role) => rankOf(role) <= rankOf(me.role)).map((role) => (
                  <li key={role}>{t.roles[role]}</li>
                ))}
              </ul>,
            ],
            [m.viaLabel, m.via[me.via]],
            [m.ends, `${f.dateTime(me.expires_at)} (${f.ago(me.expires_at)})`],
            [
              m.password,
              <span key="p" className="row wrap">
                <Button small onClick={() => setPassword(true)}>
                  {s.changePassword}
                </Button>
                <span className="muted small">{m.passwordNote}</span>
              </span>,
            ],
          ]}
        />
      </Card>
      <Sessions mine />
      <Tokens mine />
      {password ? <PasswordDialog onClose={() => setPassword(false)} /> : null}
    </div>
  );
}
