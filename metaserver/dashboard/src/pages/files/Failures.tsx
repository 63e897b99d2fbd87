// What of many could not be done, and why.

import type { Failure } from "../../api/client";
import { Note } from "../../components/Note";
import { SafeText } from "../../components/SafeText";
import { useFormat } from "../../format";
import { useServerTexts } from "../../i18n/server";
import { words } from "./text";

export function Failures({ failed }: { failed: { name: string; failure: Failure }[] }) {
  const t = words();
  const f = useFormat();
  const server = useServerTexts();
  if (failed.length === 0) return null;
  return (
    <Note tone="danger" role="alert" title={t.someFailed(failed.length, f.count(failed.length))}>
      <ul className="failures">
        {failed.slice(0, 20).map(({ name, failure }, index) => (
          <li key={index}>
            <SafeText value={name} most={40} />: {server.failure(failure)}
          </li>
        ))}
      </ul>
    </Note>
  );
}
