import { lazy, Suspense, useEffect } from "react";
import { Redirect, Route, Switch, useLocation } from "wouter";

import { useProjectOf, useProjects } from "../api/catalog";
import { useEnded, useSession } from "../api/session";
import { Failed, Face, SkeletonLines } from "../parts/faces";
import { SetUp } from "../sign-in/set-up";
import { SignIn, SignInAgain } from "../sign-in/sign-in";
import { words } from "../words";
import { partsOf, useAddressPath } from "./address";
import { Crash } from "./crash";
import { Frame } from "./frame";
import { pathOf, ProjectContext, useProject } from "./project";
import { ProjectsPage } from "./projects";
import { remember, remembered } from "./theme";

const ExplorePage = lazy(() => import("../explore/page").then((file) => ({ default: file.ExplorePage })));
const ExportsPage = lazy(() => import("../exports/page").then((file) => ({ default: file.ExportsPage })));
const IntegrationsPage = lazy(() => import("../integrations/page").then((file) => ({ default: file.IntegrationsPage })));
const SettingsPage = lazy(() => import("../settings/page").then((file) => ({ default: file.SettingsPage })));

const LAST_PROJECT = "outgest.project";

/** The whole app: who is there, which project, which page. */
export function App() {
  const [path] = useLocation();
  const session = useSession();
  const ended = useEnded();
  if (path === "/invitation") return <SetUp />;
  if (session.isPending) return <Loading />;
  if (session.isLoadingError) {
    return (
      <main className="center">
        <Failed page error={session.error} retry={() => void session.refetch()} />
      </main>
    );
  }
  const there = session.data ?? ended;
  if (there === null) return <SignIn />;
  return (
    <>
      {session.data === null && <SignInAgain />}
      <div key={there.user?.id} className="kept" inert={session.data === null}>
        <Everything />
      </div>
    </>
  );
}

function Everything() {
  return (
    <Switch>
      <Route path="/">
        <Start />
      </Route>
      <Route path="/projects">
        <Frame page={words.projects.title}>
          <ProjectsPage />
        </Frame>
      </Route>
      <Route path="/projects/:project/*?">
        <InProject />
      </Route>
      <Route>
        <Frame page="">
          <NotFound />
        </Frame>
      </Route>
    </Switch>
  );
}

function Loading() {
  return (
    <main className="center">
      <div className="gate">
        <SkeletonLines lines={3} />
      </div>
    </main>
  );
}

/** The last project, or the only one, or a choice. */
function Start() {
  const known = useProjects().data ?? [];
  const { project, isPending } = useProjectOf(remembered(LAST_PROJECT));
  if (isPending) return <Loading />;
  const last = project ?? (known.length === 1 ? known[0] : undefined);
  if (last) return <Redirect to={pathOf(last.id, "events")} replace />;
  return <Redirect to="/projects" replace />;
}

function InProject() {
  const [, id = ""] = partsOf(useAddressPath());
  const { project, isPending, error, again } = useProjectOf(id);
  useEffect(() => remember(LAST_PROJECT, id), [id]);
  if (isPending) return <Loading />;
  if (!project) {
    return (
      <Frame page={id}>
        {error ? (
          <Failed page error={error} retry={again} />
        ) : (
          <Face page icon="lock" title={words.problem.forbidden}>
            <p>{words.problem.forbiddenHint}</p>
          </Face>
        )}
      </Frame>
    );
  }
  return (
    <ProjectContext value={project}>
      <Pages key={project.id} />
    </ProjectContext>
  );
}

function Pages() {
  const project = useProject();
  const [, , page, ...rest] = partsOf(useAddressPath());
  if (page === undefined) return <Redirect to={pathOf(project.id, "events")} replace />;
  return (
    <Frame page={page}>
      <Crash key={page}>
        <Suspense fallback={<div className="page-body"><SkeletonLines lines={8} /></div>}>
          <PageOf page={page} rest={rest} />
        </Suspense>
      </Crash>
    </Frame>
  );
}

const TABLES = ["events", "scores", "traces", "observations", "sessions"];

function PageOf({ page, rest }: { page: string; rest: string[] }) {
  if (TABLES.includes(page)) return <ExplorePage key={page} table={page} />;
  if (page === "exports") return <ExportsPage open={rest[0]} />;
  if (page === "integrations") return <IntegrationsPage rest={rest} />;
  if (page === "settings") return <SettingsPage section={rest[0]} />;
  return <NotFound />;
}

function NotFound() {
  return (
    <Face page icon="search" title={words.problem.notFoundTitle}>
      <p>{words.problem.notFound}</p>
    </Face>
  );
}
