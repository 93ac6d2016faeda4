import { createContext, useContext } from "react";

import type { Schemas } from "../api/client";

/** The project that the page is about, with the caller's role in it. */
export const ProjectContext = createContext<Schemas["Project"] | null>(null);

/** The project of the page. */
export function useProject(): Schemas["Project"] {
  const project = useContext(ProjectContext);
  if (!project) throw new Error("this page is outside a project");
  return project;
}

const RANK: Record<Schemas["Role"], number> = { viewer: 0, member: 1, owner: 2 };

/** Whether the caller may do what needs this role. The server decides; this hides what it would refuse. */
export function useMay(role: Schemas["Role"]): boolean {
  return RANK[useProject().role] >= RANK[role];
}

/** The address of a page of a project. */
export function pathOf(project: string, ...rest: string[]): string {
  return `/projects/${[project, ...rest].map(encodeURIComponent).join("/")}`;
}
