// What was deleted in a directory, as long as it is kept.

import { useCallback, useMemo, useState } from "react";
import type { TrashItem } from "../../api/types";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { RestoreIcon, TrashIcon } from "../../components/icons";
import { SafeText } from "../../components/SafeText";
import { SkeletonLines } from "../../components/Skeleton";
import { useFormat } from "../../format";
import { middle, visible } from "../../format/visible";
import { useTrash, useTrashTime } from "./data";
import { Head } from "./Head";
import { canonical, decodeName, namesOf, nameOf, type Path } from "./paths";
import { PurgeDialog, RestoreDialog } from "./RestoreDialog";
import { SelectionBar } from "./SelectionBar";
import { SelectTable, type SelectColumn } from "./SelectTable";
import { words } from "./text";
import { useKeeps } from "./useKeeps";
import { useSelection } from "./useSelection";

const keyOf = (item: TrashItem): string => `${item.ino}-${item.index}`;
const NONE: TrashItem[] = [];

/** Where it was, from here. */
export function placeOf(item: TrashItem, directory: Path): string {
  const names = namesOf(canonical(item.path));
  const above = namesOf(directory);
  return above.every((name, at) => name === names[at]) ? names.slice(above.length).map(decodeName).join("/") : item.path;
}

export function Trash({ path }: { path: Path }) {
  const t = words();
  const tr = t.trash;
  const f = useFormat();
  const said = useKeeps();
  const refused = useRefusal("operator");
  const trash = useTrash(path);
  const keeps = useTrashTime(path);
  const items = trash.items ?? NONE;
  const selection = useSelection(items, keyOf);
  const [asked, setAsked] = useState<{ what: "restore" | "purge"; items: TrashItem[] } | null>(null);
  const name = middle(visible(nameOf(path)), 60);
  const nameIn = useCallback((item: TrashItem) => middle(visible(placeOf(item, path)), 80), [path]);

  const columns = useMemo(() => {
    const ways: Record<string, string> = tr.ways;
    const list: SelectColumn<TrashItem>[] = [
      {
        id: "path",
        head: tr.columns.path,
        className: "cell-name",
        cell: (item) => (
          <span className="trash-name">
            <SafeText value={placeOf(item, path)} most={100} />
            {item.open ? <span className="muted small block">{tr.open}</span> : null}
          </span>
        ),
      },
      { id: "size", head: tr.columns.size, className: "number cell-size", cell: (item) => f.bytes(item.size) },
      { id: "deleted", head: tr.columns.deleted, className: "cell-modified muted", cell: (item) => <span title={f.dateTime(item.deleted)}>{f.ago(item.deleted)}</span> },
      { id: "way", head: tr.columns.way, className: "cell-class muted", cell: (item) => <span title={ways[item.way] ?? item.way}>{ways[item.way] ?? item.way}</span> },
      {
        id: "left",
        head: tr.columns.left,
        className: "cell-left muted",
        cell: (item) => (item.keeps_seconds < 60 ? tr.due : f.duration(item.keeps_seconds)),
      },
      {
        id: "actions",
        head: <span className="hidden-text">{t.columns.actions}</span>,
        className: "cell-restore",
        cell: (item) => (
          <Button kind="quiet" small icon={RestoreIcon} refused={refused} tabIndex={-1} onClick={() => setAsked({ what: "restore", items: [item] })}>
            {tr.restore}
          </Button>
        ),
      },
    ];
    return list;
  }, [t, tr, f, refused, path]);

  const bytes = selection.items.reduce((sum, item) => sum + item.size, 0);
  const off = keeps?.seconds === 0;
  return (
    <div className="page files">
      <Head path={path} view="trash" lead={tr.lead} />
      <section className="card flush" aria-label={tr.title(name)}>
        {trash.failure ? (
          <div className="files-wait">
            <FailureNote failure={trash.failure} onRetry={trash.again} />
          </div>
        ) : null}
        {trash.items === undefined && !trash.failure ? (
          <div className="files-wait">
            <SkeletonLines lines={8} height={22} />
          </div>
        ) : null}
        {trash.items && items.length === 0 && !trash.failure ? (
          <EmptyState icon={TrashIcon} title={t.empty.trash}>
            {off ? t.empty.trashOff : keeps && keeps.seconds !== null ? t.empty.trashBody(said(keeps.seconds)) : t.empty.trashUnknown}
          </EmptyState>
        ) : null}
        {items.length > 0 ? (
          <SelectTable
            label={tr.title(name)}
            layout="trash"
            columns={columns}
            rows={items}
            keyOf={keyOf}
            nameOf={nameIn}
            selection={selection}
            onEnd={trash.goOn}
            onKey={(key, item) => {
              const them = selection.items.length > 0 ? selection.items : [item];
              if (refused || (key !== "Delete" && key !== "Enter")) return false;
              setAsked({ what: key === "Delete" ? "purge" : "restore", items: them });
              return true;
            }}
          />
        ) : null}
      </section>
      <SelectionBar count={selection.items.length} bytes={bytes} onClear={selection.clear}>
        <Button small icon={RestoreIcon} refused={refused} onClick={() => setAsked({ what: "restore", items: selection.items })}>
          {tr.restoreMany}
        </Button>
        <Button small icon={TrashIcon} refused={refused} onClick={() => setAsked({ what: "purge", items: selection.items })}>
          {tr.deleteForGood}
        </Button>
      </SelectionBar>
      {asked?.what === "restore" ? (
        <RestoreDialog
          items={asked.items}
          directory={path}
          onClose={() => setAsked(null)}
          onDone={() => {
            setAsked(null);
            selection.clear();
          }}
        />
      ) : null}
      {asked?.what === "purge" ? (
        <PurgeDialog
          items={asked.items}
          directory={path}
          onClose={() => setAsked(null)}
          onDone={() => {
            setAsked(null);
            selection.clear();
          }}
        />
      ) : null}
    </div>
  );
}
