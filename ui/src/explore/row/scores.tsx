import { useQuery } from "@tanstack/react-query";
import { Link } from "wouter";

import type { Table } from "../../api/catalog";
import { answered, api } from "../../api/client";
import { pathOf, useProject } from "../../app/project";
import { Failed, Note, SkeletonLines } from "../../parts/faces";
import { Time } from "../../parts/time";
import { words } from "../../words";
import { numberText } from "../cell";
import type { Filter } from "../filters/model";
import type { Cells } from "../rows";
import { NOTHING, write } from "../state";

/** Scores that a row shows at most; more are on the page of scores. */
const SCORES_MAX = 200;

/** The scores of a row and of its trace. */
export function RowScores({ table, cells }: { table: Table; cells: Cells }) {
  const project = useProject();
  const id = String(cells["id"]);
  const trace = table.name === "traces" ? id : String(cells["traceId"] ?? "");
  const session = table.name === "sessions";
  const filter: Filter = {
    type: "string",
    column: session ? "sessionId" : "traceId",
    operator: "=",
    value: session ? id : trace,
  };
  const scores = useQuery({
    queryKey: ["row-scores", project.id, filter],
    queryFn: ({ signal }) =>
      answered(
        api.POST("/api/v1/projects/{project}/tables/{table}/rows/search", {
          params: { path: { project: project.id, table: "scores" } },
          body: { filter: [filter], limit: SCORES_MAX },
          signal,
        }),
      ),
  });
  if (scores.isPending) return <SkeletonLines lines={4} />;
  if (scores.isError) return <Failed error={scores.error} retry={() => void scores.refetch()} />;
  const rows = scores.data.rows.map((row) => row.cells as Cells);
  const own = rows.filter((score) => table.name === "traces" || session || score["observationId"] === id);
  const others = rows.filter((score) => !own.includes(score) && !score["observationId"]);
  const hasMore = scores.data.next !== null;
  if (own.length + others.length === 0 && !hasMore) return <p className="faint">{words.explore.row.noScores}</p>;
  return (
    <>
      {hasMore && <MoreScores filter={filter} shown={rows.length} />}
      <table className="list">
        <tbody>
          {[...own, ...others].map((score) => (
            <tr key={String(score["id"])}>
              <td>
                {String(score["name"])}
                {others.includes(score) && <span className="faint"> {words.explore.row.ofTrace}</span>}
                {typeof score["comment"] === "string" && score["comment"] !== "" && <div className="muted">{score["comment"]}</div>}
              </td>
              <td className="end number">{valueOf(score)}</td>
              <td className="muted">{String(score["source"] ?? "")}</td>
              <td className="muted end">
                <Time at={typeof score["timestamp"] === "string" ? score["timestamp"] : null} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </>
  );
}

/** Says that there are more than are asked for here, and where they are. */
function MoreScores({ filter, shown }: { filter: Filter; shown: number }) {
  const project = useProject();
  return (
    <div style={{ marginBottom: 12 }}>
      <Note tone="idle">
        {words.explore.row.moreScores(shown)}{" "}
        <Link href={`${pathOf(project.id, "scores")}?${write({ ...NOTHING, filter: [filter] })}`}>{words.explore.row.allScores}</Link>
      </Note>
    </div>
  );
}

function valueOf({ stringValue, value }: Cells): string {
  if (typeof stringValue === "string" && stringValue !== "") return stringValue;
  return value === null || value === undefined ? "" : numberText("value", value);
}
