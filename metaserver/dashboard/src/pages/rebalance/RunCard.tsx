// The run there is, or the last one.

import type { Balance } from "../../api/types";
import { Card } from "../../components/Card";
import { EmptyState } from "../../components/EmptyState";
import { Progress } from "../../components/Progress";
import { Stat, Stats } from "../../components/Stat";
import { BalanceIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { useServerTexts } from "../../i18n/server";
import { words } from "./text";

export function RunCard({ balance, className }: { balance: Balance; className: string }) {
  const t = words().run;
  const f = useFormat();
  const { reason: say } = useServerTexts();
  const idle = balance.state === "idle";
  if (idle && !balance.began) {
    return (
      <Card title={t.title} className={className}>
        <EmptyState icon={BalanceIcon} title={t.never} small>
          {t.neverMeans}
        </EmptyState>
      </Card>
    );
  }
  const note = [
    balance.automatic ? t.automatic : t.byHand,
    balance.began ? t.began(f.ago(balance.began)) : null,
  ].filter((part) => part !== null);
  const moved = f.bytesParts(balance.bytes_done);
  const left = f.bytesParts(balance.bytes_left);
  return (
    <Card title={idle ? t.lastTitle : t.title} note={note.join(" · ")} className={className}>
      <div className="stack spaced">
        {idle ? null : (
          <Progress
            label={t.progress}
            done={balance.bytes_done}
            total={balance.bytes_done + balance.bytes_left}
            rate={balance.rate}
            eta={balance.eta_seconds}
            moving={balance.state === "running"}
            tone={balance.state === "running" ? "accent" : "warn"}
          />
        )}
        <Stats>
          <Stat label={t.moved} value={moved.number} unit={moved.unit} />
          <Stat label={t.moves} value={f.count(balance.moves_done)} />
          {idle ? null : <Stat label={t.underWay} value={f.count(balance.moves_under_way)} />}
          {idle ? null : <Stat label={t.left} value={left.number} unit={left.unit} />}
        </Stats>
        {idle && balance.outcome.message ? (
          <p>
            <span className="muted">{t.outcome}</span> {say(balance.outcome)}
          </p>
        ) : null}
      </div>
    </Card>
  );
}
