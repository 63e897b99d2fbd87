// What the journal says of itself.

export interface AuditHead {
  seq: number;
  hash: string;
  first_seq: number;
  at: string;
  retention_days: number;
}
