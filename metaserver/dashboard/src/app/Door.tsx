// What stands before the dashboard: the login, a new password, a server that does not answer.

import { useEffect, type ReactNode } from "react";
import { Mark } from "../components/icons";
import { shell } from "../i18n/shell";
import { LanguageMenu } from "./LanguageMenu";
import { ThemeMenu } from "./ThemeMenu";

export function Door({ title, lead, children }: { title: string; lead?: ReactNode; children: ReactNode }) {
  const t = shell();
  useEffect(() => {
    document.title = `${title} · ${t.product}`;
  }, [title, t]);
  return (
    <div className="door">
      <header className="door-bar">
        <LanguageMenu />
        <ThemeMenu />
      </header>
      <main className="door-card">
        <div className="door-brand">
          <Mark size={34} />
          <span>{t.product}</span>
        </div>
        <div>
          <h1>{title}</h1>
          {lead ? <p className="muted">{lead}</p> : null}
        </div>
        {children}
      </main>
    </div>
  );
}
