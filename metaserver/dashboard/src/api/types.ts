// What the admin API speaks, as the server writes it (GET /api/v1/openapi.json).
// Times are RFC 3339 in UTC, sizes are bytes, rates are per second.

export interface ApiError {
  error: {
    code: string;
    message: string;
    params: Record<string, string>;
    reasons?: Reason[];
    retry: "never" | "later" | "refresh";
    retry_after_ms?: number;
    request_id: string;
  };
}

export interface Page<T> {
  items: T[];
  next: string | null;
}
export interface List<T> {
  items: T[];
}

export type Role = "viewer" | "operator" | "admin";
export type Severity = "note" | "warning" | "danger";
/** "unknown": of nodes without disks that are no metadata servers, which tell the leader nothing. */
export type Liveness = "alive" | "suspect" | "down" | "failed" | "full" | "unknown";
export type Standing = "in" | "draining" | "out" | "removed" | "maintenance";

export interface Me {
  account: string;
  role: Role;
  via: "session" | "token";
  csrf: string;
  must_change_password: boolean;
  expires_at: string;
  cluster: string;
  version: string;
}

// ---- overview

/** Why something is so, cannot be done, or how far it is. `code` is empty when the leader gave none. */
export interface Reason {
  code: string;
  params: Record<string, string>;
  message: string;
}
export interface Issue {
  code: string;
  severity: Severity;
  message: string;
  params: Record<string, string>;
  /** Of a procedure under way: how far it is, then what it waits for. */
  reasons?: Reason[];
  since: string | null;
}
export type Health = "healthy" | "warning" | "danger" | "unknown";
export interface Voter {
  node: number;
  address: string;
  matched_behind: number | null;
  silent_ms: number | null;
  ok: boolean;
}
export interface Meta {
  leader: number | null;
  term: number;
  quorum_age_ms: number;
  voters: Voter[];
  learners: number[];
  tolerates: number;
}
export interface Capacity {
  raw_bytes: number;
  raw_used_bytes: number;
  stored_bytes: number;
  available_bytes: number;
  trash_bytes: number;
  trash_files: number;
  files: number;
  chunks: number;
  forecast: { full_at: string | null; growth_bytes_per_day: number; basis_days: number } | null;
}
export interface Redundancy {
  pgs_healthy: number;
  pgs_degraded: number;
  pgs_at_risk: number;
  pgs_unavailable: number;
  missing_chunks: number;
  garbage_chunks: number;
  survives: { failures: number; groups: number; bytes: number }[];
  oldest_since: string | null;
  bytes_left: number;
  rate: number;
  eta_seconds: number | null;
  measured: boolean;
}
export interface Rates {
  read_bytes: number;
  write_bytes: number;
  read_ops: number;
  write_ops: number;
  meta_ops: number;
  read_ms: number;
  write_ms: number;
  meta_ms: number;
}
export type JobKind =
  | "repair"
  | "balance"
  | "drain"
  | "maintenance"
  | "replacement"
  | "scrub"
  | "convert"
  | "gc";
export interface Job {
  kind: JobKind;
  title_params: Record<string, string>;
  state: "running" | "paused" | "waiting" | "done";
  done_bytes: number | null;
  total_bytes: number | null;
  rate: number;
  eta_seconds: number | null;
  since: string | null;
  detail: Reason;
  blocked: Reason[];
}
export interface Overview {
  health: Health;
  complete: boolean;
  cluster: string;
  version: string;
  now: string;
  issues: Issue[];
  meta: Meta;
  nodes: { total: number; alive: number };
  disks: { total: number; alive: number; full: number; failed: number };
  capacity: Capacity;
  redundancy: Redundancy;
  io: Rates;
  jobs: Job[];
  empty: boolean;
  sessions: number;
  map_epoch: number;
  uptime_seconds: number;
}
export type HistoryRange = "1h" | "24h" | "30d" | "1y";
export interface HistoryPoint {
  at: string;
  io: Rates | null;
  stored_bytes: number | null;
  raw_used_bytes: number | null;
  raw_bytes: number | null;
}
export interface History {
  range: string;
  step_seconds: number;
  complete_since: string | null;
  points: HistoryPoint[];
}
export interface Loop {
  name: string;
  state: "idle" | "busy" | "throttled" | "waiting";
  detail: string;
}

// ---- topology

