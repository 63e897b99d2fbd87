// A page that fails says so; the frame around it goes on working.

import { Component, type ErrorInfo, type ReactNode } from "react";
import { Button } from "../components/Button";
import { EmptyState } from "../components/EmptyState";
import { DangerIcon } from "../components/icons";
import { common } from "../i18n/common";
import { errorWords } from "../i18n/errors";

interface Props {
  /** There is nothing around it: it is the page's main part itself. */
  whole?: boolean;
  children: ReactNode;
}
interface State {
  failed: Error | null;
}

export class ErrorBoundary extends Component<Props, State> {
  override state: State = { failed: null };

  static getDerivedStateFromError(failed: unknown): State {
    return { failed: failed instanceof Error ? failed : new Error(String(failed)) };
  }

  override componentDidCatch(failed: Error, info: ErrorInfo): void {
    console.error(failed, info.componentStack);
  }

  override render(): ReactNode {
    const { failed } = this.state;
    if (!failed) return this.props.children;
    return <Broken failed={failed} whole={this.props.whole ?? false} onRetry={() => this.setState({ failed: null })} />;
  }
}

function Broken({ failed, whole, onRetry }: { failed: Error; whole: boolean; onRetry: () => void }) {
  const t = common();
  const words = errorWords();
  // A page of an older version asks for files that the server no longer has.
  const gone = /dynamically imported module|Importing a module script|error loading/i.test(failed.message);
  const Frame = whole ? "main" : "div";
  return (
    <Frame className="page">
      <EmptyState
        icon={DangerIcon}
        title={gone ? words.chunkTitle : words.pageTitle}
        action={
          <div className="row">
            <Button kind="primary" onClick={() => location.reload()}>
              {t.actions.reload}
            </Button>
            {gone ? null : <Button onClick={onRetry}>{t.actions.retry}</Button>}
          </div>
        }
      >
        <p>{gone ? words.chunkBody : words.pageBody}</p>
        {gone ? null : <p className="mono small">{failed.message}</p>}
      </EmptyState>
    </Frame>
  );
}
