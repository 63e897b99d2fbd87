// What can be done with entries, and why not.

import { useRefusal } from "../../app/session";
import type { Entry } from "../../api/types";
import { DownloadIcon, EditIcon, InfoIcon, LinkIcon, FilesIcon, TagIcon, TrashIcon } from "../../components/icons";
import type { MenuEntry } from "../../components/Menu";
import { url } from "../../api/client";
import { at, canonical, type Path } from "./paths";
import { words } from "./text";

export type Verb = "open" | "show" | "download" | "share" | "move" | "delete" | "properties";

export const pathOf = (entry: Entry): Path => canonical(entry.path);
export const contentUrl = (path: Path, disposition: "inline" | "attachment"): string => url(at("/files/content", path, { disposition }));

export function download(path: Path): void {
  const link = document.createElement("a");
  link.href = contentUrl(path, "attachment");
  link.download = "";
  document.body.append(link);
  link.click();
  link.remove();
}

export function useVerbs(): (entry: Entry) => MenuEntry[] {
  const t = words().do;
  const refused = useRefusal("operator");
  return (entry) => {
    const list: MenuEntry[] = [];
    const file = entry.kind === "file";
    if (entry.kind === "directory") list.push({ id: "open", label: t.open, icon: FilesIcon });
    else list.push({ id: "show", label: t.preview, icon: InfoIcon });
    if (file) {
      list.push({ id: "download", label: t.download, icon: DownloadIcon });
      list.push({ id: "share", label: t.share, icon: LinkIcon, refused });
    }
    if (!entry.bucket) list.push({ id: "move", label: t.move, icon: EditIcon, refused });
    if (file || entry.kind === "directory") {
      list.push({ id: "properties", label: file ? t.classOf : t.properties, icon: TagIcon, refused });
    }
    list.push({ id: "delete", label: t.delete, icon: TrashIcon, danger: true, refused });
    return list;
  };
}
