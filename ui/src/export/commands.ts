import type { Schemas } from "../api/client";

type Request = Schemas["ExportRequest"];

/** A word of a shell command, quoted where it must be. */
export function quoted(word: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(word) && !word.startsWith("~") ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** The command of ours that asks for the same export. */
export function cliCommand(server: string, project: string, request: Request): string {
  const words = ["outgest", "exports", "create", "--server", server, "--key", "@key.txt", "--project", project];
  const add = (option: string, value: string | number | null | undefined) => {
    if (value === null || value === undefined || value === "") return;
    // A value that begins with a dash would be taken for an option.
    words.push(...(String(value).startsWith("-") ? [`${option}=${value}`] : [option, String(value)]));
  };
  const flag = (option: string, given: boolean | undefined) => given && words.push(option);
  add("--table", request.table);
  request.filter?.forEach((filter) => add("--filter", JSON.stringify(filter)));
  request.where?.forEach((text) => add("--where", text));
  add("--search", request.search);
  add("--search-type", request.searchTypes?.join(","));
  add("--since", request.since);
  add("--until", request.until);
  add("--cursor", request.cursor);
  add("--columns", request.columns?.join(","));
  add("--groups", request.groups?.join(","));
  add("--limit", request.limit);
  request.masks?.forEach((rule) => add("--mask", rule));
  add("--allow-unsupported-filters", request.allowUnsupportedFilters?.join(","));
  add("--name", request.name);
  add("--format", request.format);
  add("--compression", request.compression);
  add("--unicode", request.unicode);
  flag("--parse-payloads", request.parsePayloads);
  flag("--neutralise-formulas", request.neutraliseFormulas);
  flag("--csv-header-always", request.csvHeaderAlways);
  flag("--bom", request.bom);
  add("--roll-size", request.rollBytes && `${request.rollBytes}B`);
  flag("--wait", true);
  return words.map(quoted).join(" ");
}

/** The same through the API. */
export function curlCommand(server: string, project: string, request: Request): string {
  const url = `${server}/api/v1/projects/${encodeURIComponent(project)}/exports`;
  return [
    `curl --fail-with-body -X POST ${quoted(url)}`,
    `-H "Authorization: Bearer $OUTGEST_KEY"`,
    `-H 'Content-Type: application/json'`,
    `-d ${quoted(JSON.stringify(request))}`,
  ].join(" \\\n  ");
}
