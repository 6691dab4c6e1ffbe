/** The report: one HTML file with everything in it, readable without scripts and without a network. */
import { readFileSync } from "node:fs";
import type { Analysis } from "../analysis/analyze.ts";
import { crossoverEvidence } from "../analysis/crossovers.ts";
import type { Finding, Statement, Table } from "../analysis/finding.ts";
import { cellPath, type Run } from "../results/run.ts";
import type { Figure, Records } from "./charts/chart.ts";
import { charts } from "./charts/registry.ts";
import { Html, html } from "./html.ts";
import { linkedText } from "./linked-text.ts";
import { definitionsOf, factsOf, methodOf, subtitleOf, titleOf } from "./prose.ts";
import { type Linker, linkerOf, machineAnchor, recordsHtml } from "./records-html.ts";
import { renderSvg } from "./render.ts";
import { tableHtml, transposed } from "./table-html.ts";

/** Plot widths: the page's column, and a phone of 375 pixels. */
const widePlot = 620;
const narrowPlot = 250;

const style = readFileSync(new URL("./style.css", import.meta.url), "utf8");

/** A run with its analysis, and where its cells are as seen from the page. */
export interface ReportedRun {
  readonly run: Run;
  readonly analysis: Analysis;
  /** Prefix of links to a cell's folder; undefined when the page lies outside of the run's folder. */
  readonly cellsBase: string | undefined;
  /** Requests of the serving cells, for the figures that show each of them. */
  readonly records: Records;
}

