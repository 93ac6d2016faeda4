import { Component, type ReactNode } from "react";

import { Button } from "../parts/button";
import { Face } from "../parts/faces";
import { words } from "../words";

/** Shows a defect of ours instead of an empty page. */
export class Crash extends Component<{ children: ReactNode }, { failure: Error | null }> {
  override state = { failure: null };

  static getDerivedStateFromError(failure: Error) {
    return { failure };
  }

  override render() {
    const failure: Error | null = this.state.failure;
    if (failure === null) return this.props.children;
    return (
      <div role="alert">
        <Face
          page
          icon="failed"
          title={words.problem.crashed}
          actions={<Button onClick={() => location.reload()}>{words.problem.reload}</Button>}
        >
          <p>{words.problem.crashedHint}</p>
          <p className="mono">{String(failure)}</p>
        </Face>
      </div>
    );
  }
}
