// Shows the OpenAPI document: calls by group, with parameters, bodies and answers. Everything is put in as text.
const METHODS = ["get", "post", "put", "patch", "delete"];

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== undefined && child !== ""));
  return made;
}

function nameOf(schema) {
  return schema.$ref.split("/").pop();
}

function typeText(schema) {
  if (!schema) return "";
  if (schema.$ref) return nameOf(schema);
  const choices = schema.oneOf ?? schema.anyOf;
  if (choices) return choices.map(typeText).join(" | ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const types = [schema.type ?? "any"].flat().map((type) => (type === "array" ? `${typeText(schema.items)}[]` : type));
  return types.join(" | ") + (schema.format ? ` (${schema.format})` : "");
}

function mentioned(schema) {
  if (!schema || typeof schema !== "object") return [];
  if (schema.$ref) return [nameOf(schema)];
  return Object.values(schema).flatMap(mentioned);
}

function table(head, rows) {
  const cells = (kind, texts) => element("tr", {}, ...texts.map((text) => element(kind, {}, text ?? "")));
  return element("table", {}, element("thead", {}, cells("th", head)), element("tbody", {}, ...rows.map((row) => cells("td", row))));
}

function fields(schema) {
  const required = new Set(schema.required ?? []);
  const rows = Object.entries(schema.properties ?? {}).map(([name, field]) => [
    element("code", {}, name + (required.has(name) ? "" : "?")),
    element("code", {}, typeText(field)),
    field.description ?? "",
  ]);
  return rows.length > 0 ? table(["Field", "Type", ""], rows) : element("code", {}, typeText(schema));
}

function shapes(schemas, first) {
  const seen = new Set();
  const queue = [...first];
  while (queue.length > 0) {
    const name = queue.shift();
    if (seen.has(name) || !schemas[name]) continue;
    seen.add(name);
    queue.push(...mentioned(schemas[name]));
  }
  return [...seen].map((name) =>
    element("details", {}, element("summary", {}, element("code", {}, name)), schemas[name].description ?? "", fields(schemas[name])),
  );
}

function call(api, path, method, operation) {
  const bodies = Object.entries(operation.requestBody?.content ?? {});
  const answers = Object.entries(operation.responses);
  const used = [...bodies, ...answers.flatMap(([, answer]) => Object.entries(answer.content ?? {}))];
  const parameters = (operation.parameters ?? []).map((parameter) => [
    element("code", {}, parameter.name + (parameter.required ? "" : "?")),
    parameter.in,
    element("code", {}, typeText(parameter.schema)),
    parameter.description ?? "",
  ]);
  return element(
    "section",
    { id: operation.operationId },
    element("h3", {}, element("span", { class: "method" }, method.toUpperCase()), path),
    element("p", {}, element("strong", {}, operation.summary ?? ""), " ", element("span", { class: "need" }, `needs: ${operation["x-outgest-role"]}`)),
    element("p", {}, operation.description ?? ""),
    parameters.length > 0 ? table(["Parameter", "In", "Type", ""], parameters) : "",
    bodies.length > 0 ? element("p", {}, "Body: ", element("code", {}, bodies.map(([type, body]) => `${typeText(body.schema)} ${type}`).join(" or "))) : "",
    table(
      ["Answer", "Body", ""],
      answers.map(([status, answer]) => [
        status,
        element("code", {}, Object.values(answer.content ?? {}).map((content) => typeText(content.schema)).join(" or ")),
        answer.description ?? "",
      ]),
    ),
    ...shapes(api.components.schemas, mentioned(used.map(([, content]) => content.schema))),
  );
}

async function show() {
  const answer = await fetch("/api/v1/openapi.json");
  const api = await answer.json();
  const index = document.getElementById("index");
  const calls = document.getElementById("calls");
  calls.replaceChildren(element("pre", {}, api.info.description));
  for (const tag of api.tags) {
    const list = element("li", {}, element("strong", {}, tag.name));
    calls.append(element("h2", {}, tag.name), element("p", {}, tag.description ?? ""));
    for (const [path, item] of Object.entries(api.paths)) {
      for (const method of METHODS) {
        const operation = item[method];
        if (!operation?.tags?.includes(tag.name)) continue;
        list.append(element("a", { href: `#${operation.operationId}` }, operation.summary ?? operation.operationId));
        calls.append(call(api, path, method, operation));
      }
    }
    index.append(list);
  }
  // The browser looked for the address before there was anything to find.
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

show().catch((error) => {
  document.getElementById("calls").textContent = `The document cannot be loaded: ${error.message}`;
});
