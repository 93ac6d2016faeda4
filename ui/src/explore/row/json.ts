/** JSON as it was stored: numbers keep the digits that they were written with, also those that no number has. */

import { words } from "../../words";

/** A number whose text JavaScript would write otherwise: `12345678901234567890`, `1.0`. */
export class SourceNumber {
  constructor(readonly source: string) {}
}

/** The value of a JSON text; throws where it is none. */
export function parseJson(text: string): unknown {
  const value: unknown = JSON.parse(text);
  const mark = newMark();
  const marked = markNumbers(text, mark);
  if (marked === text) return value;
  return JSON.parse(marked, (_, inner: unknown) =>
    typeof inner === "string" && inner.startsWith(mark) ? new SourceNumber(inner.slice(mark.length)) : inner,
  );
}

/** A value as indented JSON text; undefined where it has none. What is nested too deeply to be written says so instead. */
export function jsonText(value: unknown): string | undefined {
  const mark = newMark();
  return written(value, mark)?.replaceAll(new RegExp(`"${mark}([^"]*)"`, "g"), "$1");
}

function written(value: unknown, mark: string): string | undefined {
  try {
    return JSON.stringify(value, (_, inner: unknown) => (inner instanceof SourceNumber ? mark + inner.source : inner), 2) as string | undefined;
  } catch (error) {
    // Every level needs stack to be written, but none to be read: people may store more levels than there is stack for.
    if (isOutOfStack(error)) return words.explore.row.tooDeep;
    throw error;
  }
}

/** Firefox has an error of its own for it. */
function isOutOfStack(error: unknown): boolean {
  return error instanceof RangeError || (error instanceof Error && error.name === "InternalError");
}

/** What no text can begin with by chance or on purpose: nobody knows it beforehand. */
function newMark(): string {
  return `${crypto.getRandomValues(new Uint32Array(4)).join("-")}:`;
}

/** The JSON text with each number that would lose its digits as a text that begins with the mark. */
function markNumbers(text: string, mark: string): string {
  const token = /"|-?\d[\d.eE+-]*/g;
  let marked = "";
  let done = 0;
  for (let found = token.exec(text); found; found = token.exec(text)) {
    const [number] = found;
    if (number === '"') token.lastIndex = endOfText(text, found.index);
    else if (String(Number(number)) !== number) {
      marked += text.slice(done, found.index) + JSON.stringify(mark + number);
      done = token.lastIndex;
    }
  }
  return marked + text.slice(done);
}

/** Where the text that begins at a quotation mark has ended. A loop: an expression would need stack for every character. */
function endOfText(text: string, begin: number): number {
  let end = begin + 1;
  while (text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
  return end + 1;
}
