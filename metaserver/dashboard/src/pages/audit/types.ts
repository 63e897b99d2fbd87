// What the journal says of itself.

export interface AuditHead {
  seq: number;
  hash: string;
  first_seq: number;
  /** Null: nothing was written yet. */
  at: string | null;
  retention_days: number;
}
