// Every file that is shared by a link.

import { useState } from "react";
import { Link } from "wouter";
import type { Share } from "../../api/types";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { ConfirmDialog } from "../../components/ConfirmDialog";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { ClockIcon, LinkIcon } from "../../components/icons";
import { SafeText } from "../../components/SafeText";
import { SkeletonLines } from "../../components/Skeleton";
import { StatusBadge } from "../../components/StatusBadge";
import { useWork } from "../../components/useWork";
import { useFormat } from "../../format";
import { useShares } from "./data";
import { Head } from "./Head";
import { addressOf, canonical, namesOf, parentOf, readable, ROOT } from "./paths";
import { revoke } from "./ShareDialog";
import { words } from "./text";

export function Links() {
  const t = words();
  const s = t.share;
  const f = useFormat();
  const refused = useRefusal("operator");
  const shares = useShares();
  const [asked, setAsked] = useState<Share | null>(null);
  const work = useWork();

  const columns: Column<Share>[] = [
    {
      id: "file",
      title: s.columns.file,
      width: "minmax(220px, 2fr)",
      sort: (one) => one.path,
      cell: (one) => {
        const path = canonical(one.path);
        return (
          <Link href={`${addressOf(parentOf(path))}?show=${encodeURIComponent(namesOf(path).at(-1) ?? "")}`}>
            <SafeText value={readable(path)} most={70} />
          </Link>
        );
      },
    },
    { id: "by", title: s.columns.by, width: "minmax(110px, 0.6fr)", sort: (one) => one.created_by, cell: (one) => <SafeText value={one.created_by} most={24} /> },
    { id: "created", title: s.columns.created, width: "minmax(170px, 0.7fr)", sort: (one) => one.created, cell: (one) => f.dateTime(one.created) },
    {
      id: "expires",
      title: s.columns.expires,
      width: "minmax(200px, 0.8fr)",
      sort: (one) => one.expires,
      cell: (one) => (
        <StatusBadge tone={one.expired ? "idle" : "ok"} icon={one.expired ? ClockIcon : LinkIcon} bare>
          <span title={f.dateTime(one.expires)}>{one.expired ? s.expired(f.ago(one.expires)) : s.until(f.ago(one.expires))}</span>
        </StatusBadge>
      ),
    },
    {
      id: "do",
      title: t.columns.actions,
      width: "90px",
      cell: (one) => (
        <Button small refused={refused} onClick={() => setAsked(one)}>
          {s.revoke}
        </Button>
      ),
    },
  ];
  return (
    <div className="page files">
      <Head path={ROOT} view="links" lead={s.lead} />
      <section className="card flush" aria-label={s.existingAll}>
        {shares.error ? (
          <div className="files-wait">
            <FailureNote failure={shares.error} onRetry={() => void shares.refetch()} />
          </div>
        ) : null}
        {shares.isPending ? (
          <div className="files-wait">
            <SkeletonLines lines={4} height={22} />
          </div>
        ) : null}
        {shares.data ? (
          <DataTable
            label={s.existingAll}
            columns={columns}
            rows={shares.data}
            rowKey={(one) => one.id}
            initialSort={{ column: "created", descending: true }}
            height={560}
            empty={
              <EmptyState icon={LinkIcon} title={t.empty.links}>
                {t.empty.linksBody}
              </EmptyState>
            }
          />
        ) : null}
      </section>
      {asked ? (
        <ConfirmDialog
          title={s.revokeTitle}
          action={s.revoke}
          dangerous
          busy={work.busy}
          failure={work.failure}
          onClose={() => setAsked(null)}
          onConfirm={() =>
            void revoke(asked, work.run, s.revoked).then((done) => {
              if (done) setAsked(null);
            })
          }
        >
          <p>
            <SafeText value={readable(canonical(asked.path))} most={90} />
          </p>
          <p>{s.revokeBody}</p>
        </ConfirmDialog>
      ) : null}
    </div>
  );
}
