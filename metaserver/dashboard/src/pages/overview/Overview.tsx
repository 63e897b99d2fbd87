// The first page: how the cluster is, why, and what is being done about it.

import { useOverview } from "../../api/queries";
import { EmptyState } from "../../components/EmptyState";
import { FailureNote } from "../../components/FailureNote";
import { Skeleton } from "../../components/Skeleton";
import { UnknownIcon } from "../../components/icons";
import { errorWords } from "../../i18n/errors";
import { CapacityCard } from "./CapacityCard";
import { EventsCard } from "./EventsCard";
import { FactsRow } from "./FactsRow";
import { FirstSteps } from "./FirstSteps";
import { HealthCard } from "./HealthCard";
import { JobsCard } from "./JobsCard";
import { PerformanceCard } from "./PerformanceCard";
import { QuorumCard } from "./QuorumCard";
import { RedundancyCard } from "./RedundancyCard";
import { words } from "./text";

export default function Overview() {
  const t = words();
  const { data, error, refetch } = useOverview();
  // Without a leader most figures are nobody's: a zero would be a lie.
  const known = data !== undefined && (data.complete || data.capacity.raw_bytes > 0);
  return (
    <div className="page">
      <h1 className="hidden-text">{t.title}</h1>
      {error && !data ? (
        <FailureNote failure={error} title={errorWords.now().loadTitle} onRetry={() => void refetch()} />
      ) : null}
      {data ? (
        <>
          <HealthCard overview={data} />
          {known ? <FactsRow overview={data} /> : null}
          {known && data.empty ? <FirstSteps overview={data} /> : null}
          <div className="grid">
            {known ? (
              <>
                <CapacityCard overview={data} className="third" />
                <RedundancyCard overview={data} className="third" />
              </>
            ) : (
              <div className="card two-thirds">
                <EmptyState icon={UnknownIcon} title={t.unknown}>
                  {t.unknownMeans}
                </EmptyState>
              </div>
            )}
            <QuorumCard overview={data} className="third" />
            {known ? <PerformanceCard overview={data} /> : null}
            {known ? <JobsCard jobs={data.jobs} className="half" /> : null}
            <EventsCard className="half" />
          </div>
        </>
      ) : error ? null : (
        <Waiting />
      )}
    </div>
  );
}

function Waiting() {
  return (
    <div className="stack" aria-busy="true">
      <Skeleton height={92} />
      <Skeleton height={78} />
      <div className="grid">
        <div className="third">
          <Skeleton height={290} />
        </div>
        <div className="third">
          <Skeleton height={290} />
        </div>
        <div className="third">
          <Skeleton height={290} />
        </div>
      </div>
      <Skeleton height={520} />
    </div>
  );
}
