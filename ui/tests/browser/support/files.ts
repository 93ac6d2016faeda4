import { gunzipSync } from "node:zlib";
import { parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import type { Download } from "playwright-core";
import { readFileSync } from "node:fs";

/** A row as a file has it: CSV knows texts alone. */
export type FileRow = Record<string, unknown>;

/** What was downloaded, byte for byte. */
export async function bytesOf(download: Download): Promise<Buffer> {
  return readFileSync((await download.path())!);
}

/** Without the compression that the name says. */
export function plainOf(bytes: Buffer, name: string): Buffer {
  if (name.endsWith(".gz")) return gunzipSync(bytes);
  if (name.endsWith(".zst")) return Buffer.from(compressors.ZSTD!(new Uint8Array(bytes), 0));
  return bytes;
}

/** Rows of a CSV file whose cells are all quoted, by the names of its head. */
export function rowsOfCsv(text: string): FileRow[] {
  const cells = [...text.matchAll(/"((?:[^"]|"")*)"(,|\r?\n)/g)].map(([, cell, end]) => ({ cell: cell!.replaceAll('""', '"'), isLast: end !== "," }));
  const lines: string[][] = [[]];
  for (const { cell, isLast } of cells) {
    lines.at(-1)!.push(cell);
    if (isLast) lines.push([]);
  }
  const [head, ...rest] = lines.slice(0, -1);
  return rest.map((line) => Object.fromEntries(line.map((cell, at) => [head![at]!, cell])));
}

/** Rows of a Parquet file, read by a reader that is not ours. */
export async function rowsOfParquet(bytes: Buffer): Promise<FileRow[]> {
  const file = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength) as ArrayBuffer;
  return await parquetReadObjects({ file, compressors });
}
