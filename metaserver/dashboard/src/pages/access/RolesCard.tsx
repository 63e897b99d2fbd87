// What each role may do.

import { Card } from "../../components/Card";
import { Facts } from "../../components/Stat";
import { common } from "../../i18n/common";
import { ROLES } from "./data";
import { words } from "./text";

export function RolesCard() {
  const t = words().roles;
  const w = common();
  return (
    <Card title={t.title} note={t.each}>
      <Facts rows={ROLES.map((role) => [<span key={role} className="strong">{w.roles[role]}</span>, t[role]])} />
    </Card>
  );
}
