import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { Link, useLocation } from "wouter";

import { useProjects } from "../api/catalog";
import { answered, api } from "../api/client";
import { problemOf } from "../api/problem";
import { useSession } from "../api/session";
import { Button } from "../parts/button";
import { Empty, Failed, ProblemNote, SkeletonLines, Stale } from "../parts/faces";
import { TextField } from "../parts/fields";
import { Time } from "../parts/time";
import { words } from "../words";
import { pathOf } from "./project";

/** More projects than are taken in at a glance. */
const MANY = 20;

/** Every project that the caller may see; administrators make new ones. */
export function ProjectsPage() {
  const projects = useProjects();
  const session = useSession();
  const [wanted, setWanted] = useState("");
  const all = projects.data ?? [];
  const text = wanted.trim().toLowerCase();
  const known = all.filter(({ id, name }) => id.toLowerCase().includes(text) || name.toLowerCase().includes(text));
  const { hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage } = projects;
  useEffect(() => {
    // What is looked for may be on any page.
    if (text !== "" && hasNextPage && !isFetchingNextPage && !isFetchNextPageError) void fetchNextPage();
  }, [text, hasNextPage, isFetchingNextPage, isFetchNextPageError, fetchNextPage]);
  return (
    <div className="page">
      <div className="page-head">
        <h1>{words.projects.title}</h1>
      </div>
      <div className="page-body column">
        {projects.isPending && <SkeletonLines lines={3} height={36} />}
        {projects.isLoadingError && <Failed error={projects.error} retry={() => void projects.refetch()} />}
        <Stale query={projects} />
        {projects.isSuccess && all.length === 0 && (
          <Empty icon="lock" title={words.projects.emptyTitle} text={words.projects.empty} command={words.projects.emptyCommand} />
        )}
        {(hasNextPage || all.length >= MANY) && (
          <div style={{ maxWidth: 360, marginBottom: 12 }}>
            <TextField label={words.projects.find} value={wanted} onChange={setWanted} />
          </div>
        )}
        {all.length > 0 && known.length === 0 && !hasNextPage && <p className="faint">{words.projects.noneFound}</p>}
        {known.length > 0 && (
          <table className="list">
            <tbody>
              {known.map((project) => (
                <tr key={project.id}>
                  <td>
                    <Link href={pathOf(project.id, "events")}>{project.name}</Link>
                  </td>
                  <td className="mono muted">{project.id}</td>
                  <td className="muted">{project.role}</td>
                  <td className="muted end">
                    <Time at={project.createdAt} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
        {hasNextPage && (
          <div style={{ marginTop: 12 }}>
            <Button busy={isFetchingNextPage} onClick={() => void fetchNextPage()}>
              {words.projects.more}
            </Button>
          </div>
        )}
        {session.data?.user?.admin && <NewProject />}
      </div>
    </div>
  );
}

function NewProject() {
  const [id, setId] = useState("");
  const [name, setName] = useState("");
  const [, go] = useLocation();
  const cache = useQueryClient();
  const create = useMutation({
    mutationFn: () => answered(api.POST("/api/v1/projects", { body: { id, name: name || id } })),
    onSuccess: async (project) => {
      await cache.invalidateQueries({ queryKey: ["projects"] });
      go(pathOf(project.id, "events"));
    },
  });
  const problem = create.error ? problemOf(create.error) : null;
  return (
    <form
      className="section fields"
      style={{ marginTop: 28, maxWidth: 360 }}
      onSubmit={(event) => {
        event.preventDefault();
        create.mutate();
      }}
    >
      <h2>{words.projects.create}</h2>
      <TextField label={words.projects.id} help={words.projects.idHelp} value={id} required problem={problem?.of("id")} onChange={setId} />
      <TextField label={words.projects.name} value={name} problem={problem?.of("name")} onChange={setName} />
      {problem && problem.fields.length === 0 && <ProblemNote error={problem} />}
      <div>
        <Button type="submit" busy={create.isPending} disabled={!id}>
          {words.projects.create}
        </Button>
      </div>
    </form>
  );
}
