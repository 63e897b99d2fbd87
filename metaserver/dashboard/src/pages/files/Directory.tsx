// What is in a directory.

import { useCallback, useEffect, useMemo, useState } from "react";
import { navigate, useSearch } from "wouter/use-browser-location";
import type { Entry } from "../../api/types";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { EditIcon, FilesIcon, FolderPlusIcon, SearchIcon, TagIcon, TrashIcon } from "../../components/icons";
import { SearchField } from "../../components/SearchField";
import { SkeletonLines } from "../../components/Skeleton";
import { useFormat } from "../../format";
import { middle, visible } from "../../format/visible";
import { useFilters } from "../../app/address";
import { common } from "../../i18n/common";
import { download, pathOf, type Verb } from "./actions";
import { useChanges, useListing } from "./data";
import { Dialogs, type Asked } from "./Dialogs";
import { EntryTable, keyOf, MOST_SORTED, sortEntries, type Sort } from "./EntryTable";
import { Head } from "./Head";
import { addressOf, nameOf, namesOf, parentOf, type Path } from "./paths";
import { SelectionBar } from "./SelectionBar";
import { ShowPanel } from "./ShowPanel";
import { words } from "./text";
import { DropZone } from "./uploads/DropZone";
import { Unfinished } from "./uploads/Unfinished";
import { UploadButton } from "./uploads/UploadButton";
import { useSelection } from "./useSelection";

/** With more pages than this, what changes is offered, not fetched at once. */
const FEW = 1_000;
const BY_NAME: Sort = { by: "name", descending: false };

