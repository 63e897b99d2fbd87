// What the colours and marks of the map mean.

import { DangerIcon, DrainIcon, OkIcon, PauseIcon, WarningIcon, type Icon } from "../../components/icons";
import { useDrawnTheme } from "../../app/theme";
import { common } from "../../i18n/common";
import { HEAT, type Colouring } from "./paint";
import { words } from "./text";

export function Legend({ colouring }: { colouring: Colouring }) {
  const t = words();
  const shared = common();
  const theme = useDrawnTheme();
  if (colouring === "load") {
    const stops = (HEAT[theme] ?? HEAT["light"]!).map((stop) => `rgb(${stop.join(",")})`).join(",");
    return (
      <p className="map-legend small muted">
        {t.legend.cold}
        <i className="map-scale" style={{ backgroundImage: `linear-gradient(90deg, ${stops})` }} />
        {t.legend.hot}
      </p>
    );
  }
  if (colouring === "fill") {
    return (
      <ul className="legend">
        <Item color="series-1" label={t.legend.fill} />
        <Item color="warn-solid" label={t.legend.high} />
        <Item color="danger-solid" label={t.legend.critical} />
      </ul>
    );
  }
  return (
    <ul className="legend">
      <Item color="ok-solid" label={shared.liveness.alive} icon={OkIcon} />
      <Item color="warn-solid" label={`${shared.liveness.suspect} / ${shared.liveness.full}`} icon={WarningIcon} />
      <Item color="danger-solid" label={`${shared.liveness.down} / ${shared.liveness.failed}`} icon={DangerIcon} />
      <Item color="accent" label={shared.standing.draining} icon={DrainIcon} />
      <Item color="accent" label={shared.standing.maintenance} icon={PauseIcon} />
    </ul>
  );
}

function Item({ color, label, icon: Drawing }: { color: string; label: string; icon?: Icon }) {
  return (
    <li>
      {Drawing ? (
        <span style={{ color: `var(--${color})` }}>
          <Drawing size={13} />
        </span>
      ) : (
        <i style={{ backgroundColor: `var(--${color})` }} />
      )}
      <span className="muted">{label}</span>
    </li>
  );
}
