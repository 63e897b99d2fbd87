// Icons, drawn for this dashboard on a 16 × 16 grid. Decoration only: what they mean is always said in words as well.

import type { ReactNode } from "react";

export interface IconProps {
  size?: number;
  className?: string;
}
export type Icon = (props: IconProps) => ReactNode;

function icon(drawing: ReactNode, filled = false): Icon {
  return function Drawn({ size = 16, className }: IconProps) {
    return (
      <svg
        width={size}
        height={size}
        viewBox="0 0 16 16"
        fill={filled ? "currentColor" : "none"}
        stroke={filled ? "none" : "currentColor"}
        strokeWidth={1.4}
        strokeLinecap="round"
        strokeLinejoin="round"
        aria-hidden="true"
        focusable="false"
        {...(className ? { className } : {})}
      >
        {drawing}
      </svg>
    );
  };
}

export const OverviewIcon = icon(
  <path d="M2 9.5 5 6l3 3 5.5-6M10 3h3.5v3.5M2 13.5h12" />,
);
export const TopologyIcon = icon(
  <>
    <rect x="2" y="2.5" width="12" height="4.5" rx="1.2" />
    <rect x="2" y="9" width="12" height="4.5" rx="1.2" />
    <path d="M4.6 4.75h.01M4.6 11.25h.01M7.5 4.75h4M7.5 11.25h4" />
  </>,
);
export const GroupsIcon = icon(
  <>
    <rect x="2" y="2" width="4.6" height="4.6" rx="1" />
    <rect x="9.4" y="2" width="4.6" height="4.6" rx="1" />
    <rect x="2" y="9.4" width="4.6" height="4.6" rx="1" />
    <rect x="9.4" y="9.4" width="4.6" height="4.6" rx="1" />
  </>,
);
export const FilesIcon = icon(
  <path d="M2 12.3V3.7c0-.7.5-1.2 1.2-1.2h3l1.6 1.9h5c.7 0 1.2.5 1.2 1.2v6.7c0 .7-.5 1.2-1.2 1.2H3.2c-.7 0-1.2-.5-1.2-1.2Z" />,
);
export const BalanceIcon = icon(<path d="M8 2.5v11M5 13.5h6M3 4.5h10M3 4.5 1.2 9h3.6L3 4.5Zm10 0L11.2 9h3.6L13 4.5Z" />);
export const RepairIcon = icon(
  <path d="M13.6 5.1a3.6 3.6 0 0 1-4.9 3.9l-4.3 4.3a1.2 1.2 0 0 1-1.7-1.7L7 7.3a3.6 3.6 0 0 1 3.9-4.9L8.9 4.5l.4 2.2 2.2.4 2.1-2Z" />,
);
export const AccessIcon = icon(
  <>
    <circle cx="5.2" cy="10.8" r="2.9" />
    <path d="m7.3 8.7 6-6M11 5l1.9 1.9" />
  </>,
);
export const AuditIcon = icon(
  <path d="M4 1.8h6l2.5 2.5v9.2c0 .4-.3.7-.7.7H4.2c-.4 0-.7-.3-.7-.7V2.5c0-.4.3-.7.5-.7ZM6 6.3h4M6 8.8h4M6 11.3h2.4" />,
);
export const SettingsIcon = icon(
  <>
    <path d="M2 4.5h6M11.5 4.5H14M2 11.5h2.5M8 11.5h6" />
    <circle cx="9.8" cy="4.5" r="1.7" />
    <circle cx="6.2" cy="11.5" r="1.7" />
  </>,
);
export const CodeIcon = icon(<path d="M5.2 4.5 1.8 8l3.4 3.5M10.8 4.5 14.2 8l-3.4 3.5M9.2 2.8 6.8 13.2" />);
export const MenuIcon = icon(<path d="M2 4h12M2 8h12M2 12h12" />);
export const CloseIcon = icon(<path d="m3.5 3.5 9 9M12.5 3.5l-9 9" />);
export const CheckIcon = icon(<path d="m2.8 8.4 3.4 3.5 7-7.6" />);
export const ChevronDownIcon = icon(<path d="m4 6.2 4 4 4-4" />);
export const ChevronRightIcon = icon(<path d="m6.2 4 4 4-4 4" />);
export const ArrowUpIcon = icon(<path d="M8 13V3.5M4 7.3l4-4 4 4" />);
export const ArrowDownIcon = icon(<path d="M8 3v9.5M4 8.7l4 4 4-4" />);
export const ArrowRightIcon = icon(<path d="M3 8h9.5M8.7 4l4 4-4 4" />);
export const SearchIcon = icon(
  <>
    <circle cx="7" cy="7" r="4.4" />
    <path d="m10.4 10.4 3.3 3.3" />
  </>,
);
export const CopyIcon = icon(
  <>
    <rect x="5.5" y="5.5" width="8" height="8" rx="1.3" />
    <path d="M10.5 3.2c0-.4-.4-.7-.8-.7H3.3c-.4 0-.8.4-.8.8v6.4c0 .4.3.8.7.8" />
  </>,
);
export const PlusIcon = icon(<path d="M8 3v10M3 8h10" />);
export const RefreshIcon = icon(<path d="M13.3 6.3A5.5 5.5 0 0 0 3.4 5M2.7 9.7a5.5 5.5 0 0 0 9.9 1.3M13.5 2.8v3.5H10M2.5 13.2V9.7H6" />);
export const SunIcon = icon(
  <>
    <circle cx="8" cy="8" r="2.8" />
    <path d="M8 1.5v1.3M8 13.2v1.3M1.5 8h1.3M13.2 8h1.3M3.4 3.4l.9.9M11.7 11.7l.9.9M12.6 3.4l-.9.9M4.3 11.7l-.9.9" />
  </>,
);
export const MoonIcon = icon(<path d="M13.3 9.6A5.8 5.8 0 0 1 6.4 2.7a5.8 5.8 0 1 0 6.9 6.9Z" />);
export const SystemIcon = icon(
  <>
    <rect x="1.8" y="2.5" width="12.4" height="8.5" rx="1.3" />
    <path d="M5.5 13.8h5M8 11v2.8" />
  </>,
);
export const GlobeIcon = icon(
  <>
    <circle cx="8" cy="8" r="6" />
    <path d="M2 8h12M8 2c2 2 2.6 4 2.6 6S10 12 8 14c-2-2-2.6-4-2.6-6S6 4 8 2Z" />
  </>,
);
export const UserIcon = icon(
  <>
    <circle cx="8" cy="5.4" r="2.7" />
    <path d="M2.8 13.6c.6-2.7 2.6-4 5.2-4s4.6 1.3 5.2 4" />
  </>,
);
export const LeaveIcon = icon(<path d="M6 2.5H3.2c-.4 0-.7.3-.7.7v9.6c0 .4.3.7.7.7H6M7 8h7M11.2 5.2 14 8l-2.8 2.8" />);
export const OkIcon = icon(
  <>
    <circle cx="8" cy="8" r="6" />
    <path d="m5.3 8.2 1.9 1.9 3.5-3.9" />
  </>,
);
export const WarningIcon = icon(
  <path d="M7.1 2.6 1.6 12a1 1 0 0 0 .9 1.5h11a1 1 0 0 0 .9-1.5L8.9 2.6a1 1 0 0 0-1.8 0ZM8 6.2v3.2M8 11.4h.01" />,
);
export const DangerIcon = icon(
  <path d="M5.5 1.8h5l3.7 3.7v5l-3.7 3.7h-5l-3.7-3.7v-5l3.7-3.7ZM8 4.8v3.7M8 11h.01" />,
);
export const InfoIcon = icon(
  <>
    <circle cx="8" cy="8" r="6" />
    <path d="M8 7.4v3.3M8 5.2h.01" />
  </>,
);
export const UnknownIcon = icon(
  <>
    <circle cx="8" cy="8" r="6" strokeDasharray="2.2 2" />
    <path d="M6.4 6.4c.2-1 .9-1.4 1.7-1.4 1 0 1.6.6 1.6 1.4 0 1.3-1.7 1.3-1.7 2.6M8 11h.01" />
  </>,
);
export const PauseIcon = icon(<path d="M5.5 3.5v9M10.5 3.5v9" />);
export const PlayIcon = icon(<path d="M4.8 3.2v9.6l7.7-4.8-7.7-4.8Z" />);
export const StopIcon = icon(<rect x="4" y="4" width="8" height="8" rx="1" />);
export const DrainIcon = icon(<path d="M2.5 3h11l-4 5v4.5l-3 1.3V8l-4-5Z" />);
export const ClockIcon = icon(
  <>
    <circle cx="8" cy="8" r="6" />
    <path d="M8 4.8V8l2.2 1.5" />
  </>,
);
export const EditIcon = icon(<path d="m10.8 2.6 2.6 2.6-7.9 7.9-3.1.5.5-3.1 7.9-7.9ZM9.3 4.1l2.6 2.6" />);
export const SwapIcon = icon(<path d="M2.5 5.5h10M10 3l2.5 2.5L10 8M13.5 10.5h-10M6 8l-2.5 2.5L6 13" />);
export const TrashIcon = icon(
  <path d="M2.5 4h11M6 4V2.6c0-.3.3-.6.6-.6h2.8c.3 0 .6.3.6.6V4M4 4l.6 9c0 .5.4.9.9.9h5c.5 0 .9-.4.9-.9L12 4M6.6 6.8v4.4M9.4 6.8v4.4" />,
);
export const StarIcon = icon(<path d="m8 1.8 1.9 4 4.3.6-3.1 3 .8 4.4L8 11.6l-3.9 2.2.8-4.4-3.1-3 4.3-.6L8 1.8Z" />, true);
export const DiskIcon = icon(
  <>
    <rect x="2" y="3" width="12" height="10" rx="1.5" />
    <path d="M2 9.5h12M11.3 11.3h.01" />
  </>,
);
export const NodeIcon = icon(
  <>
    <rect x="2" y="5" width="12" height="6" rx="1.4" />
    <path d="M4.7 8h.01M7 8h4.4" />
  </>,
);
export const ShieldIcon = icon(<path d="M8 1.8 13 3.6v4c0 3.2-2 5.4-5 6.6-3-1.2-5-3.4-5-6.6v-4l5-1.8Z" />);

