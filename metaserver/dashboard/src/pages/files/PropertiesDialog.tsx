// What holds for a directory and all below it: storage class, quota, how long deleted files are kept. Of a file: its class.

import { Dialog } from "../../components/Dialog";
import { FailureNote } from "../../components/FailureNote";
import { SkeletonLines } from "../../components/Skeleton";
import { middle, visible } from "../../format/visible";
import { ClassForm } from "./ClassForm";
import { useStat } from "./data";
import { nameOf, type Path } from "./paths";
import { QuotaForm } from "./QuotaForm";
import { TrashTimeForm } from "./TrashTimeForm";
import { words } from "./text";

export function PropertiesDialog({ path, onClose }: { path: Path; onClose: () => void }) {
  const t = words().properties;
  const stat = useStat(path);
  const name = middle(visible(nameOf(path)), 40);
  const one = stat.data;
  const directory = one?.kind === "directory";
  return (
    <Dialog title={one && !directory ? `${t.classTitle}: ${name}` : t.title(name)} open onClose={onClose}>
      {stat.error ? <FailureNote failure={stat.error} onRetry={() => void stat.refetch()} /> : null}
      {stat.isPending ? <SkeletonLines lines={6} height={22} /> : null}
      {one ? (
        <div className="properties">
          <ClassForm path={path} stat={one} />
          {directory ? <QuotaForm path={path} stat={one} /> : null}
          {directory ? <TrashTimeForm path={path} stat={one} /> : null}
        </div>
      ) : null}
    </Dialog>
  );
}
