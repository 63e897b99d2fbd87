// The files in what was dropped or chosen, with directories walked through.

export interface Found {
  file: File;
  /** With the directories that it was in: "trip/day 1/a.jpg". */
  name: string;
}

const read = (reader: FileSystemDirectoryReader): Promise<FileSystemEntry[]> =>
  new Promise((done, fail) => reader.readEntries(done, fail));
const open = (entry: FileSystemFileEntry): Promise<File> => new Promise((done, fail) => entry.file(done, fail));

async function walk(entry: FileSystemEntry, above: string, found: Found[], empty: string[]): Promise<void> {
  const name = above + entry.name;
  if (entry.isFile) {
    found.push({ file: await open(entry as FileSystemFileEntry), name });
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  let any = false;
  // A reader gives a hundred at a time, and nothing at the end.
  for (let some = await read(reader); some.length > 0; some = await read(reader)) {
    any = true;
    for (const one of some) await walk(one, `${name}/`, found, empty);
  }
  if (!any) empty.push(name);
}

/** Must be called while the event is handled: what was dropped is gone afterwards. */
export function dropped(transfer: DataTransfer): Promise<{ found: Found[]; empty: string[] }> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter((entry) => entry !== null && entry !== undefined);
  const files = [...transfer.files];
  return (async () => {
    const found: Found[] = [];
    const empty: string[] = [];
    if (entries.length === 0) return { found: files.map((file) => ({ file, name: file.name })), empty };
    for (const entry of entries) await walk(entry, "", found, empty);
    return { found, empty };
  })();
}

export const chosen = (list: FileList): Found[] => [...list].map((file) => ({ file, name: file.webkitRelativePath || file.name }));
