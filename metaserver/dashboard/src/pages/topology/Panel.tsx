// The frame of what is open beside the map: at the side where there is room, over the page where there is not.

import { useEffect, useRef, useSyncExternalStore, type ReactNode } from "react";
import { Button } from "../../components/Button";
import { Dialog } from "../../components/Dialog";
import { CloseIcon } from "../../components/icons";
import { words } from "./text";

const wide = () => matchMedia("(min-width: 1180px)");
const watch = (watcher: () => void) => {
  const query = wide();
  query.addEventListener("change", watcher);
  return () => query.removeEventListener("change", watcher);
};

export function Panel({ id, title, onClose, children }: { id: string; title: string; onClose: () => void; children: ReactNode }) {
  const t = words().panel;
  const beside = useSyncExternalStore(watch, () => wide().matches);
  const heading = useRef<HTMLHeadingElement>(null);
  // When it closes, the focus goes back to where it was opened from.
  useEffect(() => {
    const before = document.activeElement;
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  useEffect(() => {
    if (beside) heading.current?.focus({ preventScroll: true });
  }, [id, beside]);
  if (!beside) {
    return (
      <Dialog title={title} open side onClose={onClose}>
        {children}
      </Dialog>
    );
  }
  return (
    <aside
      className="panel"
      aria-label={title}
      onKeyDown={(event) => {
        if (event.key === "Escape") onClose();
      }}
    >
      <div className="panel-head">
        <h2 ref={heading} tabIndex={-1}>
          {title}
        </h2>
        <Button kind="quiet" iconOnly icon={CloseIcon} onClick={onClose}>
          {t.close}
        </Button>
      </div>
      <div className="panel-body">{children}</div>
    </aside>
  );
}
