// The map: one canvas, however many disks. Ticks repaint what is in sight; the tree of components stays still.

import { useEffect, useMemo, useRef, useState, type KeyboardEvent, type MouseEvent } from "react";
import { useDrawnTheme } from "../../app/theme";
import { useFormat } from "../../format";
import { middle, visible } from "../../format/visible";
import { common } from "../../i18n/common";
import { hit, layOut, step } from "./layout";
import { MapTip } from "./MapTip";
import { paint, type Colouring, type MapPicture } from "./paint";
import type { TopologyStore } from "./store";
import { words } from "./text";

export interface MapViewProps {
  store: TopologyStore;
  colouring: Colouring;
  disk: number | null;
  node: number | null;
  onOpen: (target: { disk: number } | { node: number }) => void;
}

interface Hover {
  x: number;
  y: number;
  target: { disk: number } | { node: number };
}

export function MapView({ store, colouring, disk, node, onOpen }: MapViewProps) {
  const t = words();
  const shared = common();
  const f = useFormat();
  const theme = useDrawnTheme();
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [hover, setHover] = useState<Hover | null>(null);
  const [focus, setFocus] = useState<number | null>(null);
  const [focused, setFocused] = useState(false);

  useEffect(() => {
    const at = frame.current;
    if (!at) return undefined;
    const observer = new ResizeObserver(() => setWidth(Math.floor(at.clientWidth)));
    observer.observe(at);
    return () => observer.disconnect();
  }, []);

  const layout = useMemo(
    () => layOut([...store.nodes.values()], [...store.disks.values()], Math.max(width, 280)),
    [store, store.structure, width],
  );

  const picture = useRef<Omit<MapPicture, "top" | "bottom"> | null>(null);
  picture.current = {
    store,
    layout,
    colouring,
    theme,
    words: {
      zone: (name) => (name ? t.map.zone(visible(middle(name, 60))) : t.map.noZone),
      rack: (name) => (name ? t.map.rack(visible(middle(name, 60))) : t.map.noRack),
      node: (id) => shared.node(id),
      percent: f.percent,
      leader: t.map.leader,
    },
    pickedDisk: disk,
    pickedNode: node,
    focused: focused ? focus : null,
  };

  const draw = useRef<() => void>(() => {});
  useEffect(() => {
    let asked = 0;
    const now = () => {
      asked = 0;
      const at = canvas.current;
      const what = picture.current;
      const g = at?.getContext("2d");
      if (!at || !g || !what || what.layout.disks.length === 0) return;
      const scale = Math.min(devicePixelRatio || 1, 2);
      const size = [Math.round(at.clientWidth * scale), Math.round(what.layout.height * scale)] as const;
      if (at.width !== size[0] || at.height !== size[1]) [at.width, at.height] = size;
      const box = at.getBoundingClientRect();
      const top = Math.max(0, -box.top - 200);
      const bottom = Math.min(what.layout.height, innerHeight - box.top + 200);
      g.setTransform(scale, 0, 0, scale, 0, 0);
      g.clearRect(0, top, at.clientWidth, Math.max(0, bottom - top));
      paint(g, { ...what, top, bottom });
    };
    const ask = () => {
      if (!asked) asked = requestAnimationFrame(now);
    };
    draw.current = ask;
    const stop = store.watch(ask);
    addEventListener("scroll", ask, { passive: true });
    ask();
    return () => {
      stop();
      removeEventListener("scroll", ask);
      cancelAnimationFrame(asked);
    };
  }, [store]);
  useEffect(() => draw.current());

  const under = (event: MouseEvent) => {
    const box = canvas.current?.getBoundingClientRect();
    if (!box) return null;
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const target = hit(layout, x, y);
    return target ? { x, y, target } : null;
  };
  const onKey = (event: KeyboardEvent) => {
    if (event.key.startsWith("Arrow")) {
      event.preventDefault();
      const next = step(layout, focus, event.key);
      setFocus(next);
      const box = layout.disks.find((one) => one.disk === next);
      const top = canvas.current?.getBoundingClientRect().top ?? 0;
      if (box && (top + box.y < 80 || top + box.y + box.h > innerHeight - 20)) {
        scrollBy({ top: top + box.y - innerHeight / 2 });
      }
    } else if ((event.key === "Enter" || event.key === " ") && focus !== null) {
      event.preventDefault();
      onOpen({ disk: focus });
    }
  };
  const spoken = focused && focus !== null ? store.disks.get(focus) : undefined;
  return (
    <div ref={frame} className="map" style={{ height: layout.height }}>
      <canvas
        ref={canvas}
        className={hover ? "is-over" : ""}
        style={{ height: layout.height }}
        tabIndex={0}
        role="application"
        aria-label={t.map.label(f.count(store.nodes.size), f.count(store.disks.size))}
        onMouseMove={(event) => setHover(under(event))}
        onMouseLeave={() => setHover(null)}
        onClick={(event) => {
          const found = under(event);
          if (found) onOpen(found.target);
        }}
        onFocus={(event) => {
          setFocused(event.target.matches(":focus-visible"));
          setFocus((now) => now ?? disk ?? layout.disks[0]?.disk ?? null);
        }}
        onBlur={() => setFocused(false)}
        onKeyDown={onKey}
      />
      {hover ? <MapTip {...hover} width={width} /> : null}
      <span role="status" className="hidden-text">
        {spoken
          ? [
              shared.disk(spoken.id),
              shared.node(spoken.node),
              shared.liveness[spoken.liveness],
              t.map.used(f.percent(spoken.used_bytes / spoken.capacity_bytes), f.bytes(spoken.capacity_bytes)),
            ].join(", ")
          : ""}
      </span>
    </div>
  );
}
