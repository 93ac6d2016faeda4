import { words } from "../../words";
import { chatOf, type Turn } from "./chat";
import { jsonText } from "./json";
import { LongText, Payload } from "./payload";

/** Input and output as one conversation. */
export function Messages({ input, output }: { input: unknown; output: unknown }) {
  return (
    <>
      <Side title={words.explore.row.inputSide} value={input} />
      <Side title={words.explore.row.outputSide} value={output} />
    </>
  );
}

function Side({ title, value }: { title: string; value: unknown }) {
  if (value === null || value === undefined || value === "") return null;
  const turns = chatOf(value);
  return (
    <section aria-label={title}>
      <h3 className="divider">{title}</h3>
      {turns ? turns.map((turn, index) => <TurnView key={index} turn={turn} />) : <Payload value={value} />}
    </section>
  );
}

function TurnView({ turn }: { turn: Turn }) {
  return (
    <div className="turn" data-role={turn.role}>
      <div className="turn-role">{turn.role}</div>
      <div className="turn-body">
        {turn.text && <LongText text={turn.text} className="prose" />}
        {turn.calls.map((call, index) => (
          <div key={index} style={{ marginTop: 6 }}>
            <div className="faint">{words.explore.row.toolCall(call.name)}</div>
            <pre className="code">{jsonText(call.arguments)}</pre>
          </div>
        ))}
        {Object.keys(turn.rest).length > 0 && (
          <details className="turn-rest">
            <summary className="faint">{words.explore.row.rest(Object.keys(turn.rest).join(", "))}</summary>
            <Payload value={turn.rest} bare />
          </details>
        )}
      </div>
    </div>
  );
}
