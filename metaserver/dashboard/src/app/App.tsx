// What is shown: the login, or the frame with a page in it.

import { QueryClientProvider } from "@tanstack/react-query";
import { useEffect } from "react";
import { I18nProvider } from "react-aria-components/I18nProvider";
import { queryClient } from "../api/queries";
import { Toasts } from "../components/Toasts";
import { localeOf, useLanguage } from "../i18n/language";
import { ErrorBoundary } from "./ErrorBoundary";
import { Login } from "./Login";
import { PasswordForm } from "./PasswordForm";
import { Shell } from "./Shell";
import { Unreachable } from "./Unreachable";
import { ask, useSession } from "./session";

export function App() {
  const language = useLanguage();
  const session = useSession();
  useEffect(() => void ask(), []);
  return (
    <QueryClientProvider client={queryClient}>
      <I18nProvider locale={localeOf(language)}>
        <ErrorBoundary whole>
          {session.state === "asking" ? <div className="blank" /> : null}
          {session.state === "unreachable" ? <Unreachable failure={session.failure} /> : null}
          {session.state === "anonymous" ? <Login ended={session.ended} /> : null}
          {session.state === "signed-in" && session.me.must_change_password ? <PasswordForm /> : null}
          {session.state === "signed-in" && !session.me.must_change_password ? <Shell /> : null}
        </ErrorBoundary>
        <Toasts />
      </I18nProvider>
    </QueryClientProvider>
  );
}
