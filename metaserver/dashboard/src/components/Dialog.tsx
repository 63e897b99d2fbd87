// A dialog over the page, or a panel at its side. Focus stays inside and goes back where it came from.

import type { ReactNode } from "react";
import { Dialog as Inner } from "react-aria-components/Dialog";
import { Heading } from "react-aria-components/Heading";
import { Modal, ModalOverlay } from "react-aria-components/Modal";
import { common } from "../i18n/common";
import { Button } from "./Button";
import { CloseIcon } from "./icons";

export interface DialogProps {
  title: ReactNode;
  open: boolean;
  onClose: () => void;
  children: ReactNode;
  /** Buttons. */
  footer?: ReactNode;
  wide?: boolean;
  /** At the right side, over the whole height. */
  side?: boolean;
  /** It must be answered: clicking beside it does not close it. */
  alert?: boolean;
}

export function Dialog({ title, open, onClose, children, footer, wide = false, side = false, alert = false }: DialogProps) {
  const t = common();
  return (
    <ModalOverlay
      className={`scrim ${side ? "side" : ""}`}
      isOpen={open}
      isDismissable={!alert}
      onOpenChange={(now) => {
        if (!now) onClose();
      }}
    >
      <Modal className={`modal ${wide ? "wide" : ""} ${side ? "side" : ""}`}>
        <Inner className="dialog" role={alert ? "alertdialog" : "dialog"}>
          <div className="dialog-head">
            <Heading slot="title" level={2} className="dialog-title">
              {title}
            </Heading>
            <Button kind="quiet" iconOnly icon={CloseIcon} onClick={onClose}>
              {t.actions.close}
            </Button>
          </div>
          <div className="dialog-body">{children}</div>
          {footer ? <div className="dialog-foot">{footer}</div> : null}
        </Inner>
      </Modal>
    </ModalOverlay>
  );
}