export async function renderPage(runs: readonly ReportedRun[]): Promise<string> {
  const sections: Html[] = [];
  for (const [index, entry] of runs.entries())
    sections.push(await runSection(entry, `run${index}`));
  const first = runs[0];
  const title = first === undefined ? "no run" : titleOf(first.run);
  // The policy is the promise: nothing is loaded, whatever a run's labels contain.
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>quantlab: ${title}</title>
<style>${new Html(style)}</style>
</head>
<body>
${runs.length > 1 ? contents(runs) : undefined}
<main>
${sections}
</main>
</body>
</html>
`;
  return page.text;
}

function contents(runs: readonly ReportedRun[]): Html {
  const links = runs.map(
    ({ run }, index) => html`<li><a href="#run${index}">${titleOf(run)}</a></li>`,
  );
  return html`<nav aria-label="Runs"><p>${runs.length} runs:</p><ul>${links}</ul></nav>`;
}

async function runSection(entry: ReportedRun, id: string): Promise<Html> {
  const { run, analysis, cellsBase } = entry;
  const [results, ...tables] = analysis.tables;
  const link = linkerOf(run, id);
  return html`<section id="${id}" aria-labelledby="${id}-title">
<h1 id="${id}-title">${titleOf(run)}</h1>
<p class="quiet">${subtitleOf(run)}</p>
<h2>Verdict</h2>
${verdict(entry, link)}
<h2>Result</h2>
${results === undefined ? undefined : tableHtml(transposed(results), link)}
${answers(entry, link)}
<h2>Figures</h2>
${await figures(entry, id, link)}
<h2>Findings</h2>
${findings(entry, link)}
${nextBatches(analysis, run, link)}
${tables.map((table) => html`<h2>${table.title}</h2>${tableHtml(table, link)}`)}
<h2>Validity</h2>
${validity(entry, link)}
<h2>Method</h2>
${method(run, id)}
<h2>Records</h2>
${recordsHtml(run, id, cellsBase)}
</section>`;
}

function verdict({ analysis }: ReportedRun, link: Linker): Html {
  const { recommendation } = analysis;
  const { answer, objectives, caveats, flips, verdict: decided } = recommendation;
  const list = (title: string, items: readonly Statement[]) =>
    items.length === 0
      ? undefined
      : html`<h3>${title}</h3><ul>${items.map((item) => html`<li>${linkedText(item, link)}</li>`)}</ul>`;
  return html`<div class="verdict ${decided}">
<p class="answer">${linkedText({ text: answer, evidence: recommendation.evidence }, link)}</p>
${recommendation.next === undefined ? undefined : html`<p class="next"><strong>Next:</strong> ${linkedText({ text: recommendation.next, evidence: recommendation.evidence }, link)}</p>`}
${list(
  "Why",
  objectives.map(({ claim, evidence: paths }) => ({ text: claim, evidence: paths })),
)}
${list("Not in this answer", caveats)}
${list("What would change it", flips)}
</div>`;
}

function answers({ analysis }: ReportedRun, link: Linker): Html | undefined {
  if (analysis.answers.length === 0) return undefined;
  const items = analysis.answers.map(
    ({ question, sentences }) => html`<h3>${question}</h3>
<p>${sentences.map((sentence) => html`${linkedText(sentence, link)} `)}</p>
`,
  );
  return html`<h2>Answers</h2>${items}`;
}

async function figures(
  { run, analysis, records }: ReportedRun,
  id: string,
  link: Linker,
): Promise<Html[]> {
  const drawn: Html[] = [];
  for (const chart of charts) {
    const figure = chart.figure(run, analysis, records);
    if (figure !== undefined) drawn.push(await figureHtml(figure, `${id}-${figure.id}`, link));
  }
  return drawn.length > 0 ? drawn : [html`<p>No cell of this run can be drawn.</p>`];
}

/** Two drawings, of which the style sheet shows one: text keeps its size on a phone. */
async function figureHtml(figure: Figure, id: string, link: Linker): Promise<Html> {
  const label = `${figure.title}. ${figure.caption}`;
  const wide = await renderSvg(figure.spec(widePlot), `${id}-w`, label);
  const narrow = await renderSvg(figure.spec(narrowPlot), `${id}-n`, label);
  return html`<figure id="${id}">
<h3>${figure.title}</h3>
<div class="wide">${new Html(wide)}</div>
<div class="narrow">${new Html(narrow)}</div>
<figcaption>${linkedText({ text: figure.caption, evidence: evidenceOfTable(figure.data) }, link)}</figcaption>
<details><summary>Numbers of this figure</summary>${tableHtml(figure.data, link)}</details>
</figure>
`;
}

/** Everything that the verdict and the tables do not say already. */
function findings({ analysis }: ReportedRun, link: Linker): Html {
  const shown = analysis.findings.filter(
    ({ id }) => !/^(best|bound|expected|published\/note|crossover\/(tpot|ttft))\//.test(id),
  );
  if (shown.length === 0) return html`<p>Nothing could be concluded from the finished cells.</p>`;
  const items = shown.map(
    (finding) =>
      html`<li>${mark(finding)}${linkedText({ text: finding.claim, evidence: finding.evidence }, link)}${pathLinks(finding.evidence, link)}</li>\n`,
  );
  return html`<ul class="findings">${items}</ul>`;
}

/** What to measure next, for whoever wants the crossover closer. */
function nextBatches(
  { nextBatches: batches, crossovers }: Analysis,
  run: Run,
  link: Linker,
): Html | undefined {
  return batches.length === 0
    ? undefined
    : html`<p>${linkedText(
        {
          text: `Throughput cells at batch ${batches.join(" and ")} would narrow the measured crossovers.`,
          evidence: crossovers.flatMap((crossover) => crossoverEvidence(run, crossover)),
        },
        link,
      )}</p>`;
}

function mark({ id, verdict: word }: Finding): Html | undefined {
  if (word === "info") return undefined;
  // "no" to the question whether two formats cross is nothing bad.
  const neutral = word === "no" && id.startsWith("crossover/");
  return html`<span class="mark ${neutral ? "" : word}">${neutral ? "none" : word}</span>`;
}

/** Every cell that a figure's table comes from. */
function evidenceOfTable({ rows }: Table): string[] {
  const values = rows.flatMap((row) => Object.values(row));
  return values.flatMap((value) => (typeof value === "object" ? (value.evidence ?? []) : []));
}

/** Links to the cells behind a claim. */
function pathLinks(paths: readonly string[], link: Linker): Html | undefined {
  if (paths.length === 0) return undefined;
  const items = paths.map((path) => {
    const href = link([path]);
    return href === undefined
      ? html`<li><code>${path}</code></li>`
      : html`<li><a href="${href}">${path}</a></li>`;
  });
  const cells = paths.length === 1 ? "1 cell" : `${paths.length} cells`;
  return html`<details><summary class="quiet">from ${cells}</summary><ul>${items}</ul></details>`;
}

function validity({ analysis, run }: ReportedRun, link: Linker): Html {
  const { incidents } = analysis;
  const total = run.manifest.cells.length;
  const counted = (text: string) =>
    html`<p>${linkedText({ text, evidence: run.manifest.cells.map(cellPath) }, link)}</p>`;
  if (incidents.length === 0) return counted(`All ${total} cells finished and passed every gate.`);
  return html`${counted(`${total - incidents.length} of ${total} cells finished and passed every gate.`)}
${tableHtml(
  {
    title: "Cells without valid figures",
    columns: [
      { id: "cell", title: "cell", unit: "" },
      { id: "kind", title: "what", unit: "" },
      { id: "reason", title: "why", unit: "" },
    ],
    rows: incidents.map(({ path, kind, reason }) => ({
      cell: path,
      kind,
      reason: { text: reason, evidence: [path] },
    })),
  },
  link,
)}`;
}

function method(run: Run, sectionId: string): Html {
  const pair = ([name, value]: readonly [string, string]) =>
    html`<dt>${name}</dt><dd><code>${value}</code></dd>`;
  const definition = ({ name, text }: { name: string; text: string }) =>
    html`<dt>${name}</dt><dd>${text}</dd>`;
  return html`<ul>${methodOf(run).map((sentence) => html`<li>${sentence}</li>`)}</ul>
<h3>Metrics</h3>
<dl>${definitionsOf().map(definition)}</dl>
<h3 id="${machineAnchor(sectionId)}">Machine and configuration</h3>
<dl>${factsOf(run).map(pair)}</dl>
<details><summary>Whole configuration</summary>
<pre tabindex="0">${JSON.stringify(run.manifest.config, null, 2)}</pre></details>
<details><summary>Hashes of the frozen requests</summary>
<dl>${Object.entries(run.manifest.requestHashes).map(pair)}</dl></details>`;
}
