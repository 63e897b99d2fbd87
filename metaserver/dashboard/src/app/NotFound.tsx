// An address that leads nowhere.

import { Link } from "wouter";
import { EmptyState } from "../components/EmptyState";
import { UnknownIcon } from "../components/icons";
import { shell } from "../i18n/shell";

export function NotFound() {
  const t = shell();
  return (
    <div className="page">
      <h1 className="hidden-text">{t.notFoundTitle}</h1>
      <EmptyState icon={UnknownIcon} title={t.notFoundTitle} action={<Link href="/">{t.toOverview}</Link>}>
        {t.notFoundBody}
      </EmptyState>
    </div>
  );
}
