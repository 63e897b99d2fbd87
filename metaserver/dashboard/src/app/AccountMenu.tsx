// Who is signed in, with which role; a new password; signing out.

import { useState } from "react";
import { AccessIcon, LeaveIcon, UserIcon } from "../components/icons";
import { Menu } from "../components/Menu";
import { SafeText } from "../components/SafeText";
import { common } from "../i18n/common";
import { shell } from "../i18n/shell";
import { PasswordDialog } from "./PasswordForm";
import { signOut, useMe } from "./session";

export function AccountMenu() {
  const t = shell();
  const words = common();
  const me = useMe();
  const [password, setPassword] = useState(false);
  return (
    <>
      <Menu
        label={t.account(me.account)}
        button={<UserIcon />}
        className="button quiet icon-only"
        head={
          <>
            <p className="strong">
              <SafeText value={me.account} most={32} />
            </p>
            <p className="small muted">{words.roles[me.role]}</p>
          </>
        }
        entries={[
          { id: "password", label: t.changePassword, icon: AccessIcon },
          { id: "leave", label: t.signOut, icon: LeaveIcon },
        ]}
        onAction={(id) => {
          if (id === "leave") void signOut();
          else setPassword(true);
        }}
      />
      {password ? <PasswordDialog onClose={() => setPassword(false)} /> : null}
    </>
  );
}
