// What an entry is: as an icon, and as a storage class in words.

import type { ClassView, Entry } from "../../api/types";
import {
  BucketIcon,
  FileIcon,
  FilesIcon,
  FilmIcon,
  ImageIcon,
  LinkIcon,
  SoundIcon,
  TextFileIcon,
  type Icon,
} from "../../components/icons";
import { useFormat } from "../../format";
import { words } from "./text";

export function iconOf(entry: Entry): Icon {
  if (entry.bucket) return BucketIcon;
  if (entry.kind === "directory") return FilesIcon;
  if (entry.kind === "symlink") return LinkIcon;
  const icons = { image: ImageIcon, video: FilmIcon, audio: SoundIcon, text: TextFileIcon, pdf: TextFileIcon };
  return entry.preview ? icons[entry.preview] : FileIcon;
}

export function KindIcon({ entry }: { entry: Entry }) {
  const Drawing = iconOf(entry);
  return (
    <span className={`kind kind-${entry.bucket ? "bucket" : entry.kind}`}>
      <Drawing size={16} />
    </span>
  );
}

/** "3 full copies on different nodes; survives the loss of 2 nodes; takes 3 × the size". */
export function useClassMeans(): (one: ClassView) => string {
  const t = words().classMeans;
  const f = useFormat();
  return (one) => {
    const unit = t.units[one.domain];
    const form =
      one.kind === "erasure"
        ? t.erasure(one.data ?? 0, one.parity ?? 0)
        : t.copies(one.copies ?? 1, f.count(one.copies ?? 1));
    const wide = one.kind === "erasure" || (one.copies ?? 1) > 1;
    const factor = Number.isInteger(one.overhead) ? f.count(one.overhead) : f.decimal(one.overhead, 1);
    return t.line([
      wide ? t.spread(form, t.apart[one.domain]) : form,
      t.survives(one.tolerates, unit),
      t.cost(factor),
    ]);
  };
}
