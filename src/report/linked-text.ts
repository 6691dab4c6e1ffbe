/** Sentences whose numbers are links: each to the cell that the words before it name. */
import { settingTitle } from "../analysis/cells.ts";
import type { Statement } from "../analysis/finding.ts";
import { type Html, html } from "./html.ts";
import type { Linker } from "./records-html.ts";

/**
 * A number with its sign, and what belongs to it: "1.61x", "73 %". Digits of a word ("bf16", "p99",
 * "16-bit"), the level of an interval and the power of a test are not measured.
 */
const numbers =
  /(?<![\w.,-])[+−-]?\d+(?:,\d{3})*(?:\.\d+)?(?:x(?!\w)| ?%(?! interval| power))?(?![\w-]|[.,]\d| ?%)/g;

/** The words with a link around each number that stands for cells of `evidence`; \`code\` as such. */
export function linkedText({ text, evidence }: Statement, link: Linker): Html {
  return html`${text
    .split("`")
    .map((part, index) =>
      index % 2 === 1 ? html`<code>${part}</code>` : linkedWords(part, evidence, link),
    )}`;
}

function linkedWords(text: string, evidence: readonly string[], link: Linker): Html {
  const pieces: (Html | string)[] = [];
  let end = 0;
  for (const match of text.matchAll(numbers)) {
    const href = link(pathFor(text.slice(0, match.index), evidence));
    if (href === undefined) continue;
    pieces.push(text.slice(end, match.index));
    pieces.push(html`<a class="number-link" href="${href}">${match[0]}</a>`);
    end = match.index + match[0].length;
  }
  return html`${[...pieces, text.slice(end)]}`;
}

/** The cells of the row and of the setting that the words before a number named last. */
function pathFor(before: string, evidence: readonly string[]): readonly string[] {
  const ofRow = lastNamed(before, evidence, (path) => path.split("/")[0] ?? "");
  return lastNamed(before, ofRow, (path) => settingTitle(path.split("/")[2] ?? ""));
}

function lastNamed(
  before: string,
  paths: readonly string[],
  nameOf: (path: string) => string,
): readonly string[] {
  const places = paths.map((path) => before.lastIndexOf(nameOf(path)));
  const last = Math.max(-1, ...places);
  return last < 0 ? paths : paths.filter((_, index) => places[index] === last);
}
