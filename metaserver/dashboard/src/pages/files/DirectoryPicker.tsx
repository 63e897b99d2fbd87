// Chooses a directory by going through them.

import { useEffect, useRef, useState } from "react";
import { Button } from "../../components/Button";
import { FailureNote } from "../../components/FailureNote";
import { ArrowUpIcon, BucketIcon, ChevronRightIcon, FilesIcon } from "../../components/icons";
import { SafeText } from "../../components/SafeText";
import { SkeletonLines } from "../../components/Skeleton";
import { TextField } from "../../components/TextField";
import { pathOf } from "./actions";
import { useListing } from "./data";
import { below, parentOf, readable, ROOT, type Path } from "./paths";
import { words } from "./text";

/** Pages looked through for directories: the server lists them among the files. */
const ENTRIES = 2_000;

const REST_MS = 400;

export function DirectoryPicker({ label, value, onChange }: { label: string; value: Path; onChange: (path: Path) => void }) {
  const t = words();
  const listing = useListing(value, "");
  const { items, more, fetching, goOn } = listing;
  const seen = items?.length ?? 0;
  useEffect(() => {
    if (more && !fetching && seen < ENTRIES) goOn();
  }, [more, fetching, seen, goOn]);
  // What is typed is looked for after a rest: "/a/" is on its way to "/a/b".
  const [typed, setTyped] = useState(() => readable(value));
  const told = useRef(value);
  useEffect(() => {
    if (value !== told.current) setTyped(readable(value));
    told.current = value;
  }, [value]);
  const tell = (text: string) => {
    const path = below(ROOT, text);
    if (path === told.current) return;
    told.current = path;
    onChange(path);
  };
  const latest = useRef(tell);
  latest.current = tell;
  useEffect(() => {
    if (typed === readable(told.current)) return undefined;
    const timer = setTimeout(() => latest.current(typed), REST_MS);
    return () => clearTimeout(timer);
  }, [typed]);
  const directories = items?.filter((entry) => entry.kind === "directory") ?? [];

  return (
    <fieldset className="picker">
      <legend>{label}</legend>
      <TextField
        label={<span className="hidden-text">{t.move.typed}</span>}
        value={typed}
        onChange={setTyped}
        onBlur={() => tell(typed)}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          tell(typed);
        }}
        spellCheck={false}
        autoComplete="off"
      />
      <ul className="picker-list" tabIndex={-1}>
        {value === ROOT ? null : (
          <li>
            <Button kind="quiet" small icon={ArrowUpIcon} className="picker-item" onClick={() => onChange(parentOf(value))}>
              {t.up}
            </Button>
          </li>
        )}
        {directories.map((entry) => (
          <li key={entry.path}>
            <Button kind="quiet" small icon={entry.bucket ? BucketIcon : FilesIcon} className="picker-item" onClick={() => onChange(pathOf(entry))}>
              <SafeText value={entry.name} most={48} />
              <ChevronRightIcon size={12} />
            </Button>
          </li>
        ))}
        {items === undefined && !listing.failure ? (
          <li>
            <SkeletonLines lines={3} />
          </li>
        ) : null}
        {items && directories.length === 0 && !more && !listing.failure ? <li className="muted small picker-none">{t.move.here}</li> : null}
      </ul>
      {listing.failure ? <FailureNote failure={listing.failure} /> : null}
      {more && seen >= ENTRIES ? <p className="muted small">{t.move.more}</p> : null}
    </fieldset>
  );
}
