import "../styles/explore.css";
import "../styles/settings.css";

import type { ComponentType } from "react";
import { Link } from "wouter";

import { pathOf, useProject } from "../app/project";
import { Face } from "../parts/faces";
import { words } from "../words";
import { AuditSection } from "./audit";
import { GeneralSection } from "./general";
import { KeysSection } from "./keys";
import { MembersSection } from "./members";
import { StorageSection } from "./storage";

const SECTIONS: [string, ComponentType][] = [
  ["general", GeneralSection],
  ["keys", KeysSection],
  ["members", MembersSection],
  ["storage", StorageSection],
  ["audit", AuditSection],
];

/** Settings of the project, section by section. */
export function SettingsPage({ section }: { section: string | undefined }) {
  const project = useProject();
  const current = section ?? "general";
  const Section = SECTIONS.find(([name]) => name === current)?.[1];
  return (
    <div className="page">
      <div className="page-head">
        <h1>{words.pages["settings"]}</h1>
      </div>
      <nav className="tabs" aria-label={words.settings.navigation}>
        {SECTIONS.map(([name]) => (
          <Link key={name} className="tab settings-tab" href={pathOf(project.id, "settings", name)} aria-current={name === current ? "page" : undefined}>
            {words.settings.sections[name]}
          </Link>
        ))}
      </nav>
      <div className="page-body" style={{ paddingTop: 20 }}>
        {Section ? (
          <Section />
        ) : (
          <Face icon="search" title={words.problem.notFoundTitle}>
            <p>{words.problem.notFound}</p>
          </Face>
        )}
      </div>
    </div>
  );
}
