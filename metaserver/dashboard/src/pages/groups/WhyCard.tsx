// What is the matter, since when, until when, and how much is left to copy.

import type { GroupView } from "../../api/types";
import { Card } from "../../components/Card";
import { ClockIcon, InfoIcon, RepairIcon } from "../../components/icons";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { useServerTexts } from "../../i18n/server";
import { words } from "./text";
import { why } from "./why";

export function WhyCard({ group }: { group: GroupView }) {
  const t = words();
  const c = common();
  const f = useFormat();
  const server = useServerTexts();
  const said = why(group, t, server, (id) => c.disk(id));
  const left = group.until ? (new Date(group.until).getTime() - Date.now()) / 1000 : null;
  return (
    <Card title={t.whyTitle} className="two-thirds">
      <div className={`pg-why level-${group.level}`}>
        {said.map((line) => (
          <p key={line}>{line}</p>
        ))}
      </div>
      <ul className="pg-times small">
        {group.since ? (
          <li>
            <ClockIcon size={14} />
            <span>{t.since(f.dateTime(group.since), f.ago(group.since))}</span>
          </li>
        ) : null}
        {group.level_since && group.level_since !== group.since ? (
          <li>
            <InfoIcon size={14} />
            <span>{t.levelSince(c.levels[group.level], f.dateTime(group.level_since), f.ago(group.level_since))}</span>
          </li>
        ) : null}
        {group.until && left !== null ? (
          <li>
            <ClockIcon size={14} />
            <span>{left > 0 ? t.until(f.time(group.until), f.duration(left)) : t.untilPast}</span>
          </li>
        ) : null}
        {group.bytes_left > 0 ? (
          <li>
            <RepairIcon size={14} />
            <span>{t.leftToCopy(f.bytes(group.bytes_left))}</span>
          </li>
        ) : null}
      </ul>
    </Card>
  );
}
