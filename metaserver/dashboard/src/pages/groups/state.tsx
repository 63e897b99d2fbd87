// What is done about a group, and how a member of it is: in words, with a shape and a tone.

import {
  ClockIcon,
  DangerIcon,
  OkIcon,
  PauseIcon,
  RefreshIcon,
  RepairIcon,
  StopIcon,
  SwapIcon,
  UnknownIcon,
  WarningIcon,
  type Icon,
} from "../../components/icons";
import { StatusBadge, type Tone } from "../../components/StatusBadge";
import { words } from "./text";

const STATES: Record<string, [Tone, Icon]> = {
  lost: ["danger", DangerIcon],
  unavailable: ["danger", ClockIcon],
  no_room: ["warn", StopIcon],
  held: ["warn", PauseIcon],
  rebuilding: ["info", RefreshIcon],
  mending: ["info", RepairIcon],
  waiting: ["idle", ClockIcon],
  maintenance: ["idle", PauseIcon],
  moving: ["info", SwapIcon],
  whole: ["ok", OkIcon],
};

export function StateBadge({ value, bare = true }: { value: string; bare?: boolean }) {
  const t = words();
  const [tone, icon] = STATES[value] ?? ["idle", UnknownIcon];
  return (
    <StatusBadge tone={tone} icon={icon} bare={bare}>
      {t.states[value] ?? value}
    </StatusBadge>
  );
}

const CONDITIONS: Record<string, [Tone, Icon]> = {
  whole: ["ok", OkIcon],
  filling: ["info", RefreshIcon],
  lacks: ["warn", WarningIcon],
  silent: ["danger", ClockIcon],
  away: ["idle", PauseIcon],
  failed: ["danger", DangerIcon],
  gone: ["danger", StopIcon],
  leaving: ["info", SwapIcon],
};

export const toneOfCondition = (value: string): Tone => CONDITIONS[value]?.[0] ?? "idle";

export function ConditionBadge({ value }: { value: string }) {
  const t = words();
  const [tone, icon] = CONDITIONS[value] ?? ["idle", UnknownIcon];
  return (
    <StatusBadge tone={tone} icon={icon} bare>
      {t.condition[value] ?? value}
    </StatusBadge>
  );
}
