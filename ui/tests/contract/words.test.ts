import { readdirSync, readFileSync } from "node:fs";
import ts from "typescript";
import { expect, it } from "vitest";

const SOURCES = new URL("../../src/", import.meta.url);

/** Every file that draws something. */
function drawn(): [string, string][] {
  return readdirSync(SOURCES, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".tsx"))
    .map((name) => [name, readFileSync(new URL(name, SOURCES), "utf8")]);
}

/** Attributes that are shown or read aloud. */
const READ = ["label", "title", "placeholder", "alt", "aria-label", "help", "text", "verb"];

/** Two letters in a row: what has fewer is a sign. */
const WORD = /\p{L}{2}/u;

/** What stands between tags or in attributes that are read, as it is or as a template; not what calls and keys are given. */
function textsOf(source: string): string[] {
  const texts: string[] = [];
  const look = (node: ts.Node, isRead: boolean): void => {
    if (ts.isJsxText(node) || (isRead && isTemplate(node))) texts.push(node.text.trim());
    if (ts.isJsxAttribute(node)) {
      const isRead = READ.includes(node.name.getText());
      if (isRead && node.initializer && ts.isStringLiteral(node.initializer)) texts.push(node.initializer.text);
      ts.forEachChild(node, (inner) => look(inner, isRead));
      return;
    }
    const isBetween = ts.isJsxExpression(node) && !ts.isJsxAttribute(node.parent);
    const isGiven = ts.isCallExpression(node) || ts.isElementAccessExpression(node);
    ts.forEachChild(node, (inner) => look(inner, isBetween || (isRead && !isGiven)));
  };
  look(ts.createSourceFile("drawn.tsx", source, ts.ScriptTarget.Latest, true), false);
  return texts.filter((text) => WORD.test(text));
}

function isTemplate(node: ts.Node): node is ts.TemplateLiteralLikeNode {
  return ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node) || ts.isNoSubstitutionTemplateLiteral(node);
}

it("people read only what stands in src/words", () => {
  for (const [name, source] of drawn()) expect(textsOf(source), name).toEqual([]);
});

it("and texts are found wherever they are read", () => {
  const texts = textsOf('const a = <p title="over it" className="no text" key={`no ${text}`}>in it {`${count} of them`}{of("no text")} {words["no text"]}<b aria-label={`by ${name}`} /></p>;');
  expect(texts).toEqual(["over it", "in it", "of them", "by"]);
});

it("nothing is drawn as HTML", () => {
  for (const [name, source] of drawn()) {
    expect(/dangerouslySetInnerHTML|innerHTML|insertAdjacentHTML|document\.write/.test(source), name).toBe(false);
  }
});
