// Stands where something will be, with its size, so that nothing jumps.

import { common } from "../i18n/common";

export function Skeleton({ height = 16, width = "100%" }: { height?: number | string; width?: number | string }) {
  return <span className="skeleton" style={{ height, width }} aria-hidden="true" />;
}

export function SkeletonLines({ lines = 3, height = 16 }: { lines?: number; height?: number }) {
  const t = common();
  return (
    <div className="stack" role="status">
      <span className="hidden-text">{t.loading}</span>
      {Array.from({ length: lines }, (_, index) => (
        <Skeleton key={index} height={height} width={`${100 - ((index * 17) % 35)}%`} />
      ))}
    </div>
  );
}
