// What lies under the pointer.

import { LivenessBadge, StandingBadge } from "../../components/StatusBadge";
import { SafeText } from "../../components/SafeText";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { useTick } from "./store";
import { words } from "./text";

interface MapTipProps {
  x: number;
  y: number;
  width: number;
  target: { disk: number } | { node: number };
}

export function MapTip({ x, y, width, target }: MapTipProps) {
  const t = words();
  const shared = common();
  const f = useFormat();
  const store = useTick();
  const disk = "disk" in target ? store.disks.get(target.disk) : undefined;
  const node = store.nodes.get("node" in target ? target.node : (disk?.node ?? 0));
  const left = x > width - 260;
  const style = left ? { right: width - x + 12, top: y + 14 } : { left: x + 14, top: y + 14 };
  return (
    <div className="map-tip" style={style} aria-hidden="true">
      <p className="strong">
        {disk ? shared.disk(disk.id) : shared.node(node?.id ?? "?")}
        {disk ? <span className="muted normal"> · {shared.node(disk.node)}</span> : null}
      </p>
      {disk ? (
        <>
          <div className="row wrap">
            <LivenessBadge value={disk.liveness} />
            {disk.effective_standing === "in" ? null : <StandingBadge value={disk.effective_standing} />}
          </div>
          <p>{t.map.used(f.percent(disk.used_bytes / disk.capacity_bytes), f.bytes(disk.capacity_bytes))}</p>
          <p className="muted">
            {t.columns.load} {f.percent(disk.load)} · {f.rate(disk.read_bytes)} {t.panel.read} · {f.rate(disk.write_bytes)}{" "}
            {t.panel.write}
          </p>
        </>
      ) : node ? (
        <>
          <div className="row wrap">
            <LivenessBadge value={node.liveness} />
            {node.standing === "in" ? null : <StandingBadge value={node.standing} />}
          </div>
          <p>
            <SafeText value={node.host} most={40} /> <span className="muted mono">{node.address}</span>
          </p>
        </>
      ) : null}
    </div>
  );
}
