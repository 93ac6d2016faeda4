import { count } from "../format/numbers";
import { explore } from "./explore";
import { exports } from "./exports";
import { integrations } from "./integrations";
import { settings } from "./settings";

/**
 * Every text that people read, in one place: pages say what they need by name.
 *
 * Short, plain, verbs on buttons, units always. What the server says in its own words — problems, notes, the titles of
 * columns — comes from there and is shown as it is.
 */
export const words = {
  explore,
  exports,
  integrations,
  settings,

  product: "Outgest",
  loading: "Loading",
  close: "Close",
  save: "Save",
  saved: "Saved",
  toasts: "Notifications",
  none: "none",
  never: "never",
  yes: "yes",
  no: "no",

  times: {
    months: ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"],
    justNow: "just now",
    ago: (length: string) => `${length} ago`,
    ahead: (length: string) => `in ${length}`,
    millis: (millis: number) => `${millis} ms`,
    seconds: (seconds: number | string) => `${seconds} s`,
    minutes: (minutes: number) => `${minutes} min`,
    hours: (hours: number) => `${hours} h`,
    days: (days: number) => `${days} d`,
  },

  problem: {
    title: "This could not be loaded",
    refusedTitle: "This cannot be honoured",
    retry: "Try again",
    stale: "This could not be asked for again and may be out of date.",
    unreachable: "The server does not answer.",
    unreachableTitle: "The server cannot be reached",
    unreachableHint: "Check that outgest serve runs and that you are online. Nothing you entered is lost.",
    forbidden: "You may not see this",
    forbiddenHint: "An owner of the project can give you the role it needs.",
    notFoundTitle: "There is no such page",
    notFound: "The address is mistyped, or what it named was deleted.",
    crashed: "This page ran into a defect",
    crashedHint: "Reload it. If it happens again, report the text below.",
    reload: "Reload",
  },

  copy: { verb: "Copy", done: "Copied", failed: "Could not copy", text: "Text to copy" },
  confirm: { keep: "Keep", type: (text: string) => `Type ${text} to go on` },

  frame: {
    skip: "Skip to content",
    navigation: "Navigation",
    data: "Data",
    project: "Project",
    switchProject: (name: string) => `Switch project: ${name}`,
    openMenu: "Open menu",
    closeMenu: "Close menu",
    collapse: "Collapse",
    expand: "Expand",
    breadcrumb: "Breadcrumb",
    account: "Account",
    search: "Search rows",
    searchWithKey: "Search rows (/)",
    signOut: "Sign out",
    toDark: "Use the dark theme",
    toLight: "Use the light theme",
    shortcuts: "Keyboard shortcuts",
    apiDocs: "API reference",
    admin: "Administrator",
  },

  pages: {
    events: "Events",
    scores: "Scores",
    traces: "Traces",
    observations: "Observations",
    sessions: "Sessions",
    exports: "Exports",
    integrations: "Integrations",
    settings: "Settings",
  } as Record<string, string>,

  projects: {
    title: "Projects",
    emptyTitle: "You are not a member of any project",
    empty: "Ask an owner of a project to invite you, or make one known to the server:",
    emptyCommand: "outgest project add my-project",
    choose: "Choose project",
    find: "Find a project",
    noneFound: "No project has this name or id.",
    more: "Show more projects",
    create: "Create project",
    id: "Id",
    idHelp: "As rows carry it; it cannot be changed.",
    name: "Name",
  },

  shortcuts: {
    title: "Keyboard shortcuts",
    list: [
      ["/", "Search rows; on pages without rows, the events"],
      ["f", "Add a filter"],
      ["e", "Export the rows that are shown"],
      ["j", "Next row"],
      ["k", "Previous row"],
      ["Enter", "Open the row"],
      ["x", "Select the row"],
      ["Esc", "Close what is open"],
      ["?", "Show this list"],
    ] as const,
    single: "Letters and signs are shortcuts",
    singleHelp: "Where this is off, only Enter and Esc do something by themselves. This browser remembers it.",
  },

  signIn: {
    title: "Sign in to Outgest",
    ended: "Your session has ended. Sign in to go on where you were.",
    email: "E-mail address",
    password: "Password",
    submit: "Sign in",
    help: "No account? The first start of a server prints a link that makes the first one. After that, owners of a project invite people.",
  },

  setUp: {
    title: "Make your account",
    text: "The link that brought you here makes one account, and can be used once.",
    email: "E-mail address",
    name: "Name",
    password: "Password",
    passwordHelp: "At least 10 characters.",
    submit: "Make account",
    missingTitle: "This link is incomplete",
    missing: "The part after # is missing. Copy the whole link, as it was printed or sent.",
    toSignIn: "Sign in instead",
  },

  rows: (rows: number) => `${count(rows)} ${rows === 1 ? "row" : "rows"}`,
};
