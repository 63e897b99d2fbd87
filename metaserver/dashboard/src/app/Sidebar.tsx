// Navigation. On narrow screens it is a drawer.

import { useEffect, useRef } from "react";
import { Link } from "wouter";
import { useOverview } from "../api/queries";
import { Button } from "../components/Button";
import { CloseIcon, Mark } from "../components/icons";
import { shell } from "../i18n/shell";
import { pages, type Section } from "./pages";
import { useMe } from "./session";

const SECTIONS: Section[] = ["observe", "data", "operate", "govern"];

export function Sidebar({ path, open, onClose }: { path: string; open: boolean; onClose: () => void }) {
  const t = shell();
  const me = useMe();
  const { data } = useOverview();
  const nav = useRef<HTMLElement>(null);

  useEffect(() => {
    if (!open) return undefined;
    nav.current?.querySelector<HTMLElement>("a")?.focus();
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape") onClose();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [open, onClose]);

  const isHere = (at: string) => (at === "/" ? path === "/" : path === at || path.startsWith(`${at}/`));
  return (
    <>
      <div className={`sidebar-scrim ${open ? "is-open" : ""}`} onClick={onClose} />
      <nav ref={nav} className={`sidebar ${open ? "is-open" : ""}`} aria-label={t.navigation}>
        <div className="sidebar-head">
          <Link href="/" className="brand">
            <Mark />
            <span>{t.product}</span>
          </Link>
          <Button className="sidebar-close" kind="quiet" iconOnly icon={CloseIcon} onClick={onClose}>
            {t.closeNavigation}
          </Button>
        </div>
        <div className="sidebar-pages">
          {SECTIONS.map((section) => {
            const mine = pages.filter((page) => page.section === section);
            if (mine.length === 0) return null;
            return (
              <div key={section} className="sidebar-section">
                <p id={`nav-${section}`} className="sidebar-title">
                  {t.sections[section]}
                </p>
                <ul aria-labelledby={`nav-${section}`}>
                  {mine.map((page) => (
                    <li key={page.id}>
                      <Link
                        href={page.path}
                        className={`sidebar-link ${isHere(page.path) ? "is-here" : ""}`}
                        aria-current={isHere(page.path) ? "page" : undefined}
                        onClick={onClose}
                      >
                        <page.icon />
                        <span>{t.pages[page.id]}</span>
                      </Link>
                    </li>
                  ))}
                </ul>
              </div>
            );
          })}
        </div>
        <p className="sidebar-foot small muted">{t.version(data?.version ?? me.version)}</p>
      </nav>
    </>
  );
}
