// The parts of a page that a run writes: each between two comments, replaced in place or put at the end.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { renderBytes } from "./goals.mjs";
import { conditionsOf, renderTables } from "./table.mjs";

/** @param kind of the opening comment @returns the page with this part; unchanged where `place` asks for an old one */
export function withPart(page, kind, name, body, place = "end") {
  const [begin, end] = [
    `<!-- ${kind}: ${name} -->`,
    `<!-- end: ${kind === "peers" ? "" : `${kind} of `}${name} -->`,
  ];
  const part = `${begin}\n\n${body}\n\n${end}`;
  const from = page.indexOf(begin);
  if (from >= 0) return page.slice(0, from) + part + page.slice(page.indexOf(end) + end.length);
  return place === "end" ? `${page.trimEnd()}\n\n${part}\n`.trimStart() : page;
}

/** Writes this model's and machine's tables, and the bytes of a token where the page has room for them. */
export function writePage(file, records, model) {
  const { cpu } = records.find(({ kind }) => kind === "cell");
  const name = `${model.shape} on ${cpu.replaceAll(/\((R|TM)\)|[^\w. -]/g, "")}`;
  const before = existsSync(file) ? readFileSync(file, "utf8") : "";
  const body = `### ${name}\n\n${conditionsOf(records)}\n\n${renderTables(records, model)}`;
  const page = withPart(before, "peers", name, body);
  const bytes = renderBytes(model);
  writeFileSync(
    file,
    bytes === undefined ? page : withPart(page, "bytes", model.shape, bytes, "in place"),
  );
}
