import { DropdownMenu } from "radix-ui";
import { useContext, useEffect, useState, type ReactNode } from "react";
import { Link } from "wouter";

import { useSession, useSignOut } from "../api/session";
import { IconButton } from "../parts/button";
import { Icon, type IconName } from "../parts/icons";
import { words } from "../words";
import { partsOf, useAddressPath } from "./address";
import { CrumbContext } from "./crumb";
import { useDrawer } from "./drawer";
import { useKeys, useSingleKeys } from "./keys";
import { pathOf, ProjectContext } from "./project";
import { useGoToSearch } from "./search";
import { Shortcuts } from "./shortcuts";
import { ProjectSwitcher } from "./switcher";
import { remember, remembered, useTheme } from "./theme";

const DATA: IconName[] = ["events", "traces", "observations", "scores", "sessions"];
const REST: IconName[] = ["exports", "integrations", "settings"];
const RAIL = "outgest.rail";

/** Rail, bar, and the page. */
export function Frame({ page, children }: { page: string; children: ReactNode }) {
  const project = useContext(ProjectContext);
  const [narrow, setNarrow] = useState(remembered(RAIL) === "narrow");
  const { isOpen: drawer, rail, opener, open: openDrawer, close: closeDrawer } = useDrawer();
  const [help, setHelp] = useState(false);
  // Below the page there is one thing of it: an export, a section.
  const isBelow = partsOf(useAddressPath()).length > 3;
  const [crumb, setCrumb] = useState<string | null>(null);
  const title = words.pages[page] ?? page;
  useEffect(() => {
    document.title = [crumb, title, project?.name, words.product].filter(Boolean).join(" · ");
  }, [crumb, title, project]);
  const search = useGoToSearch(project?.id);
  useKeys({ "?": () => setHelp(true), ...(project && { "/": search }) });
  const toggle = () => {
    setNarrow(!narrow);
    remember(RAIL, narrow ? "wide" : "narrow");
  };
  return (
    <div className="frame" data-rail={narrow ? "narrow" : "wide"} data-drawer={drawer ? "open" : "closed"}>
      <a className="skip" href="#main" inert={drawer}>
        {words.frame.skip}
      </a>
      <div
        ref={rail}
        className="rail"
        role={drawer ? "dialog" : "navigation"}
        aria-modal={drawer || undefined}
        aria-label={words.frame.navigation}
        onKeyDown={(event) => event.key === "Escape" && closeDrawer()}
      >
        <div className="rail-head">
          <ProjectSwitcher narrow={narrow && !drawer} />
          <span className="only-narrow">
            <IconButton name={words.frame.closeMenu} icon="cross" onClick={closeDrawer} />
          </span>
        </div>
        {project && (
          <>
            <div className="rail-group">
              {DATA.map((name) => (
                <RailLink key={name} project={project.id} name={name} current={page === name} narrow={narrow} />
              ))}
            </div>
            <div className="rail-group">
              {REST.map((name) => (
                <RailLink key={name} project={project.id} name={name} current={page === name} narrow={narrow} />
              ))}
            </div>
          </>
        )}
        <div className="rail-foot">
          <button type="button" className="rail-link" style={{ width: "100%" }} onClick={toggle} aria-label={narrow ? words.frame.expand : words.frame.collapse}>
            <Icon name="rail" />
            <span className="rail-text">{words.frame.collapse}</span>
          </button>
        </div>
      </div>
      {drawer && <div className="drawer-veil only-narrow" onClick={closeDrawer} />}
      <header className="bar" inert={drawer}>
        <span className="only-narrow">
          <IconButton ref={opener} name={words.frame.openMenu} icon="menu" aria-expanded={drawer} onClick={openDrawer} />
        </span>
        <nav className="crumbs" aria-label={words.frame.breadcrumb}>
          {project && (
            <>
              <Link href={pathOf(project.id, "events")} className="clip">
                {project.name}
              </Link>
              <span aria-hidden="true">/</span>
            </>
          )}
          {project && isBelow && page in words.pages ? (
            <Link href={pathOf(project.id, page)}>{title}</Link>
          ) : (
            <span aria-current="page">{title}</span>
          )}
          {crumb !== null && (
            <>
              <span aria-hidden="true">/</span>
              <span className="clip" aria-current="page">
                {crumb}
              </span>
            </>
          )}
        </nav>
        <div className="bar-end">
          {project && <SearchButton go={search} />}
          <ThemeButton />
          <Account showHelp={() => setHelp(true)} />
        </div>
      </header>
      <main id="main" className="main" tabIndex={-1} inert={drawer}>
        <CrumbContext value={setCrumb}>{children}</CrumbContext>
      </main>
      <Shortcuts open={help} onOpenChange={setHelp} />
    </div>
  );
}

function RailLink({ project, name, current, narrow }: { project: string; name: IconName; current: boolean; narrow: boolean }) {
  const title = words.pages[name];
  return (
    <Link
      href={pathOf(project, name)}
      className="rail-link"
      aria-current={current ? "page" : undefined}
      title={narrow ? title : undefined}
    >
      <Icon name={name} />
      <span className="rail-text">{title}</span>
      {narrow && <span className="hidden">{title}</span>}
    </Link>
  );
}

function SearchButton({ go }: { go: () => void }) {
  const [hasKeys] = useSingleKeys();
  return <IconButton name={hasKeys ? words.frame.searchWithKey : words.frame.search} icon="search" onClick={go} />;
}

function ThemeButton() {
  const [theme, choose] = useTheme();
  const other = theme === "dark" ? "light" : "dark";
  return (
    <IconButton
      name={other === "dark" ? words.frame.toDark : words.frame.toLight}
      icon={other === "dark" ? "moon" : "sun"}
      onClick={() => choose(other)}
    />
  );
}

function Account({ showHelp }: { showHelp: () => void }) {
  const session = useSession();
  const signOut = useSignOut();
  const [hasKeys] = useSingleKeys();
  const user = session.data?.user;
  return (
    <DropdownMenu.Root>
      <DropdownMenu.Trigger className="button" data-icon="" data-look="plain" aria-label={words.frame.account}>
        <Icon name="user" />
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content className="menu" align="end" sideOffset={4}>
          {user && (
            <>
              <div className="menu-label">
                <div style={{ color: "var(--text)", fontWeight: 500 }}>{user.name || user.email}</div>
                {user.name && <div>{user.email}</div>}
                {user.admin && <div>{words.frame.admin}</div>}
              </div>
              <div className="menu-line" />
            </>
          )}
          <DropdownMenu.Item className="menu-item" onSelect={showHelp}>
            {words.frame.shortcuts}
            {hasKeys && (
              <span className="menu-end">
                <kbd>?</kbd>
              </span>
            )}
          </DropdownMenu.Item>
          <DropdownMenu.Item className="menu-item" asChild>
            <a href="/api/v1/docs">{words.frame.apiDocs}</a>
          </DropdownMenu.Item>
          <div className="menu-line" />
          <DropdownMenu.Item className="menu-item" onSelect={() => signOut.mutate()}>
            <Icon name="exit" />
            {words.frame.signOut}
          </DropdownMenu.Item>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu.Root>
  );
}
