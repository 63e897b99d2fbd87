// Shows a secret the one time that it can be shown.

import { Button } from "../../components/Button";
import { CopyButton } from "../../components/CopyButton";
import { Dialog } from "../../components/Dialog";
import { DownloadIcon } from "../../components/icons";
import { Note } from "../../components/Note";
import { save } from "./data";
import { words } from "./text";

export interface OnceDialogProps {
  title: string;
  rows: { label: string; value: string }[];
  file: { name: string; text: string };
  onClose: () => void;
}

export function OnceDialog({ title, rows, file, onClose }: OnceDialogProps) {
  const t = words();
  return (
    <Dialog
      title={title}
      open
      alert
      onClose={onClose}
      footer={
        <>
          <Button icon={DownloadIcon} onClick={() => save(file.name, file.text)}>
            {t.download}
          </Button>
          <Button kind="primary" onClick={onClose}>
            {t.onceDone}
          </Button>
        </>
      }
    >
      <div className="stack">
        <Note tone="warn" title={t.onceTitle}>
          {t.onceBody}
        </Note>
        {rows.map((row) => (
          <div key={row.label} className="stack tight">
            <span className="small strong">{row.label}</span>
            <div className="secret">
              <code tabIndex={0}>{row.value}</code>
              <CopyButton text={row.value} />
            </div>
          </div>
        ))}
      </div>
    </Dialog>
  );
}
