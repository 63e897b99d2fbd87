// Who is signed in, with which role; one's own sessions and tokens; a new password; signing out.

import { useState } from "react";
import { useLocation } from "wouter";
import { AccessIcon, InfoIcon, LeaveIcon, UserIcon } from "../components/icons";
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
  const [, go] = useLocation();
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
          { id: "mine", label: t.myAccount, icon: InfoIcon },
          { id: "password", label: t.changePassword, icon: AccessIcon },
          { id: "leave", label: t.signOut, icon: LeaveIcon },
        ]}
        onAction={(id) => {
          if (id === "leave") void signOut();
          else if (id === "mine") go("/access/me");
          else setPassword(true);
        }}
      />
      {password ? <PasswordDialog onClose={() => setPassword(false)} /> : null}
    </>
  );
}
