// Which dialog is open, and for what.

import type { Entry } from "../../api/types";
import { pathOf, type Verb } from "./actions";
import { BucketDialog, DirectoryDialog } from "./CreateDialogs";
import { DeleteDialog } from "./DeleteDialog";
import { MoveDialog } from "./MoveDialog";
import type { Path } from "./paths";
import { PropertiesDialog } from "./PropertiesDialog";
import { ShareDialog } from "./ShareDialog";

export interface Asked {
  verb: Verb | "bucket" | "directory";
  entries: Entry[];
  /** Instead of entries: the directory that is open. */
  path?: Path;
}

export interface DialogsProps {
  asked: Asked;
  directory: Path;
  onClose: () => void;
  onDone: () => void;
}

export function Dialogs({ asked, directory, onClose, onDone }: DialogsProps) {
  const { verb, entries } = asked;
  const first = entries[0];
  if (verb === "bucket") return <BucketDialog onClose={onClose} onDone={onDone} />;
  if (verb === "directory") return <DirectoryDialog directory={directory} onClose={onClose} onDone={onDone} />;
  if (verb === "properties") {
    const path = first ? pathOf(first) : asked.path;
    return path ? <PropertiesDialog path={path} onClose={onClose} /> : null;
  }
  if (!first) return null;
  if (verb === "share") return <ShareDialog path={pathOf(first)} onClose={onClose} />;
  if (verb === "move") return <MoveDialog entries={entries} directory={directory} onClose={onClose} onDone={onDone} />;
  if (verb === "delete") return <DeleteDialog entries={entries} directory={directory} onClose={onClose} onDone={onDone} />;
  return null;
}
