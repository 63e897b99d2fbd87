// Which files have content in the group. Finding them walks its metadata, so nobody asks without being told to.

import { useState } from "react";
import { Link } from "wouter";
import { usePages } from "../../api/pages";
import { pages } from "../../app/pages";
import { Button } from "../../components/Button";
import { Card } from "../../components/Card";
import { DataTable, type Column } from "../../components/DataTable";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { FilesIcon, SearchIcon } from "../../components/icons";
import { Pager } from "../../components/Pager";
import { SafeText } from "../../components/SafeText";
import { SkeletonLines } from "../../components/Skeleton";
import { useFormat } from "../../format";
import { addressOf, below, namesOf, parentOf, ROOT } from "../files/paths";
import { words } from "./text";

interface FileIn {
  path: string;
  ino: number;
  size: number;
}

export function GroupFiles({ id }: { id: number }) {
  const t = words();
  const f = useFormat();
  const [wanted, setWanted] = useState(false);
  const found = usePages<FileIn>(`/groups/${id}/files`, {}, { enabled: wanted });
  const browsable = pages.some((page) => page.id === "files");
  const columns: Column<FileIn>[] = [
    {
      id: "path",
      title: t.file.path,
      width: "minmax(220px, 1fr)",
      cell: (row) => {
        const name = <SafeText value={row.path} most={110} mono />;
        return browsable ? <Link href={addressIn(row.path)}>{name}</Link> : name;
      },
    },
    { id: "size", title: t.file.size, width: "100px", number: true, cell: (row) => f.bytes(row.size) },
    { id: "ino", title: t.file.ino, width: "120px", number: true, cell: (row) => <span className="muted">{row.ino}</span> },
  ];
  const { items, failure } = found;
  return (
    <Card
      title={t.filesTitle}
      note={t.filesNote}
      flush
      aside={
        wanted ? null : (
          <Button small icon={SearchIcon} onClick={() => setWanted(true)}>
            {t.filesShow}
          </Button>
        )
      }
    >
      {failure ? (
        <div className="pad">
          <FailureNote failure={failure} onRetry={found.again} />
        </div>
      ) : null}
      {wanted && !items && !failure ? (
        <div className="pad">
          <SkeletonLines lines={5} height={20} />
        </div>
      ) : null}
      {items ? (
        <>
          <DataTable<FileIn>
            label={t.filesTitle}
            columns={columns}
            rows={items}
            rowKey={(row) => `${row.ino}:${row.path}`}
            onEnd={found.goOn}
            height={380}
            empty={
              found.more ? (
                <EmptyState icon={SearchIcon} title={t.filesSearching} small />
              ) : (
                <EmptyState icon={FilesIcon} title={t.filesNone} small>
                  {t.filesNoneBody}
                </EmptyState>
              )
            }
          />
          {items.length > 0 || found.more ? (
            <Pager shown={t.found(f.count(items.length), found.more)} more={found.more} busy={found.fetching} onMore={found.goOn} />
          ) : null}
        </>
      ) : null}
    </Card>
  );
}

/** The file's details, in its directory. */
function addressIn(text: string): string {
  const path = below(ROOT, text);
  return `${addressOf(parentOf(path))}?show=${encodeURIComponent(namesOf(path).at(-1) ?? "")}`;
}
