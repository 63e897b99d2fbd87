// The description of the admin API, read from the server that one is connected to.

import { useEffect, useMemo, useState } from "react";
import { Link } from "wouter";
import { url } from "../../api/client";
import { useGet } from "../../api/queries";
import { useFilters } from "../../app/address";
import { Card } from "../../components/Card";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { SearchIcon } from "../../components/icons";
import { SearchField } from "../../components/SearchField";
import { SkeletonLines } from "../../components/Skeleton";
import { useFormat } from "../../format";
import { routesOf, type OpenApi, type Route } from "./model";
import { OperationView } from "./OperationView";
import { words } from "./text";

const NAMES = ["q", "op"] as const;

export default function ReferencePage() {
  const t = words();
  const f = useFormat();
  const { data, error, refetch } = useGet<OpenApi>("/openapi.json", {}, { staleTime: 600_000 });
  const [filters, change] = useFilters(NAMES);
  const search = useMemo(() => (q: string) => change({ q }), [change]);
  const all = useMemo(() => (data ? routesOf(data) : []), [data]);
  const wanted = filters.q.trim().toLowerCase();
  const shown = wanted ? all.filter((route) => textOf(route).includes(wanted)) : all;
  const tags = [...new Set(shown.map((route) => route.tag))];
  const [open, setOpen] = useState<Set<string>>(() => new Set(filters.op ? [filters.op] : []));
  useEffect(() => {
    if (data && filters.op) document.getElementById(filters.op)?.scrollIntoView({ block: "center" });
    // Only where one comes in: later one has scrolled oneself.
  }, [data]);
  const toggle = (id: string, on: boolean) => {
    setOpen((before) => {
      const next = new Set(before);
      if (on) next.add(id);
      else next.delete(id);
      return next;
    });
    change({ op: on ? id : "" });
  };
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>{t.title}</h1>
          <p>{t.lead}</p>
        </div>
        <a className="button plain" href={url("/openapi.json")} target="_blank" rel="noreferrer">
          {t.raw}
        </a>
      </header>
      <Card title={t.howTitle} note={data?.info?.version ? t.versionOf(data.info.version) : undefined}>
        <ul className="ref-how">
          <li>
            {t.howToken} <Link href="/access">{t.toAccess}</Link>
          </li>
          <li>{t.howPages}</li>
          <li>{t.howErrors}</li>
        </ul>
      </Card>
      <div className="ref-find">
        <SearchField label={t.find} value={filters.q} onChange={search} />
        <span className="muted small" role="status">
          {data ? t.operations(f.count(shown.length)) : ""}
        </span>
      </div>
      {error && !data ? <FailureNote failure={error} onRetry={() => void refetch()} /> : null}
      {!data && !error ? <SkeletonLines lines={12} height={34} /> : null}
      {data && shown.length === 0 ? (
        <section className="card">
          <EmptyState icon={SearchIcon} title={t.nothing} small />
        </section>
      ) : null}
      {data
        ? tags.map((tag) => (
            <Card
              key={tag}
              title={tag ? tag.charAt(0).toUpperCase() + tag.slice(1) : t.others}
              note={data.tags?.find((one) => one.name === tag)?.description}
              flush
            >
              <ul>
                {shown
                  .filter((route) => route.tag === tag)
                  .map((route) => (
                    <OperationView
                      key={route.id}
                      route={route}
                      document={data}
                      open={open.has(route.id)}
                      onToggle={(on) => toggle(route.id, on)}
                    />
                  ))}
              </ul>
            </Card>
          ))
        : null}
    </div>
  );
}

const textOf = ({ method, path, tag, operation }: Route): string =>
  `${method} ${path} ${tag} ${operation.summary ?? ""} ${operation.description ?? ""} ${operation.operationId ?? ""}`.toLowerCase();
