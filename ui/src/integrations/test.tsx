import { useMutation } from "@tanstack/react-query";
import { useEffect, useRef, useState } from "react";

import { answered, api, type Schemas } from "../api/client";
import { eventsOf } from "../api/events";
import { Problem } from "../api/problem";
import { useProject } from "../app/project";
import { Button } from "../parts/button";
import { Note } from "../parts/faces";
import { Icon, type IconName } from "../parts/icons";
import { words } from "../words";

type Report = Schemas["TestReport"];

/** A step, which is being taken until it is known how it ended. */
interface Step {
  name: string;
  end: Schemas["TestStep"] | null;
}

/** A test of what the form says: of a new integration, or of a change of one that is there. */
export type Tested = { request: Schemas["IntegrationRequest"] } | { id: string; change: Schemas["IntegrationChange"] };

/** Tests a destination, and tells each step as it is taken; `begun` is called when a test begins. */
export function useTest(tested: Tested, begun: () => void) {
  const project = useProject();
  const [steps, setSteps] = useState<Step[]>([]);
  const running = useRef<AbortController>(null);
  // Whoever leaves the page ends the test.
  useEffect(() => () => running.current?.abort(), []);
  const test = useMutation({
    onMutate: begun,
    mutationFn: async () => {
      const { signal } = (running.current = new AbortController());
      setSteps([]);
      const stream = await answered(asked(project.id, tested, signal));
      if (stream) {
        for await (const { name, data } of eventsOf(stream)) {
          signal.throwIfAborted();
          if (name === "begun") setSteps((steps) => [...steps, { name: data as string, end: null }]);
          if (name === "step") setSteps((steps) => ended(steps, data as Schemas["TestStep"]));
          if (name === "report") return data as Report;
          if (name === "problem") throw new Problem(data as Schemas["Problem"]);
        }
      }
      throw new Problem({ detail: words.problem.unreachable, code: "unreachable" });
    },
  });
  /** Ends it and forgets what came of it: it was of something else than what the form says now. */
  const forget = () => {
    running.current?.abort();
    setSteps([]);
    test.reset();
  };
  return { test, steps, forget };
}

function asked(project: string, tested: Tested, signal: AbortSignal) {
  const how = { parseAs: "stream", headers: { accept: "text/event-stream" }, signal } as const;
  if ("request" in tested) {
    return api.POST("/api/v1/projects/{project}/integrations/test", { params: { path: { project } }, body: tested.request, ...how });
  }
  const path = { project, integration: tested.id };
  return api.POST("/api/v1/projects/{project}/integrations/{integration}/test", { params: { path }, body: tested.change, ...how });
}

function ended(steps: Step[], end: Schemas["TestStep"]): Step[] {
  return steps.map((step) => (step.name === end.name ? { ...step, end } : step));
}

/** The button that begins a test, and what has become of its steps. */
export function TestDestination({ test, steps }: Pick<ReturnType<typeof useTest>, "test" | "steps">) {
  return (
    <>
      <div>
        <Button busy={test.isPending} icon="play" onClick={() => test.mutate()}>
          {words.integrations.test.begin}
        </Button>
      </div>
      {steps.length > 0 && (
        <div className="stack" role="status">
          <ol className="steps">
            {steps.map((step) => (
              <StepLine key={step.name} step={step} isRunning={test.isPending} />
            ))}
          </ol>
          {test.data && <Note tone={test.data.ok ? "ok" : "failed"}>{endOf(test.data)}</Note>}
        </div>
      )}
    </>
  );
}

const LOOKS: Record<keyof typeof words.integrations.test.states, IconName> = {
  running: "running",
  ok: "check",
  failed: "failed",
};

function StepLine({ step: { name, end }, isRunning }: { step: Step; isRunning: boolean }) {
  // A step that nobody told the end of was not finished.
  const state = end === null ? (isRunning ? "running" : "failed") : end.failure === null ? "ok" : "failed";
  const text = words.integrations.test;
  return (
    <li data-tone={state}>
      <Icon name={LOOKS[state]} {...(state === "running" && { className: "spin" })} />
      <div>
        {text.steps[name] ?? name} <span className="muted">{text.states[state]}</span>
        {end?.failure && <div className="mono">{end.failure}</div>}
        {end?.note && <div className="muted">{end.note}</div>}
      </div>
    </li>
  );
}

function endOf(report: Report): string {
  const text = words.integrations.test;
  if (report.ok) return text.ok;
  const isLeft = report.steps.some((step) => step.name === "delete" && step.failure !== null);
  return isLeft ? text.left : text.failed;
}
