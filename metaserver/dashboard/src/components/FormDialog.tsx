// A dialog with fields: Enter does what its main button does.

import { useId, type ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { FailureNote } from "../../components/FailureNote";
import type { Work } from "../../components/useWork";
import { common } from "../../i18n/common";

export interface FormDialogProps {
  title: ReactNode;
  action: string;
  /** Why it cannot be done yet. */
  refused?: string | null;
  work: Work;
  wide?: boolean;
  danger?: boolean;
  onSubmit: () => void;
  onClose: () => void;
  children: ReactNode;
  /** Instead of the failure as it is. */
  failed?: ReactNode;
}

export function FormDialog({ title, action, refused, work, wide = false, danger = false, onSubmit, onClose, children, failed }: FormDialogProps) {
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
          <Button kind={danger ? "danger" : "primary"} type="submit" form={id} busy={work.busy} refused={refused ?? null}>
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
          if (!work.busy && !refused) onSubmit();
        }}
      >
        {children}
        {failed ?? (work.failure ? <FailureNote failure={work.failure} /> : null)}
      </form>
    </Dialog>
  );
}
