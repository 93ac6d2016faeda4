import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";

import { answered, api, type Schemas } from "../../api/client";
import { useMay, useProject } from "../../app/project";
import { Button } from "../../parts/button";
import { Failed, ProblemNote, SkeletonLines, Stale } from "../../parts/faces";
import { Field } from "../../parts/fields";
import { Time } from "../../parts/time";
import { words } from "../../words";

interface CommentsProps {
  objectType: Schemas["ObjectType"];
  objectId: string;
}

/** What people said about a row, and the way to add to it. */
export function Comments({ objectType, objectId }: CommentsProps) {
  const project = useProject();
  const mayWrite = useMay("member");
  const key = ["comments", project.id, objectType, objectId];
  const comments = useInfiniteQuery({
    queryKey: key,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) =>
      answered(
        api.GET("/api/v1/projects/{project}/comments", {
          params: { path: { project: project.id }, query: { objectType, objectId, ...(pageParam && { cursor: pageParam }) } },
        }),
      ),
    getNextPageParam: (page) => page.next ?? undefined,
  });
  if (comments.isPending) return <SkeletonLines lines={3} />;
  if (comments.isLoadingError) return <Failed error={comments.error} retry={() => void comments.refetch()} />;
  const items = comments.data.pages.flatMap((page) => page.items);
  return (
    <div className="stack column">
      <Stale query={comments} />
      {mayWrite && <NewComment objectType={objectType} objectId={objectId} queryKey={key} />}
      {items.length === 0 && <p className="faint">{words.explore.row.noComments}</p>}
      <ul>
        {items.map((comment) => (
          <li key={comment.id} className="comment">
            <div className="comment-head">
              <span>{comment.authorEmail ?? words.explore.row.unknownAuthor}</span>
              <Time at={comment.createdAt} />
            </div>
            <div className="prose">{comment.content}</div>
          </li>
        ))}
      </ul>
      {comments.hasNextPage && (
        <div>
          <Button size="small" busy={comments.isFetchingNextPage} onClick={() => void comments.fetchNextPage()}>
            {words.explore.goOn}
          </Button>
        </div>
      )}
    </div>
  );
}

function NewComment({ objectType, objectId, queryKey }: CommentsProps & { queryKey: unknown[] }) {
  const project = useProject();
  const cache = useQueryClient();
  const [content, setContent] = useState("");
  const add = useMutation({
    mutationFn: () =>
      answered(
        api.POST("/api/v1/projects/{project}/comments", {
          params: { path: { project: project.id } },
          body: { objectType, objectId, content: content.trim() },
        }),
      ),
    onSuccess: () => {
      setContent("");
      return cache.invalidateQueries({ queryKey });
    },
  });
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault();
        add.mutate();
      }}
    >
      <Field label={words.explore.row.comment}>
        {(ids) => (
          <textarea
            className="textarea"
            {...ids}
            maxLength={5_000}
            placeholder={words.explore.row.commentPlaceholder}
            value={content}
            onChange={(event) => setContent(event.target.value)}
          />
        )}
      </Field>
      {add.error && <ProblemNote error={add.error} />}
      <div>
        <Button type="submit" size="small" busy={add.isPending} disabled={content.trim() === ""}>
          {words.explore.row.addComment}
        </Button>
      </div>
    </form>
  );
}