export function Directory({ path }: { path: Path }) {
  const t = words();
  const w = common();
  const f = useFormat();
  const refused = useRefusal("operator");
  const [{ prefix }, filter] = useFilters(["prefix"]);
  const shown = new URLSearchParams(useSearch()).get("show");
  const listing = useListing(path, prefix);
  const [wished, setSort] = useState<Sort>(BY_NAME);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [stale, setStale] = useState(false);

  const count = listing.items?.length ?? 0;
  const fixed = listing.more ? t.order : count > MOST_SORTED ? t.tooManyToSort : null;
  const sort = fixed ? BY_NAME : wished;
  const entries = useMemo(() => sortEntries(listing.items ?? [], sort), [listing.items, sort]);
  const selection = useSelection(entries, keyOf);
  const { goOn, again } = listing;

  useChanges(
    path,
    useCallback(() => {
      if (count <= FEW) again();
      else setStale(true);
    }, [count, again]),
  );
  // A page may hold nothing that matches and still not be the last one.
  const thin = listing.more && !listing.fetching && count < 50;
  useEffect(() => {
    if (thin) goOn();
  }, [thin, goOn]);

  const show = useCallback(
    (name: string | null) => {
      const next = new URLSearchParams(location.search);
      if (name === null) next.delete("show");
      else next.set("show", name);
      const text = next.toString();
      navigate(addressOf(path) + (text ? `?${text}` : ""), { replace: name === null || shown !== null });
    },
    [path, shown],
  );
  const onVerb = useCallback(
    (verb: Verb, them: Entry[]) => {
      const first = them[0];
      if (!first) return;
      if (verb === "open") navigate(addressOf(pathOf(first)));
      else if (verb === "show") show(namesOf(pathOf(first)).at(-1) ?? "");
      else if (verb === "download") download(pathOf(first));
      else if (!refused) setAsked({ verb, entries: them });
    },
    [show, refused],
  );
  const files = useMemo(() => entries.filter((entry) => entry.kind !== "directory"), [entries]);
  const bytes = selection.items.reduce((sum, entry) => sum + (entry.kind === "file" ? entry.size : 0), 0);
  const missing = listing.failure?.status === 404;

  return (
    <div className="page files">
      <Head path={path} view="files">
        {missing ? null : (
          <>
            <Button className="slim" icon={TagIcon} refused={refused} onClick={() => setAsked({ verb: "properties", entries: [], path })}>
              {t.do.properties}
            </Button>
            <Button className="slim" icon={FolderPlusIcon} refused={refused} onClick={() => setAsked({ verb: "directory", entries: [], path })}>
              {t.do.newDirectory}
            </Button>
            <UploadButton directory={path} refused={refused} />
          </>
        )}
      </Head>
      <Unfinished directory={path} />
      <DropZone directory={path} refused={refused}>
        <section className="card flush" aria-label={t.listOf(middle(visible(nameOf(path)), 60))}>
          <div className="files-bar">
            <SearchField label={t.search} value={prefix} onChange={(text) => filter({ prefix: text })} />
            <span className="grow" />
            {stale ? (
              <Button
                small
                onClick={() => {
                  setStale(false);
                  again();
                }}
              >
                {t.changed} {t.showChanges}
              </Button>
            ) : null}
            <span className="muted small" role="status">
              {listing.items ? (listing.more ? t.countedSoFar(count, f.count(count)) : t.counted(count, f.count(count))) : ""}
            </span>
          </div>
          {(listing.items === undefined || (count === 0 && listing.more)) && !listing.failure ? (
            <div className="files-wait">
              <SkeletonLines lines={8} height={22} />
            </div>
          ) : null}
          {listing.failure && !missing ? (
            <div className="files-wait">
              <FailureNote failure={listing.failure} onRetry={again} />
            </div>
          ) : null}
          {missing ? (
            <EmptyState
              icon={FilesIcon}
              title={t.noSuchTitle}
              action={
                <div className="row wrap">
                  <Button onClick={() => navigate(addressOf(parentOf(path)))}>{t.up}</Button>
                  <Button onClick={() => navigate(`${addressOf(`/${namesOf(path)[0] ?? ""}`)}?view=trash`)}>{t.toTrash}</Button>
                </div>
              }
            >
              {t.noSuchBody}
            </EmptyState>
          ) : null}
          {listing.items && count === 0 && !listing.more && !listing.failure ? (
            prefix ? (
              <EmptyState icon={SearchIcon} title={t.empty.noMatch(middle(visible(prefix), 40))} action={<Button onClick={() => filter({ prefix: "" })}>{w.actions.clear}</Button>}>
                {t.empty.noMatchBody}
              </EmptyState>
            ) : (
              <EmptyState icon={FilesIcon} title={t.empty.directory}>
                {refused ? t.empty.readOnlyBody : t.empty.directoryBody}
              </EmptyState>
            )
          ) : null}
          {count > 0 && !listing.failure ? (
            <EntryTable
              label={t.listOf(middle(visible(nameOf(path)), 60))}
              entries={entries}
              selection={selection}
              sort={sort}
              onSort={setSort}
              fixed={fixed}
              onVerb={onVerb}
              onEnd={goOn}
              onUp={() => navigate(addressOf(parentOf(path)))}
            />
          ) : null}
        </section>
      </DropZone>
      {count > 0 ? <p id="files-keys" className="muted small files-keys">{t.keys}</p> : null}
      {listing.fetching && count > 0 ? <span className="hidden-text" role="status">{w.loading}</span> : null}
      <SelectionBar count={selection.items.length} bytes={bytes} onClear={selection.clear}>
        <Button small icon={EditIcon} refused={refused} onClick={() => setAsked({ verb: "move", entries: selection.items })}>
          {t.do.moveMany}
        </Button>
        <Button small icon={TrashIcon} refused={refused} onClick={() => setAsked({ verb: "delete", entries: selection.items })}>
          {t.do.deleteMany}
        </Button>
      </SelectionBar>
      {shown !== null ? <ShowPanel path={path} name={shown} files={files} onShow={show} onVerb={onVerb} /> : null}
      {asked ? (
        <Dialogs
          asked={asked}
          directory={path}
          onClose={() => setAsked(null)}
          onDone={() => {
            setAsked(null);
            selection.clear();
            if (shown !== null && (asked.verb === "delete" || asked.verb === "move")) show(null);
          }}
        />
      ) : null}
    </div>
  );
}