export interface Procedure {
  kind: "drain" | "maintenance" | "replacement";
  disk: number | null;
  node: number;
  began: string;
  groups_begun: number;
  bytes_begun: number;
  groups_left: number;
  bytes_left: number;
  rate: number;
  eta_seconds: number | null;
  ends_in_seconds: number | null;
  leaves: number;
  blocked: Reason[];
  detail: Reason;
  done: boolean;
}
export type NodeRole = "meta" | "chunk" | "gateway" | "worker" | "witness";
export interface NodeView {
  id: number;
  address: string;
  admin_address: string;
  s3_address: string;
  zone: string;
  rack: string;
  host: string;
  roles: NodeRole[];
  standing: Standing;
  liveness: Liveness;
  silent_ms: number;
  version: string;
  uptime_ms: number;
  leader: boolean;
  voter: boolean;
  disks: number;
  procedure: Procedure | null;
}
export interface DiskView {
  id: number;
  node: number;
  incarnation: number;
  path: string;
  standing: Standing;
  effective_standing: Standing;
  liveness: Liveness;
  condition: "good" | "failed" | "full" | "recovering" | "unknown";
  reason: string;
  weight: number;
  capacity_bytes: number;
  used_bytes: number;
  free_bytes: number;
  garbage_bytes: number;
  groups: number;
  records: number;
  commit_us: number;
  read_bytes: number;
  write_bytes: number;
  read_ops: number;
  write_ops: number;
  load: number;
  lost: boolean;
  procedure: Procedure | null;
}
export interface Topology {
  map_epoch: number;
  nodes: NodeView[];
  disks: DiskView[];
}
/** [id, used_bytes, free_bytes, liveness, read_bytes, write_bytes, load] */
export type DiskLoad = [number, number, number, Liveness, number, number, number];
/** [id, liveness, silent_ms] */
export type NodeLoad = [number, Liveness, number];
export interface TopologyLoad {
  map_epoch: number;
  disks: DiskLoad[];
  nodes: NodeLoad[];
}
export type NodeDetail = NodeView & { disk_list: DiskView[] };
export type DiskDetail = DiskView & { node_view: NodeView; scrub: ScrubDisk | null; group_ids: number[] };
export interface ProcedureResult {
  groups: number;
  bytes: number;
  against: Reason[];
  already: boolean;
  preview: boolean;
  allowed: boolean;
  proofs: {
    disk: number;
    groups: number;
    leaves: number;
    answered: boolean;
    records: number;
    elsewhere: number;
    unknown: number;
  }[];
  eta_seconds: number | null;
}

// ---- placement groups

export type Level = "whole" | "degraded" | "at_risk" | "unavailable";
export interface GroupMember {
  disk: number;
  node: number;
  condition: string;
  lacks: number;
  temporary: boolean;
  shard: number;
  bytes_left: number;
}
export interface GroupView {
  id: number;
  class: number;
  class_name: string;
  writable: "writable" | "sealed" | "retired";
  level: Level;
  state: string;
  why: string;
  reasons: Reason[];
  since: string | null;
  level_since: string | null;
  until: string | null;
  bytes: number;
  chunks: number;
  spare: number;
  bytes_left: number;
  epoch: number;
  members: GroupMember[];
}
interface Amount {
  groups: number;
  bytes: number;
}
export interface GroupsSummary {
  total: number;
  by_level: Record<string, Amount>;
  by_state: Record<string, Amount>;
  by_spare: (Amount & { spare: number })[];
  by_class: (Amount & { class: number; name: string })[];
}
export interface GroupsMap {
  ids: number[];
  /** One character for each group: w d a u. */
  level: string;
  class: number[];
}

// ---- balance

export interface Balance {
  state: "idle" | "running" | "paused" | "cancelling";
  number: number;
  automatic: boolean;
  began: string | null;
  changed: string | null;
  moves_done: number;
  bytes_done: number;
  planned_bytes: number;
  moves_under_way: number;
  bytes_left: number;
  rate: number;
  eta_seconds: number | null;
  outcome: Reason;
  measured: boolean;
  bytes_per_second: number;
  automatic_on: boolean;
  threshold_percent: number;
  parallel: number;
}
export interface BalanceRun {
  number: number;
  automatic: boolean;
  began: string;
  ended: string | null;
  moves: number;
  bytes: number;
  planned_bytes: number;
  outcome: Reason;
  by: string;
}
export interface BalanceMove {
  group: number;
  from: number;
  to: number;
  bytes: number;
  under_way: boolean;
}
export interface BalanceDisk {
  disk: number;
  node: number;
  share_bytes: number;
  before_bytes: number;
  after_bytes: number;
  peak_bytes: number;
  cap_bytes: number;
}
export interface BalancePlan {
  measured: boolean;
  moves: BalanceMove[];
  moves_total: number;
  bytes: number;
  least_bytes: number;
  cut_short: boolean;
  eta_seconds: number | null;
  disks: BalanceDisk[];
  spread_before: number;
  spread_after: number;
}

