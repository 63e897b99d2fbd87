// The buckets.

import { useCallback, useMemo, useState } from "react";
import { navigate } from "wouter/use-browser-location";
import { useFilters } from "../../app/address";
import type { Entry } from "../../api/types";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { BucketIcon, PlusIcon, SearchIcon, TrashIcon } from "../../components/icons";
import { SearchField } from "../../components/SearchField";
import { SkeletonLines } from "../../components/Skeleton";
import { useFormat } from "../../format";
import { middle, visible } from "../../format/visible";
import { common } from "../../i18n/common";
import { pathOf, type Verb } from "./actions";
import { useChanges, useListing } from "./data";
import { Dialogs, type Asked } from "./Dialogs";
import { EntryTable, keyOf, MOST_SORTED, sortEntries, type Sort } from "./EntryTable";
import { Head } from "./Head";
import { addressOf, ROOT } from "./paths";
import { SelectionBar } from "./SelectionBar";
import { words } from "./text";
import { useSelection } from "./useSelection";

const BY_NAME: Sort = { by: "name", descending: false };

export function Buckets() {
  const t = words();
  const w = common();
  const f = useFormat();
  const refused = useRefusal("operator");
  const [{ prefix }, filter] = useFilters(["prefix"]);
  const listing = useListing(ROOT, prefix);
  const [wished, setSort] = useState<Sort>(BY_NAME);
  const [asked, setAsked] = useState<Asked | null>(null);
  useChanges(ROOT, listing.again);

  const count = listing.items?.length ?? 0;
  const fixed = listing.more ? t.order : count > MOST_SORTED ? t.tooManyToSort : null;
  const sort = fixed ? BY_NAME : wished;
  const entries = useMemo(() => sortEntries(listing.items ?? [], sort), [listing.items, sort]);
  const selection = useSelection(entries, keyOf);
  const onVerb = useCallback(
    (verb: Verb, them: Entry[]) => {
      const first = them[0];
      if (first && (verb === "open" || verb === "show")) navigate(addressOf(pathOf(first)));
      else if (!refused) setAsked({ verb, entries: them });
    },
    [refused],
  );
  const create = (
    <Button kind="primary" icon={PlusIcon} refused={refused} onClick={() => setAsked({ verb: "bucket", entries: [] })}>
      {t.do.newBucket}
    </Button>
  );

  return (
    <div className="page files">
      <Head path={ROOT} view="buckets" lead={t.lead}>
        {create}
      </Head>
      <section className="card flush" aria-label={t.views.buckets}>
        <div className="files-bar">
          <SearchField label={t.searchBuckets} value={prefix} onChange={(text) => filter({ prefix: text })} />
          <span className="grow" />
          <span className="muted small" role="status">
            {listing.items ? (listing.more ? t.countedSoFar(count, f.count(count)) : t.counted(count, f.count(count))) : ""}
          </span>
        </div>
        {listing.items === undefined && !listing.failure ? (
          <div className="files-wait">
            <SkeletonLines lines={4} height={22} />
          </div>
        ) : null}
        {listing.failure ? (
          <div className="files-wait">
            <FailureNote failure={listing.failure} onRetry={listing.again} />
          </div>
        ) : null}
        {listing.items && count === 0 && !listing.failure ? (
          prefix ? (
            <EmptyState icon={SearchIcon} title={t.empty.noMatch(middle(visible(prefix), 40))} action={<Button onClick={() => filter({ prefix: "" })}>{w.actions.clear}</Button>}>
              {t.empty.noMatchBody}
            </EmptyState>
          ) : (
            <EmptyState icon={BucketIcon} title={t.empty.noBuckets} action={create}>
              {t.empty.noBucketsBody}
            </EmptyState>
          )
        ) : null}
        {count > 0 && !listing.failure ? (
          <EntryTable
            label={t.views.buckets}
            entries={entries}
            buckets
            selection={selection}
            sort={sort}
            onSort={setSort}
            fixed={fixed}
            onVerb={onVerb}
            onEnd={listing.goOn}
          />
        ) : null}
      </section>
      <SelectionBar count={selection.items.length} bytes={0} onClear={selection.clear}>
        <Button small icon={TrashIcon} refused={refused} onClick={() => setAsked({ verb: "delete", entries: selection.items })}>
          {t.do.deleteMany}
        </Button>
      </SelectionBar>
      {asked ? (
        <Dialogs
          asked={asked}
          directory={ROOT}
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
