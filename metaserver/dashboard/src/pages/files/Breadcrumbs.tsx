// The way from the buckets to here; every step is an address.

import { Fragment } from "react";
import { Link } from "wouter";
import { ChevronRightIcon } from "../../components/icons";
import { SafeText } from "../../components/SafeText";
import { addressOf, decodeName, namesOf, type Path } from "./paths";
import { words } from "./text";

/** More than this are folded into one "…" in the middle. */
const MOST = 5;

export function Breadcrumbs({ path }: { path: Path }) {
  const t = words();
  const names = namesOf(path);
  const steps = names.map((name, index) => ({ name: decodeName(name), to: `/${names.slice(0, index + 1).join("/")}` }));
  const above = steps.slice(0, -1);
  const folded = above.length > MOST ? above.slice(1, above.length - 2) : [];
  const shown = folded.length > 0 ? [above[0]!, ...above.slice(-2)] : above;
  return (
    <nav className="crumbs" aria-label={t.breadcrumbs}>
      <ol>
        <li>
          <Link href={addressOf("/")}>{t.root}</Link>
        </li>
        {shown.map((step, index) => (
          <Fragment key={step.to}>
            {index === 1 && folded.length > 0 ? (
              <li>
                <ChevronRightIcon size={12} />
                <Link href={addressOf(folded.at(-1)!.to)} title={folded.map((one) => one.name).join(" / ")}>
                  …
                </Link>
              </li>
            ) : null}
            <li>
              <ChevronRightIcon size={12} />
              <Link href={addressOf(step.to)}>
                <SafeText value={step.name} most={28} />
              </Link>
            </li>
          </Fragment>
        ))}
      </ol>
    </nav>
  );
}
