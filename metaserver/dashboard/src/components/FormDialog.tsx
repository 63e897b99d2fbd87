// A dialog with fields: Enter does what its main button does.

import { useId, type ReactNode } from "react";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { FailureNote } from "./FailureNote";
import type { Work } from "./useWork";
import { common } from "../i18n/common";

export interface FormDialogProps {
  title: ReactNode;
  action: string;
  /** Why it cannot be done yet. */
  refused?: string | null;
  disabled?: boolean;
  work: Work;
  wide?: boolean;
  danger?: boolean;
  onSubmit: () => void;
  onClose: () => void;
  children: ReactNode;
  /** Instead of the failure as it is. */
  failed?: ReactNode;
}

export function FormDialog({ title, action, refused, disabled = false, work, wide = false, danger = false, onSubmit, onClose, children, failed }: FormDialogProps) {
  const w = common();
  const id = useId();
  return (
    <Dialog
      title={title}
      open
      wide={wide}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{w.actions.cancel}</Button>
          <Button kind={danger ? "danger" : "primary"} type="submit" form={id} busy={work.busy} disabled={disabled} refused={refused ?? null}>
            {action}
          </Button>
        </>
      }
    >
      <form
        id={id}
        className="stack"
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          if (!work.busy && !refused && !disabled) onSubmit();
        }}
      >
        {children}
        {failed ?? (work.failure ? <FailureNote failure={work.failure} /> : null)}
      </form>
    </Dialog>
  );
}
