// The bar on top: which cluster, how it is, how fresh that is, and what belongs to the reader.

import { Link } from "wouter";
import { useOverview } from "../api/queries";
import { Button } from "../components/Button";
import { MenuIcon } from "../components/icons";
import { StatusBadge, toneOfHealth } from "../components/StatusBadge";
import { shell } from "../i18n/shell";
import { AccountMenu } from "./AccountMenu";
import { LanguageMenu } from "./LanguageMenu";
import { LiveIndicator } from "./LiveIndicator";
import { useMe } from "./session";
import { ThemeMenu } from "./ThemeMenu";

export function TopBar({ onMenu }: { onMenu: () => void }) {
  const t = shell();
  const me = useMe();
  const { data } = useOverview();
  const health = data?.health ?? "unknown";
  const worrying = data?.issues.filter((issue) => issue.severity !== "note").length ?? 0;
  return (
    <header className="topbar">
      <Button className="topbar-menu" kind="quiet" iconOnly icon={MenuIcon} onClick={onMenu}>
        {t.openNavigation}
      </Button>
      <span className="topbar-cluster" title={data?.cluster ?? me.cluster}>
        {data?.cluster ?? me.cluster}
      </span>
      <Link href="/" className="topbar-health">
        <span className="hidden-text">{t.healthLabel}</span>
        <StatusBadge tone={toneOfHealth[health]}>
          <span className="topbar-health-text">{t.health[health]}</span>
          {worrying > 0 ? (
            <span className="topbar-count">
              {worrying}
              <span className="hidden-text">{t.issues(worrying)}</span>
            </span>
          ) : null}
        </StatusBadge>
      </Link>
      <span role="status" className="hidden-text">
        {data ? t.healthChip(t.health[health], worrying) : ""}
      </span>
      <span className="grow" />
      <LiveIndicator />
      <LanguageMenu />
      <ThemeMenu />
      <AccountMenu />
    </header>
  );
}
