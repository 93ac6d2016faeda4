import { DropdownMenu } from "radix-ui";
import { useContext } from "react";
import { Link, useLocation } from "wouter";

import { useProjects } from "../api/catalog";
import { Icon } from "../parts/icons";
import { words } from "../words";
import { pathOf, ProjectContext } from "./project";

/** Which project is shown, and the way to the others. */
export function ProjectSwitcher({ narrow }: { narrow: boolean }) {
  const project = useContext(ProjectContext);
  const projects = useProjects();
  const [, go] = useLocation();
  const name = project?.name ?? words.projects.choose;
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger className="project">
        <span className="hidden">{words.frame.switchProject(name)}</span>
        <span className="project-mark" aria-hidden="true">
          {(project?.name ?? words.product).slice(0, 1).toUpperCase()}
        </span>
        {!narrow && (
          <>
            <span className="project-name clip" aria-hidden="true">
              {name}
            </span>
            <Icon name="chevron" />
          </>
        )}
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="start" sideOffset={4}>
          {(projects.data ?? []).map((known) => (
            <DropdownMenu.Item key={known.id} className="menu-item" onSelect={() => go(pathOf(known.id, "events"))}>
              <span className="clip">{known.name}</span>
              <span className="menu-end mono">{known.id === known.name ? "" : known.id}</span>
              {known.id === project?.id && <Icon name="check" />}
            </DropdownMenu.Item>
          ))}
          {projects.hasNextPage && (
            <DropdownMenu.Item
              className="menu-item"
              disabled={projects.isFetchingNextPage}
              onSelect={(event) => {
                event.preventDefault();
                void projects.fetchNextPage();
              }}
            >
              {words.projects.more}
            </DropdownMenu.Item>
          )}
          <div className="menu-line" />
          <DropdownMenu.Item className="menu-item" asChild>
            <Link href="/projects">{words.projects.title}</Link>
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