export const UploadIcon = icon(<path d="M8 10.5V2.8M4.8 5.8 8 2.6l3.2 3.2M2.5 10.5v2.3c0 .4.3.7.7.7h9.6c.4 0 .7-.3.7-.7v-2.3" />);
export const DownloadIcon = icon(<path d="M8 2.5v7.9M4.8 7.4 8 10.6l3.2-3.2M2.5 10.5v2.3c0 .4.3.7.7.7h9.6c.4 0 .7-.3.7-.7v-2.3" />);
export const FileIcon = icon(<path d="M4.2 1.8h5l3.3 3.3v8.2c0 .5-.4.9-.9.9H4.4c-.5 0-.9-.4-.9-.9V2.5c0-.4.3-.7.7-.7ZM9 2v3.4h3.3" />);
export const ImageIcon = icon(
  <>
    <rect x="2" y="2.8" width="12" height="10.4" rx="1.3" />
    <circle cx="5.5" cy="6.2" r="1.1" />
    <path d="m2.4 11.6 3.3-3 2.5 2.2 2.4-2.6 3 3" />
  </>,
);
export const FilmIcon = icon(
  <>
    <rect x="2" y="3" width="12" height="10" rx="1.3" />
    <path d="M6.7 5.9v4.2L10.2 8 6.7 5.9Z" />
  </>,
);
export const SoundIcon = icon(
  <>
    <circle cx="4.6" cy="11.6" r="1.9" />
    <circle cx="11.3" cy="10.2" r="1.9" />
    <path d="M6.5 11.6V4l6.7-1.4v7.6" />
  </>,
);
export const TextFileIcon = icon(
  <path d="M4.2 1.8h5l3.3 3.3v8.2c0 .5-.4.9-.9.9H4.4c-.5 0-.9-.4-.9-.9V2.5c0-.4.3-.7.7-.7ZM9 2v3.4h3.3M5.8 8.3h4.4M5.8 10.9h3" />,
);
export const BucketIcon = icon(
  <>
    <ellipse cx="8" cy="4" rx="5.5" ry="1.8" />
    <path d="m2.5 4.2 1.3 8.2c.1.9 1.9 1.6 4.2 1.6s4.1-.7 4.2-1.6l1.3-8.2" />
  </>,
);
export const LinkIcon = icon(
  <path d="M6.7 9.3a2.7 2.7 0 0 0 3.8 0l2.4-2.4a2.7 2.7 0 0 0-3.8-3.8L8.3 4M9.3 6.7a2.7 2.7 0 0 0-3.8 0L3.1 9.1a2.7 2.7 0 0 0 3.8 3.8l.8-.9" />,
);
export const MoreIcon = icon(<path d="M3.5 8h.01M8 8h.01M12.5 8h.01" strokeWidth={2.2} />);
export const ChevronLeftIcon = icon(<path d="m9.8 4-4 4 4 4" />);
export const RestoreIcon = icon(<path d="M2.8 8a5.3 5.3 0 1 0 1.7-3.9M2.5 2.6v2.9h2.9M8 5.2V8l2 1.3" />);
export const FolderPlusIcon = icon(
  <path d="M2 12.3V3.7c0-.7.5-1.2 1.2-1.2h3l1.6 1.9h5c.7 0 1.2.5 1.2 1.2v6.7c0 .7-.5 1.2-1.2 1.2H3.2c-.7 0-1.2-.5-1.2-1.2ZM8 7v4M6 9h4" />,
);
export const TagIcon = icon(<path d="M2.5 3.2v4.2l6.2 6.2 4.9-4.9L7.4 2.5H3.2c-.4 0-.7.3-.7.7ZM5.3 5.3h.01" />);

/** The mark: a cell held from all sides. */
export function Mark({ size = 22 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <rect width="24" height="24" rx="6.5" fill="var(--mark, #2a55d0)" />
      <path d="M7 5.5v13M17 5.5v13M7 12h3M14 12h3" stroke="#fff" strokeWidth="2.3" strokeLinecap="round" fill="none" />
      <circle cx="12" cy="12" r="2.5" fill="none" stroke="#fff" strokeWidth="2" />
    </svg>
  );
}
