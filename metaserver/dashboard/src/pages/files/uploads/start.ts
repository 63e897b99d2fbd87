// Begins uploads: what was chosen or dropped goes into the store, directories without files are made.

import { api, Failure } from "../../../api/client";
import { forget } from "../../../api/queries";
import { toast } from "../../../components/Toasts";
import { below, forBody, type Path } from "../paths";
import { words } from "../text";
import { chosen, dropped, type Found } from "./collect";
import { showTray } from "./mount";
import { add } from "./store";

function begin(found: Found[], directory: Path): void {
  if (found.length === 0) return;
  add(found, directory);
  showTray();
}

const unreadable = (message: string) => new Failure("invalid_argument", 0, message, { reason: message });

export function uploadChosen(list: FileList | null, directory: Path): void {
  if (!list || list.length === 0) return;
  begin(chosen(list), directory);
}

export async function uploadDropped(transfer: DataTransfer, directory: Path): Promise<void> {
  try {
    const { found, empty } = await dropped(transfer);
    begin(found, directory);
    for (const name of empty) {
      await api.post("/files/directory", { path: forBody(below(directory, name)) }).catch((cause: unknown) => {
        if (!(cause instanceof Failure) || cause.code !== "exists") throw cause;
      });
    }
    if (empty.length > 0) await forget("/files");
    else if (found.length === 0) toast.failure(unreadable(words.now().upload.nothing));
  } catch (cause) {
    toast.failure(cause instanceof Failure ? cause : unreadable(words.now().upload.unreadable));
  }
}
