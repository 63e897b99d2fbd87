// The map itself: a canvas, however many groups there are. What is pointed at is drawn over it by an element of its own,
// so that moving the pointer paints nothing anew.

import { useEffect, useLayoutEffect, useMemo, useRef, useState, type KeyboardEvent, type PointerEvent } from "react";
import { useDrawnTheme } from "../../app/theme";
import type { GroupsMap as MapData } from "../../api/types";
import { LevelBadge } from "../../components/StatusBadge";
import { visible } from "../../format/visible";
import { useFormat } from "../../format";
import { common } from "../../i18n/common";
import { draw } from "./mapDraw";
import { LEVEL_OF, layout, ordered, type Order } from "./mapLayout";
import { words } from "./text";

interface Props {
  map: MapData;
  order: Order;
  height: number;
  className: (id: number) => string;
  dimmed: (index: number) => boolean;
  onOpen: (id: number) => void;
}

export function GroupsMap({ map, order, height, className, dimmed, onOpen }: Props) {
  const t = words();
  const c = common();
  const f = useFormat();
  const theme = useDrawnTheme();
  const frame = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  const [at, setAt] = useState(-1);
  const sorted = useMemo(() => ordered(map, order), [map, order]);
  const place = useMemo(() => layout(sorted.length, Math.max(width, 1), height), [sorted.length, width, height]);

  useLayoutEffect(() => {
    const element = frame.current;
    if (!element) return undefined;
    const measure = () => setWidth(element.clientWidth);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  useEffect(() => {
    if (!canvas.current || width === 0) return undefined;
    const request = requestAnimationFrame(() => {
      if (canvas.current) draw(canvas.current, { map, order: sorted, place, at: -1, dimmed });
    });
    return () => cancelAnimationFrame(request);
  }, [map, sorted, place, dimmed, width, theme]);

  const index = at >= 0 ? sorted[at] : undefined;
  const id = index === undefined ? undefined : map.ids[index];
  const level = index === undefined ? undefined : (LEVEL_OF[map.level[index] ?? ""] ?? "unavailable");
  const cls = index === undefined ? "" : className(map.class[index] ?? 0);

  const under = (event: PointerEvent): number => {
    const box = event.currentTarget.getBoundingClientRect();
    const column = Math.floor((event.clientX - box.left) / place.step);
    const found = Math.floor((event.clientY - box.top) / place.step) * place.columns + column;
    return column >= 0 && column < place.columns && found >= 0 && found < sorted.length ? found : -1;
  };
  const onKey = (event: KeyboardEvent) => {
    const steps: Record<string, number> = {
      ArrowRight: at + 1,
      ArrowLeft: at - 1,
      ArrowDown: at + place.columns,
      ArrowUp: at - place.columns,
      PageDown: at + place.columns * 5,
      PageUp: at - place.columns * 5,
      Home: 0,
      End: sorted.length - 1,
    };
    const to = steps[event.key];
    if (to !== undefined) {
      event.preventDefault();
      setAt(at < 0 ? 0 : Math.min(Math.max(to, 0), sorted.length - 1));
    } else if (event.key === "Enter" && id !== undefined) {
      onOpen(id);
    }
  };
  const x = (at % place.columns) * place.step;
  const y = Math.floor(at / place.columns) * place.step;
  const below = y < place.height / 2;
  return (
    <div
      ref={frame}
      className="pg-map"
      style={{ height: place.height }}
      role="application"
      aria-roledescription={t.mapRole}
      aria-label={`${t.mapLabel(f.count(map.ids.length))}. ${t.mapHelp}`}
      tabIndex={0}
      onKeyDown={onKey}
      onFocus={(event) => {
        if (at < 0 && event.currentTarget.matches(":focus-visible")) setAt(0);
      }}
      onBlur={() => setAt(-1)}
      onPointerMove={(event) => setAt(under(event))}
      onPointerLeave={() => setAt(-1)}
      onClick={() => {
        if (id !== undefined) onOpen(id);
      }}
    >
      <canvas ref={canvas} style={{ width: "100%", height: place.height }} aria-hidden="true" />
      {level && id !== undefined ? (
        <>
          <span
            className="pg-map-at"
            style={{ width: place.cell + 4, height: place.cell + 4, transform: `translate(${x - 2}px, ${y - 2}px)` }}
          />
          <div
            className={`pg-map-tip ${x > width / 2 ? "to-left" : ""}`}
            style={{ left: x + place.cell / 2, ...(below ? { top: y + place.step + 6 } : { bottom: place.height - y + 6 }) }}
          >
            <span className="strong">{t.group(id)}</span>
            <LevelBadge value={level} />
            <span className="muted">{visible(cls)}</span>
          </div>
        </>
      ) : null}
      <span className="hidden-text" aria-live="polite">
        {level && id !== undefined ? t.mapCell(id, c.levels[level], visible(cls)) : ""}
      </span>
    </div>
  );
}
