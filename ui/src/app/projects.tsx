import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { Link, useLocation } from "wouter";

import { useProjects } from "../api/catalog";
import { answered, api } from "../api/client";
import { problemOf } from "../api/problem";
import { useSession } from "../api/session";
import { Button } from "../parts/button";
import { Empty, Failed, ProblemNote, SkeletonLines } from "../parts/faces";
import { TextField } from "../parts/fields";
import { Time } from "../parts/time";
import { words } from "../words";
import { pathOf } from "./project";

/** Every project that the caller may see; administrators make new ones. */
export function ProjectsPage() {
  const projects = useProjects();
  const session = useSession();
  const known = projects.data ?? [];
  return (
    <div className="page">
      <div className="page-head">
        <h1>{words.projects.title}</h1>
      </div>
      <div className="page-body column">
        {projects.isPending && <SkeletonLines lines={3} height={36} />}
        {projects.isError && <Failed error={projects.error} retry={() => void projects.refetch()} />}
        {projects.isSuccess && known.length === 0 && (
          <Empty icon="lock" title={words.projects.emptyTitle} text={words.projects.empty} command={words.projects.emptyCommand} />
        )}
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
