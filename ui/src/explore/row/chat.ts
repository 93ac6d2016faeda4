/** Reads inputs and outputs as chats, in the shapes that model providers use. */

import { jsonText, parseJson, SourceNumber } from "./json";

export interface Turn {
  role: string;
  /** What was said; other content than text stays JSON. */
  text: string;
  /** Tools that are called. */
  calls: { name: string; arguments: unknown }[];
  /** Anything else that the message carries. */
  rest: Record<string, unknown>;
}

/** A text as JSON where it is an object or a list; otherwise null. */
export function jsonOf(value: unknown): unknown {
  if (typeof value !== "string") return typeof value === "object" ? value : null;
  const text = value.trim();
  if (!text.startsWith("{") && !text.startsWith("[")) return null;
  try {
    return parseJson(text);
  } catch {
    return null;
  }
}

/** The messages of an input or output; null where it is no chat. */
export function chatOf(value: unknown): Turn[] | null {
  const json = jsonOf(value);
  if (json === null) return null;
  const messages = listOf(json);
  if (!messages || messages.length === 0) return null;
  const turns = messages.map(turnOf);
  return turns.every((turn) => turn !== null) ? turns : null;
}

export function isChat(turns: Turn[] | null): turns is Turn[] {
  return turns !== null;
}

function listOf(json: unknown): unknown[] | null {
  if (Array.isArray(json)) return json;
  if (!isObject(json)) return null;
  if (Array.isArray(json["messages"])) return json["messages"];
  if (Array.isArray(json["choices"])) {
    return json["choices"].map((choice: unknown) => (isObject(choice) ? choice["message"] : choice));
  }
  return "role" in json ? [json] : null;
}

function turnOf(message: unknown): Turn | null {
  if (!isObject(message) || typeof message["role"] !== "string") return null;
  const { role, content, tool_calls: toolCalls, ...rest } = message;
  const calls = Array.isArray(toolCalls) ? toolCalls.map(callOf) : [];
  const text = typeof content === "string" ? content : contentText(content);
  return { role: role as string, text, calls, rest };
}

/** The text parts of a content that is a list; what is no text stays visible as JSON. */
function contentText(content: unknown): string {
  if (content === null || content === undefined) return "";
  if (!Array.isArray(content)) return jsonText(content) ?? "";
  return content
    .map((part: unknown) =>
      typeof part === "string" ? part : isObject(part) && typeof part["text"] === "string" ? part["text"] : jsonText(part),
    )
    .join("\n\n");
}

function callOf(call: unknown): Turn["calls"][number] {
  if (!isObject(call)) return { name: "?", arguments: call };
  const inner = isObject(call["function"]) ? call["function"] : call;
  const given = inner["arguments"] ?? inner["input"] ?? {};
  return { name: String(inner["name"] ?? "?"), arguments: jsonOf(given) ?? given };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof SourceNumber);
}
