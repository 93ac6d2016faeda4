import type { Table } from "../../api/catalog";
import type { Schemas } from "../../api/client";
import { exact, instant } from "../../format/times";
import { words } from "../../words";

const text = words.explore.filter;

/** A condition on one column, or a combination of filters, as it travels. */
export type Filter = Schemas["Filter"];
export type Condition = Extract<Filter, { column: string }>;
export type Group = Extract<Filter, { filters: Filter[] }>;
export type Not = Extract<Filter, { filter: Filter }>;
export type FilterColumn = Schemas["FilterColumn"];
export type FilterType = Condition["type"];
export type Value = NonNullable<Condition["value"]>;

/** Where a filter stands: its index, then the index within each combination; 0 within `not`. */
export type Path = readonly number[];

/** Whether a value from outside has the shape of a filter. What a column takes is not known here. */
export function isFilter(value: unknown): value is Filter {
  if (!isObject(value)) return false;
  const { type, filters, filter, column, operator, key } = value;
  if (type === "and" || type === "or") return Array.isArray(filters) && filters.length > 0 && filters.every(isFilter);
  if (type === "not") return isFilter(filter);
  const texts = [type, column, operator, key ?? ""];
  return texts.every((text) => typeof text === "string") && isValue(value["value"]);
}

function isValue(value: unknown): boolean {
  return Array.isArray(value) ? value.every((one) => !Array.isArray(one) && isValue(one)) : !isObject(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

export function isGroup(filter: Filter): filter is Group {
  return filter.type === "and" || filter.type === "or";
}

export function isNot(filter: Filter): filter is Not {
  return filter.type === "not";
}

export function isCondition(filter: Filter): filter is Condition {
  return !isGroup(filter) && !isNot(filter);
}

/** The filters with the one at `path` replaced, or removed where `next` is null. Empty combinations go too. */
export function replaceAt(filters: readonly Filter[], path: Path, next: Filter | null): Filter[] {
  const [index, ...rest] = path;
  return filters.flatMap((filter, position) => {
    if (position !== index) return [filter];
    const replaced = rest.length === 0 ? next : replaceWithin(filter, rest, next);
    return replaced === null ? [] : [replaced];
  });
}

function replaceWithin(filter: Filter, path: Path, next: Filter | null): Filter | null {
  if (isNot(filter)) {
    const inner = path.length === 1 ? next : replaceWithin(filter.filter, path.slice(1), next);
    return inner && { type: "not", filter: inner };
  }
  if (!isGroup(filter)) return filter;
  const filters = replaceAt(filter.filters, path, next);
  if (filters.length === 0) return null;
  return filters.length === 1 ? filters[0]! : { type: filter.type, filters };
}

/**
 * The filters that hold whatever stands at `path`: values are offered out of the rows that these leave. Within an
 * alternative or a complement a filter cannot go alone without rows getting lost, so what is around it goes too.
 */
export function without(filters: readonly Filter[], path: Path): Filter[] {
  const within = (filter: Filter | undefined, depth: number): number => {
    if (!filter || depth === path.length || !isGroup(filter) || filter.type !== "and") return depth;
    return within(filter.filters[path[depth]!], depth + 1);
  };
  return replaceAt(filters, path.slice(0, within(filters[path[0]!], 1)), null);
}

/** The filter with an alternative: an `or` of both, or one side more where it is an `or` already. */
export function orWith(filter: Filter, other: Filter): Group {
  return isGroup(filter) && filter.type === "or"
    ? { type: "or", filters: [...filter.filters, other] }
    : { type: "or", filters: [filter, other] };
}

/** Its complement; that of a complement is what was inside. */
export function negated(filter: Filter): Filter {
  return isNot(filter) ? filter.filter : { type: "not", filter };
}

/** How the server names the filter at `path` in its problems: `filter[0].filters[1]`. */
export function fieldOf(filters: readonly Filter[], path: Path): string {
  let field = `filter[${path[0]}]`;
  let filter = filters[path[0]!];
  for (const index of path.slice(1)) {
    if (!filter) break;
    if (isNot(filter)) {
      field += ".filter";
      filter = filter.filter;
    } else if (isGroup(filter)) {
      field += `.filters[${index}]`;
      filter = filter.filters[index];
    }
  }
  return field;
}

/** An operator as it is offered, with the filter type that it belongs to. */
export interface Operator {
  type: FilterType;
  name: string;
}

/** Every operator that a column takes. One that two types share is offered once, for the first of them. */
export function operatorsOf(column: FilterColumn): Operator[] {
  const seen = new Set<string>();
  return column.types.flatMap(({ type, operators }) =>
    operators.flatMap((name) => {
      if (seen.has(name)) return [];
      seen.add(name);
      return [{ type: type as FilterType, name }];
    }),
  );
}

/** The operator that a new condition begins with: a choice of values where there are some to choose from. */
export function firstOperator(column: FilterColumn): Operator {
  const all = operatorsOf(column);
  const preferred = column.facets && !column.keyed ? ["any of", "="] : [">=", "any of", "contains", "="];
  return preferred.map((name) => all.find((operator) => operator.name === name)).find(Boolean) ?? all[0]!;
}

/** Whether filters of this type take a list of values. */
export function takesList(type: FilterType): boolean {
  return type === "stringOptions" || type === "arrayOptions" || type === "categoryOptions";
}

/** The value that an empty condition of this type has. */
export function emptyValue(type: FilterType): Value {
  if (takesList(type)) return [];
  if (type === "boolean" || type === "booleanObject") return true;
  return "";
}

/** The condition with another operator; its value stays where it still means something. */
export function withOperator(condition: Condition, { type, name }: Operator): Condition {
  const next: Condition = { ...condition, type, operator: name };
  if (type === "positionInTrace") return next;
  const keepsValue = type === condition.type || (takesList(type) && takesList(condition.type));
  return { ...next, value: (keepsValue ? condition.value : null) ?? emptyValue(type) };
}

/** Whether everything is there that the condition needs. */
export function isComplete(condition: Condition, column: FilterColumn): boolean {
  const { value, type, key } = condition;
  if (column.keyed && !key) return false;
  if (type === "null") return true;
  if (type === "positionInTrace") return !isCounted(key) || (Number.isInteger(value) && Number(value) >= 1);
  if (takesList(type)) return Array.isArray(value) && value.length > 0;
  if (type === "number" || type === "numberObject") return typeof value === "number" && Number.isFinite(value);
  if (type === "boolean" || type === "booleanObject") return typeof value === "boolean";
  return value !== "" && value !== null && value !== undefined;
}

/** The column of the table that a condition names, by id or by title. */
export function filterColumnOf(table: Table, name: string): FilterColumn | undefined {
  return table.filters.find((column) => column.id === name) ?? table.filters.find((column) => column.title === name);
}

/** Whether the place in a trace that the key means is counted to, so that it takes a number. */
export function isCounted(key: string | undefined): boolean {
  return key === "nthFromStart" || key === "nthFromEnd";
}

/** The column with the key that is looked at within it. That of a position is what it is compared with. */
export function nameWithKey(name: string, { type, key }: Condition): string {
  return key && type !== "positionInTrace" ? `${name}.${key}` : name;
}

/** The value for people: `GENERATION, SPAN`; times are those of their zone. */
export function shownValue(condition: Condition): string {
  const { type, value, key } = condition;
  if (type === "null") return "";
  if (type === "positionInTrace") return shownPosition(key ?? "", value);
  if (type === "datetime" && typeof value === "string") return shownTime(value);
  if (Array.isArray(value)) return value.map(shownText).join(", ");
  return shownText(value);
}

function shownPosition(key: string, value: Condition["value"]): string {
  const { position, counted } = text;
  // Addresses hold what anybody writes: only keys that are known are looked up.
  if (Object.hasOwn(counted, key)) return counted[key]!(Number(value));
  return Object.hasOwn(position, key) ? position[key]! : key;
}

function shownTime(value: string): string {
  const date = instant(value);
  return date ? exact(date).replace(/\.000$/, "") : shownText(value);
}

/** An empty text would not be seen. */
function shownText(value: unknown): string {
  return value === "" ? "“”" : String(value);
}

/** Whether some condition within needs comments. */
export function needsComments(filters: readonly Filter[], table: Table): boolean {
  return filters.some((filter) => {
    if (isGroup(filter)) return needsComments(filter.filters, table);
    if (isNot(filter)) return needsComments([filter.filter], table);
    return filterColumnOf(table, filter.column)?.comments ?? false;
  });
}

/** One line for people, where there is no room for chips. */
export function summary(filters: readonly Filter[]): string {
  return filters.map((filter) => part(filter)).join(` ${text.joints.and} `);
}

function part(filter: Filter): string {
  if (isNot(filter)) return `${text.not} ${isCondition(filter.filter) ? part(filter.filter) : `(${part(filter.filter)})`}`;
  if (isGroup(filter)) return `(${filter.filters.map(part).join(` ${text.joints[filter.type]} `)})`;
  return [nameWithKey(filter.column, filter), filter.operator, shownValue(filter)].filter(Boolean).join(" ");
}
