// The frame: navigation at the side, a bar on top, a page inside.

import { lazy, Suspense, useEffect, useRef, useState, type ComponentType } from "react";
import { Route, Switch, useLocation } from "wouter";
import { Skeleton } from "../components/Skeleton";
import { shell } from "../i18n/shell";
import { Banners } from "./Banners";
import { ErrorBoundary } from "./ErrorBoundary";
import { NotFound } from "./NotFound";
import { pages, type PageSpec } from "./pages";
import { Sidebar } from "./Sidebar";
import { TopBar } from "./TopBar";

const loaded = new Map<string, ComponentType>(pages.map((page) => [page.id, lazy(page.load)]));

export const pageOf = (path: string): PageSpec | undefined =>
  pages.find((page) => page.path !== "/" && (path === page.path || path.startsWith(`${page.path}/`))) ??
  pages.find((page) => page.path === path);

/** The page's address and all below it; names there may have line breaks in them. */
const subtree = (path: string): string | RegExp => (path === "/" ? "/" : new RegExp(`^${path}(?:/[^]*)?$`));

export function Shell() {
  const t = shell();
  const [path, go] = useLocation();
  const [menu, setMenu] = useState(false);
  const main = useRef<HTMLElement>(null);
  const first = useRef(true);
  const here = pageOf(path);
  const title = here ? t.pages[here.id] : t.notFoundTitle;

  useEffect(() => {
    if (path === "/login") go("/", { replace: true });
  }, [path, go]);
  useEffect(() => {
    document.title = `${title} · ${t.product}`;
  }, [title, t]);
  useEffect(() => {
    setMenu(false);
    // The first page is where the browser put the focus; later ones take it, so that what is read begins there.
    if (first.current) first.current = false;
    else main.current?.focus({ preventScroll: true });
    scrollTo(0, 0);
  }, [here?.id]);

  return (
    <div className="shell">
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {t.skip}
      </a>
      <Sidebar path={path} open={menu} onClose={() => setMenu(false)} />
      <div className="shell-right">
        <TopBar onMenu={() => setMenu(true)} />
        <main id="main" ref={main} tabIndex={-1} className="shell-main">
          <Banners />
          <ErrorBoundary key={here?.id}>
            <Suspense fallback={<PageSkeleton />}>
              <Switch>
                {pages.map((page) => (
                  <Route key={page.id} path={subtree(page.path)} component={loaded.get(page.id)!} />
                ))}
                <Route component={NotFound} />
              </Switch>
            </Suspense>
          </ErrorBoundary>
        </main>
      </div>
    </div>
  );
}

function PageSkeleton() {
  return (
    <div className="page" aria-busy="true">
      <Skeleton height={30} width={220} />
      <Skeleton height={150} />
      <Skeleton height={320} />
    </div>
  );
}
