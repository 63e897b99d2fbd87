// The head of a view: where one is, what it is called, the views beside it, and what can be done.

import type { ReactNode } from "react";
import { Link } from "wouter";
import { SafeText } from "../../components/SafeText";
import { Breadcrumbs } from "./Breadcrumbs";
import { addressOf, nameOf, ROOT, type Path } from "./paths";
import { words } from "./text";

export type View = "files" | "trash" | "buckets" | "links";

export function Head({ path, view, lead, children }: { path: Path; view: View; lead?: ReactNode; children?: ReactNode }) {
  const t = words();
  const here = addressOf(path);
  const views: { id: View; to: string }[] =
    path === ROOT
      ? [
          { id: "buckets", to: here },
          { id: "links", to: `${here}?view=links` },
        ]
      : [
          { id: "files", to: here },
          { id: "trash", to: `${here}?view=trash` },
        ];
  return (
    <>
      {path === ROOT ? null : <Breadcrumbs path={path} />}
      <header className="page-head files-head">
        <div className="files-title">
          <h1>{path === ROOT ? t.title : <SafeText value={nameOf(path)} most={60} />}</h1>
          {lead ? <p>{lead}</p> : null}
        </div>
        <div className="row wrap">{children}</div>
      </header>
      <nav className="files-views" aria-label={t.view}>
        {views.map((one) => (
          <Link key={one.id} href={one.to} className={`tab ${one.id === view ? "is-here" : ""}`} aria-current={one.id === view ? "page" : undefined}>
            {t.views[one.id]}
          </Link>
        ))}
      </nav>
    </>
  );
}
