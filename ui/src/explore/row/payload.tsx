import { lazy, Suspense, useState } from "react";

import { Button } from "../../parts/button";
import { CopyButton } from "../../parts/copy";
import { SkeletonLines } from "../../parts/faces";
import { Segments } from "../../parts/fields";
import { words } from "../../words";
import { jsonOf } from "./chat";
import { jsonText } from "./json";

const JsonTree = lazy(() => import("./json-tree"));

/** Characters of a text that are drawn at once; more would make the sheet slow. */
const SHOWN_CHARACTERS = 20_000;

/** A value of any size: JSON as a tree or as text, everything else as text. */
export function Payload({ value, bare }: { value: unknown; bare?: boolean }) {
  const json = jsonOf(value);
  const [form, setForm] = useState<"tree" | "text">("tree");
  const tree = json !== null && (
    <Suspense fallback={<SkeletonLines lines={6} />}>
      <JsonTree value={json} />
    </Suspense>
  );
  if (bare && tree) return tree;
  const text = typeof value === "string" ? value : jsonText(value);
  if (text === undefined || text === "" || text === "null") return <p className="faint">{words.explore.row.nothing}</p>;
  return (
    <div className="stack">
      <div className="row">
        {tree && (
          <Segments
            label={words.explore.row.tree}
            value={form}
            options={[
              { value: "tree", label: words.explore.row.tree },
              { value: "text", label: words.explore.row.text },
            ]}
            onChange={setForm}
          />
        )}
        <CopyButton text={text}>{words.copy.verb}</CopyButton>
      </div>
      {tree && form === "tree" ? tree : <LongText text={text} className="code" />}
    </div>
  );
}

/** A text that is clipped where it is long. */
export function LongText({ text, className }: { text: string; className: string }) {
  const [all, setAll] = useState(false);
  const clipped = !all && text.length > SHOWN_CHARACTERS;
  return (
    <div>
      <div className={className}>{clipped ? text.slice(0, SHOWN_CHARACTERS) : text}</div>
      {clipped && (
        <Button size="small" style={{ marginTop: 8 }} onClick={() => setAll(true)}>
          {words.explore.row.showAll(new Blob([text]).size)}
        </Button>
      )}
    </div>
  );
}
