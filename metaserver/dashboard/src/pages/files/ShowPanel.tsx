// The details of one file, at the side; arrows lead to its neighbours.

import type { ReactNode } from "react";
import type { Entry } from "../../api/types";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { CopyButton } from "../../components/CopyButton";
import { Dialog } from "../../components/Dialog";
import { FailureNote } from "../../components/FailureNote";
import { ChevronLeftIcon, ChevronRightIcon, DownloadIcon, EditIcon, LinkIcon, TagIcon, TrashIcon } from "../../components/icons";
import { SafeText } from "../../components/SafeText";
import { Skeleton, SkeletonLines } from "../../components/Skeleton";
import { Facts } from "../../components/Stat";
import { useFormat } from "../../format";
import { contentUrl, pathOf, type Verb } from "./actions";
import { useClasses, useStat } from "./data";
import { useClassMeans } from "./Kind";
import { namesOf, nameOf, readable, type Path } from "./paths";
import { Preview } from "./Preview";
import { permissions } from "./sizes";
import { words } from "./text";

export interface ShowPanelProps {
  path: Path;
  /** Encoded, as it stands in the address. */
  name: string;
  /** The files of the list, in its order. */
  files: Entry[];
  onShow: (name: string | null) => void;
  onVerb: (verb: Verb, entries: Entry[]) => void;
}

export function ShowPanel({ path, name, files, onShow, onVerb }: ShowPanelProps) {
  const t = words();
  const d = t.details;
  const f = useFormat();
  const here = `${path}/${name}`;
  const stat = useStat(here);
  const classes = useClasses();
  const means = useClassMeans();
  const refused = useRefusal("operator");
  const index = files.findIndex((entry) => namesOf(pathOf(entry)).at(-1) === name);
  const step = (by: number) => {
    const next = index < 0 ? undefined : files[index + by];
    return next ? () => onShow(namesOf(pathOf(next)).at(-1) ?? "") : null;
  };
  const before = step(-1);
  const after = step(1);
  const entry = stat.data;
  const file = entry?.kind === "file";
  const kind = entry ? classes.get(entry.class) : undefined;
  const metadata = Object.entries(entry?.metadata ?? {});

  return (
    <Dialog
      title={<SafeText value={nameOf(here)} most={60} />}
      open
      side
      onClose={() => onShow(null)}
      footer={
        entry ? (
          <>
            {file ? (
              <a className="button primary" href={contentUrl(here, "attachment")} download>
                <DownloadIcon />
                <span>{t.do.download}</span>
              </a>
            ) : null}
            {file ? (
              <Button icon={LinkIcon} refused={refused} onClick={() => onVerb("share", [entry])}>
                {t.do.shareShort}
              </Button>
            ) : null}
            <Button iconOnly icon={EditIcon} refused={refused} onClick={() => onVerb("move", [entry])}>
              {t.do.move}
            </Button>
            {file ? (
              <Button iconOnly icon={TagIcon} refused={refused} onClick={() => onVerb("properties", [entry])}>
                {t.do.classOf}
              </Button>
            ) : null}
            <Button iconOnly icon={TrashIcon} refused={refused} onClick={() => onVerb("delete", [entry])}>
              {t.do.delete}
            </Button>
          </>
        ) : null
      }
    >
      <div
        className="stack"
        onKeyDown={(event) => {
          const target = event.target as HTMLElement;
          if (target.closest("input, textarea, video, audio, pre")) return;
          if (event.key === "ArrowLeft") before?.();
          if (event.key === "ArrowRight") after?.();
        }}
      >
        {files.length > 1 && index >= 0 ? (
          <div className="row spread show-steps">
            <Button kind="quiet" small icon={ChevronLeftIcon} disabled={!before} onClick={() => before?.()}>
              {d.before}
            </Button>
            <span className="muted small">
              {f.count(index + 1)} / {f.count(files.length)}
            </span>
            <Button kind="quiet" small icon={ChevronRightIcon} disabled={!after} onClick={() => after?.()}>
              {d.after}
            </Button>
          </div>
        ) : null}
        {stat.error ? <FailureNote failure={stat.error} onRetry={() => void stat.refetch()} /> : null}
        {stat.isPending ? (
          <>
            <Skeleton height={220} />
            <SkeletonLines lines={6} />
          </>
        ) : null}
        {entry ? (
          <>
            <Preview key={here} path={here} entry={entry} />
            <h3 className="files-h3">{d.facts}</h3>
            <Facts
              rows={[
                [
                  d.path,
                  <span key="p" className="row">
                    <SafeText value={readable(here)} most={120} mono />
                    <CopyButton text={readable(here)} label={d.copyPath} />
                  </span>,
                ],
                [d.kind, t.kinds[entry.kind]],
                ...(file
                  ? ([
                      [
                        d.size,
                        <span key="s">
                          {f.bytes(entry.size)} <span className="muted small">({d.bytes(f.count(entry.size))})</span>
                        </span>,
                      ],
                      [d.type, <SafeText key="t" value={entry.content_type || "–"} most={80} />],
                    ] as [string, ReactNode][])
                  : []),
                [
                  d.modified,
                  <span key="m">
                    {f.dateTime(entry.modified)} <span className="muted small">({f.ago(entry.modified)})</span>
                  </span>,
                ],
                [
                  d.class,
                  <span key="c">
                    <SafeText value={entry.class_name} most={40} />
                    {entry.converting ? <span className="muted small"> ({d.converting})</span> : null}
                    {kind ? <span className="muted small block">{means(kind)}</span> : null}
                  </span>,
                ],
                [d.owner, d.ownerIds(entry.uid, entry.gid)],
                [d.mode, <code key="o">{permissions(entry.mode)}</code>],
                ...(file ? ([[d.etag, <SafeText key="e" value={entry.etag || "–"} most={80} mono />]] as [string, ReactNode][]) : []),
                [d.inode, <code key="i">{String(entry.ino)}</code>],
                [d.version, f.count(entry.version)],
              ]}
            />
            <h3 className="files-h3">{d.metadata}</h3>
            {metadata.length === 0 ? (
              <p className="muted small">{d.noMetadata}</p>
            ) : (
              <Facts rows={metadata.map(([key, value]) => [<SafeText key="k" value={key} most={60} />, <SafeText key="v" value={value} most={300} />])} />
            )}
          </>
        ) : null}
      </div>
    </Dialog>
  );
}