// ---- repair, scrub

export interface Repair {
  running: number;
  chunks: number;
  bytes: number;
  bytes_left: number;
  rate: number;
  eta_seconds: number | null;
  queue: { level: string; groups: number; bytes: number; bytes_left: number }[];
  at_risk: GroupView[];
  held: boolean;
  bytes_per_second: number;
  parallel_per_disk: number;
  parallel_total: number;
}
export interface RepairEvent {
  at: string;
  kind: string;
  message: string;
  params: Record<string, string>;
}
export interface ScrubRound {
  number: number;
  ordered: boolean;
  began: string;
  ended: string | null;
  to_do_bytes: number;
  bytes: number;
  chunks: number;
  damaged: number;
  mended: number;
  gone: number;
  cut_short: boolean;
}
export interface ScrubDisk {
  disk: number;
  node: number;
  state: "waiting" | "running" | "off" | "unknown";
  due: string | null;
  rate: number;
  cap: number;
  open: number;
  round: ScrubRound | null;
  last: ScrubRound | null;
  history: ScrubRound[];
}
export interface Scrub {
  disks: ScrubDisk[];
  /** A number, or "node": as each node is configured. */
  bytes_per_second: string;
  period_seconds: string;
}

// ---- audit

export interface AuditEntry {
  seq: number;
  at: string;
  kind: "change" | "access" | "event";
  actor: { kind: "account" | "token" | "cli" | "system" | "anonymous"; name: string; from: string };
  action: string;
  target: string;
  details: Record<string, string>;
  outcome: "ok" | "refused";
  message: string;
  hash: string;
}

// ---- classes, settings, files, access: see the pages that use them

export interface ClassSpec {
  name: string;
  kind: "replicated" | "erasure";
  copies?: number;
  min_copies?: number;
  data?: number;
  parity?: number;
  domain: "disk" | "host" | "rack" | "zone";
  inline_limit?: number;
  chunk_bytes?: number;
  cell_bytes?: number;
  companion?: number;
}
export interface ClassView extends ClassSpec {
  id: number;
  is_default: boolean;
  groups: number;
  bytes: number;
  /** Raw bytes per byte stored. */
  overhead: number;
  tolerates: number;
}
export interface Setting {
  name: string;
  value: string;
  default: string;
  kind: "number" | "switch" | "choice" | "override";
  least?: number;
  most?: number;
  choices?: string[];
  meaning: string;
  /** durability|detection|repair|balance|scrub|trash|metadata|audit|access */
  group: string;
  /** bytes_per_second|seconds|ms|percent|count|days|"" */
  unit: string;
}
export interface Entry {
  /** As shown. */
  name: string;
  /** Text; "%" and bytes that are no UTF-8 are written %XX. */
  path: string;
  kind: "file" | "directory" | "symlink" | "other";
  size: number;
  modified: string;
  ino: number;
  version: number;
  content_type: string;
  etag: string;
  class: number;
  mode: number;
  uid: number;
  gid: number;
  bucket: boolean;
  metadata?: Record<string, string>;
  preview: "image" | "video" | "audio" | "text" | "pdf" | null;
}
export interface Quota {
  path_is_root: boolean;
  bytes: number;
  files: number;
  used_bytes: number;
  used_files: number;
  counting: boolean;
}
export interface Share {
  id: string;
  path: string;
  created_by: string;
  created: string;
  expires: string;
  expired: boolean;
  url?: string;
}
export interface TrashItem {
  ino: number;
  index: number;
  path: string;
  deleted: string;
  way: string;
  size: number;
  keeps_seconds: number;
  open: boolean;
}
export interface Account {
  name: string;
  role: Role;
  disabled: boolean;
  created: string;
  last_login: string | null;
  must_change_password: boolean;
  sessions: number;
  tokens: number;
}
export interface Token {
  id: string;
  account: string;
  role: Role;
  description: string;
  created: string;
  expires: string | null;
  last_used: string | null;
}
export interface Key {
  access_key: string;
  description: string;
  disabled: boolean;
  rules: {bucket: string; read: boolean; write: boolean; manage: boolean}[];
}
export interface AuditVerdict {
  ok: boolean;
  first: number;
  last: number;
  entries: number;
  head: string;
  members: {node: number; ok: boolean; answered: boolean; head: string; problems: {seq:number; code: "changed" | "missing" | "reordered" | "head_mismatch"; message: string}[]}[];
}
