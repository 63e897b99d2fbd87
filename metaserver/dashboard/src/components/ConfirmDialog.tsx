// Asks before something is done: what will happen, what speaks against it, and for what cannot be undone, a word to be
// typed.

import { useId, useState, type ReactNode } from "react";
import type { Failure } from "../api/client";
import { common } from "../i18n/common";
import { Button } from "./Button";
import { Dialog } from "./Dialog";
import { FailureNote } from "./FailureNote";

export interface ConfirmDialogProps {
  title: ReactNode;
  /** What will happen. */
  children: ReactNode;
  action: string;
  dangerous?: boolean;
  /** Must be typed first. */
  typed?: string;
  busy?: boolean;
  /** Why it cannot be done (yet). */
  refused?: string | null;
  failure?: Failure | null;
  onConfirm: () => void;
  onClose: () => void;
}

export function ConfirmDialog(props: ConfirmDialogProps) {
  const { title, children, action, dangerous = false, typed, busy = false, refused, failure, onConfirm, onClose } = props;
  const t = common();
  const id = useId();
  const [word, setWord] = useState("");
  const ready = !typed || word.trim() === typed;
  const go = () => {
    if (ready && !busy && !refused) onConfirm();
  };
  return (
    <Dialog
      title={title}
      open
      alert={dangerous}
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>{t.actions.cancel}</Button>
          <Button
            kind={dangerous ? "danger" : "primary"}
            busy={busy}
            disabled={!ready}
            refused={refused ?? null}
            onClick={go}
          >
            {action}
          </Button>
        </>
      }
    >
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          go();
        }}
      >
        {children}
        {typed ? (
          <div className="field">
            <label htmlFor={id}>{t.typeToConfirm(typed)}</label>
            <input
              id={id}
              className="input"
              value={word}
              autoComplete="off"
              spellCheck={false}
              onChange={(event) => setWord(event.target.value)}
            />
          </div>
        ) : null}
        {failure ? <FailureNote failure={failure} /> : null}
      </form>
    </Dialog>
  );
}
