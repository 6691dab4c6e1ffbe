/** Where numbers come from: an anchor for each cell on the page, and there its figures and its files. */
import { manifestPath, type Quantity } from "../analysis/finding.ts";
import { figureDefinitions } from "../results/figures.ts";
import { type CellResult, cellPath, type Run } from "../results/run.ts";
import { significant } from "../base/units.ts";
import { type Html, html } from "./html.ts";

/** The place on the page that tells where a number comes from; undefined for a number from no cell. */
export type Linker = (evidence: readonly string[] | undefined) => string | undefined;

/** Links into the records section of one run. */
export function linkerOf(run: Run, sectionId: string): Linker {
  const known = new Set(run.results.map(({ quantlab }) => cellPath(quantlab.key)));
  return (evidence) => {
    const path = evidence?.find((candidate) => known.has(candidate) || candidate === manifestPath);
    if (path === undefined) return undefined;
    return `#${path === manifestPath ? machineAnchor(sectionId) : anchorOf(sectionId, path)}`;
  };
}

/** Where machine, model and configuration stand. */
export function machineAnchor(sectionId: string): string {
  return `${sectionId}-machine`;
}

/** Repeats of a cell share an anchor; whatever a label contains, an id stays one word. */
function anchorOf(sectionId: string, path: string): string {
  const group = path.slice(0, path.lastIndexOf("/"));
  const word = group.replace(/[^A-Za-z0-9-]/g, (c) => `_${c.codePointAt(0)?.toString(16)}_`);
  return `${sectionId}-cell-${word}`;
}

/** Every cell with its figures, and links to its files where they are beside the page. */
export function recordsHtml(run: Run, sectionId: string, cellsBase: string | undefined): Html {
  const groups = new Map<string, CellResult[]>();
  for (const result of run.results) {
    const anchor = anchorOf(sectionId, cellPath(result.quantlab.key));
    groups.set(anchor, [...(groups.get(anchor) ?? []), result]);
  }
  const cells = [...groups].map(([anchor, results]) => cellHtml(anchor, results, cellsBase));
  const where =
    cellsBase === undefined
      ? html`<p class="quiet">The files are in the run's folder, which is not beside this page: <code>${run.folder}</code>.</p>`
      : html`<p class="quiet">Each link leads to result.json and to the raw records, one line a request.</p>`;
  return html`${where}<ul class="cells">${cells}</ul>`;
}

function cellHtml(
  anchor: string,
  results: readonly CellResult[],
  cellsBase: string | undefined,
): Html {
  const first = results[0];
  if (first === undefined) return html``;
  const { format, experiment, setting } = first.quantlab.key;
  return html`<li id="${anchor}"><details><summary>${format}, ${experiment}, ${setting}</summary>
${results.map((result) => repeatHtml(result, cellsBase))}</details></li>
`;
}

function repeatHtml({ quantlab }: CellResult, cellsBase: string | undefined): Html {
  const { key, status, reason, validity, startedAt, figures } = quantlab;
  const path = cellPath(key);
  const href = (file: string) => encodeURI(`${cellsBase ?? ""}cells/${path}/${file}`);
  const files =
    cellsBase === undefined
      ? html`<code>${path}</code>`
      : html`<a href="${href("result.json")}">${path}/result.json</a>${hasRecords(figures) ? html`, <a href="${href("records.jsonl")}">records.jsonl</a>` : undefined}`;
  const state = status === "done" ? (validity.valid ? "" : "invalid: ") : `${status}: `;
  const why = status === "done" ? validity.reasons.join("; ") : (reason ?? "");
  const rows = Object.entries(figures).map(
    ([name, value]) =>
      html`<dt>${figureDefinitions[name]?.title ?? name}</dt><dd>${significant(value, 6)} ${figureDefinitions[name]?.unit}</dd>`,
  );
  return html`<p>${files}${startedAt === "" ? undefined : html` <span class="quiet">${startedAt}</span>`}${state === "" ? undefined : html` <span class="quiet">${state}${why}</span>`}</p>
<dl>${rows}</dl>`;
}

/** Cells that sent requests have counted them. */
function hasRecords(figures: Readonly<Record<string, number>>): boolean {
  return figures.completed !== undefined || figures.iterations !== undefined;
}

/** A number with the link to its records. */
export function linked(text: string, quantity: Quantity, link: Linker): Html {
  const href = link(quantity.evidence);
  return href === undefined
    ? html`${text}`
    : html`<a class="number-link" href="${href}">${text}</a>`;
}
