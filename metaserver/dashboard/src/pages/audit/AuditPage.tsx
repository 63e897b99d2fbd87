// The journal: whether it is intact, and what stands in it.

import { useState } from "react";
import { useRoute } from "wouter";
import { useRefusal } from "../../app/session";
import { Button } from "../../components/Button";
import { ArrowDownIcon } from "../../components/icons";
import { Entries } from "./Entries";
import { ExportDialog } from "./ExportDialog";
import { useAuditFilters, useAuditQuery } from "./filters";
import { IntegrityCard } from "./IntegrityCard";
import { words } from "./text";

export default function AuditPage() {
  const t = words();
  const [, params] = useRoute<{ seq: string }>("/audit/:seq");
  const [filters, change] = useAuditFilters();
  const query = useAuditQuery(filters);
  const [exporting, setExporting] = useState(false);
  return (
    <div className="page">
      <header className="page-head">
        <div>
          <h1>{t.title}</h1>
          <p>{t.lead}</p>
        </div>
        <Button icon={ArrowDownIcon} refused={useRefusal("admin")} onClick={() => setExporting(true)}>
          {t.export}
        </Button>
      </header>
      <IntegrityCard />
      <Entries filters={filters} change={change} query={query} open={params?.seq ?? null} />
      {exporting ? <ExportDialog from={query["from"]} to={query["to"]} onClose={() => setExporting(false)} /> : null}
    </div>
  );
}
