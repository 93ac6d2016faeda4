import "../styles/explore.css";
import "../styles/exports.css";
import "../styles/integrations.css";

import { useState } from "react";
import { Link, useLocation } from "wouter";

import { serverUrl } from "../api/client";
import { problemOf } from "../api/problem";
import { useCrumb } from "../app/crumb";
import { pathOf, useMay, useProject } from "../app/project";
import { Button } from "../parts/button";
import { Empty, Face, Failed, SkeletonLines, Stale } from "../parts/faces";
import { Icon } from "../parts/icons";
import { Time, useNow } from "../parts/time";
import { words } from "../words";
import { useIntegration, useIntegrations, useKinds, type Integration } from "./calls";
import { DetailPage } from "./detail";
import { destinationOf, draftOf, newDraft } from "./draft";
import { IntegrationForm } from "./form";
import { iconOf, lagOf, StatusOf, windowWords } from "./looks";
import { scheduleWords } from "./schedule";

/** Integrations: the list, a new one, one in detail, one that is changed. */
export function IntegrationsPage({ rest }: { rest: string[] }) {
  const [id, what] = rest;
  const owner = useMay("owner");
  if (id === undefined) return <ListPage />;
  const isForm = id === "new" || what === "edit";
  if (isForm && !owner) return <OwnersOnly />;
  if (id === "new") return <NewPage />;
  return isForm ? <EditPage id={id} /> : <DetailPage key={id} id={id} tab={what} />;
}

/** In the place of a form that would be refused when it is sent. */
function OwnersOnly() {
  return (
    <Face page icon="lock" title={words.integrations.forbidden}>
      <p>{words.problem.forbiddenHint}</p>
    </Face>
  );
}

function ListPage() {
  const project = useProject();
  const owner = useMay("owner");
  const integrations = useIntegrations();
  const items = integrations.data?.pages.flatMap((page) => page.items) ?? [];
  const text = words.integrations;
  const create = owner && (
    <Link className="button" data-look="primary" href={pathOf(project.id, "integrations", "new")}>
      <Icon name="add" />
      {text.new}
    </Link>
  );
  return (
    <div className="page">
      <div className="page-head">
        <h1>{words.pages["integrations"]}</h1>
        {items.length > 0 && <div className="actions">{create}</div>}
      </div>
      <div className="page-body" style={{ flex: 1 }}>
        {integrations.isPending && <SkeletonLines lines={5} height={36} />}
        {integrations.isLoadingError && <Failed error={integrations.error} retry={() => void integrations.refetch()} />}
        <Stale query={integrations} />
        {integrations.isSuccess && items.length === 0 && (
          <Empty
            icon="integrations"
            title={text.empty}
            text={owner ? text.emptyText : `${text.emptyText} ${text.ownersOnly}`}
            {...(owner && { command: text.emptyCommand(serverUrl, project.id), action: create })}
          />
        )}
        {items.length > 0 && <List items={items} />}
        {integrations.hasNextPage && (
          <Button busy={integrations.isFetchingNextPage} onClick={() => void integrations.fetchNextPage()}>
            {text.more}
          </Button>
        )}
      </div>
      <div className="page-foot" role="status">
        {integrations.data && text.count(items.length)}
      </div>
    </div>
  );
}

function List({ items }: { items: Integration[] }) {
  const project = useProject();
  const now = useNow();
  const [, go] = useLocation();
  const { columns } = words.integrations;
  return (
    <div className="list-frame" tabIndex={0} role="region" aria-label={words.pages["integrations"]}>
      <table className="list exports">
        <thead>
          <tr>
            <th>{columns.name}</th>
            <th>{columns.status}</th>
            <th>{columns.schedule}</th>
            <th className="end">{columns.lag}</th>
            <th>{columns.last}</th>
            <th>{columns.next}</th>
          </tr>
        </thead>
        <tbody>
          {items.map((known) => {
            const href = pathOf(project.id, "integrations", known.id);
            const failure = known.pause?.failure ?? (known.lastRun?.state === "failed" ? known.lastRun.failure : null);
            return (
              <tr key={known.id} className="line" onClick={() => go(href)}>
                <td className="what">
                  <div className="of-kind">
                    <Icon name={iconOf(known)} />
                    <div>
                      <Link href={href} className="clip" title={known.name} onClick={(event) => event.stopPropagation()}>
                        {known.name}
                      </Link>
                      <div className="muted mono clip">{destinationOf(known)}</div>
                      {failure && <div className="field-problem clip" title={failure.message}>{failure.message}</div>}
                    </div>
                  </div>
                </td>
                <td>
                  <StatusOf known={known} />
                </td>
                <td className="muted">{scheduleWords(known.schedule)}</td>
                <td className="end number">{lagOf(known, now)}</td>
                <td className="muted">{known.lastRun ? windowWords(known.lastRun.from, known.lastRun.to, now) : "–"}</td>
                <td className="muted">
                  <Time at={known.nextAt} always="relative" />
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function NewPage() {
  const project = useProject();
  const kinds = useKinds();
  if (kinds.isPending) return <FormSkeleton />;
  if (kinds.isLoadingError) return <Failed page error={kinds.error} retry={() => void kinds.refetch()} />;
  const first = kinds.data.find((kind) => kind.name === "s3") ?? kinds.data[0];
  if (!first) return <Face page icon="integrations" title={words.integrations.missing} />;
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return <IntegrationForm kinds={kinds.data} known={null} begin={newDraft(first, zone, project.name)} />;
}

function EditPage({ id }: { id: string }) {
  const kinds = useKinds();
  const known = useIntegration(id);
  const [round, setRound] = useState(0);
  useCrumb(known.data?.name ?? null);
  if (kinds.isPending || known.isPending) return <FormSkeleton />;
  if (kinds.isLoadingError) return <Failed page error={kinds.error} retry={() => void kinds.refetch()} />;
  // A form that somebody fills in stays, whatever comes of asking again.
  if (known.isLoadingError) return <Missing error={known.error} retry={() => void known.refetch()} />;
  const again = async () => {
    await known.refetch({ throwOnError: true });
    setRound(round + 1);
  };
  return <IntegrationForm key={round} kinds={kinds.data} known={known.data} begin={draftOf(known.data)} again={again} />;
}

/** Why an integration is not shown. */
export function Missing({ error, retry }: { error: unknown; retry: () => void }) {
  if (problemOf(error).status !== 404) return <Failed page error={error} retry={retry} />;
  return (
    <Face page icon="search" title={words.problem.notFoundTitle}>
      <p>{words.problem.notFound}</p>
    </Face>
  );
}

function FormSkeleton() {
  return (
    <div className="page-body">
      <SkeletonLines lines={10} height={30} />
    </div>
  );
}
