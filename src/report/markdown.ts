/** The verdict and the tables as Markdown, for a pull request. */
import { analyzeRun } from "../analysis/analyze.ts";
import { type Requirements, requirementsOf } from "../analysis/eligibility.ts";
import { isQuantity, type Table, wordsOf } from "../analysis/finding.ts";
import type { Run } from "../results/run.ts";
import { subtitleOf, titleOf } from "./prose.ts";
import { columnTitle, valueText } from "./quantity-text.ts";

export function renderMarkdown(runs: readonly Run[], over: Requirements = {}): string {
  return runs.map((run) => runMarkdown(run, over)).join("\n---\n\n");
}

function runMarkdown(run: Run, over: Requirements): string {
  const { recommendation, tables, incidents, findings, answers } = analyzeRun(
    run,
    requirementsOf(run, over),
  );
  const told = findings.filter(({ id }) =>
    /^(trap|accuracy|published|prediction|noise)\//.test(id),
  );
  const list = (items: readonly string[]) => items.map((item) => `- ${escapeMarkdown(item)}\n`);
  const [results, ...others] = tables;
  const failed = incidents.map(({ path, kind, reason }) => `${path}: ${kind} (${reason})`);
  return [
    `## ${escapeMarkdown(titleOf(run))}\n\n${escapeMarkdown(subtitleOf(run))}\n\n`,
    `**${escapeMarkdown(recommendation.answer)}**\n\n`,
    recommendation.next === undefined ? "" : `Next: ${withCode(recommendation.next)}\n\n`,
    results === undefined ? "" : `${tableMarkdown(results)}\n`,
    ...list(recommendation.objectives.map(({ claim }) => claim)),
    ...list(recommendation.caveats.map(({ text }) => text)),
    ...list(recommendation.flips.map(({ text }) => text)),
    ...answers.map(
      ({ question, sentences }) =>
        `\n**${escapeMarkdown(question)}** ${escapeMarkdown(wordsOf(sentences))}\n`,
    ),
    told.length === 0 ? "" : "\n### Findings\n\n",
    ...list(told.map(({ claim }) => claim)),
    ...others.map((table) => `\n### ${table.title}\n\n${tableMarkdown(table)}`),
    failed.length === 0 ? "" : "\n### Cells without valid figures\n\n",
    ...list(failed),
  ].join("");
}

/** Escaped, but for the `code` in it. */
function withCode(text: string): string {
  return text
    .split("`")
    .map((part, index) => (index % 2 === 1 ? `\`${part}\`` : escapeMarkdown(part)))
    .join("");
}

/** GitHub's table syntax; one line a row. */
export function tableMarkdown(table: Table): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  const numeric = (id: string) => table.rows.some((row) => isQuantity(row[id]));
  return [
    line(table.columns.map((column) => escapeMarkdown(columnTitle(column)))),
    line(table.columns.map(({ id }) => (numeric(id) ? "---:" : "---"))),
    ...table.rows.map((row) =>
      line(table.columns.map(({ id }) => escapeMarkdown(valueText(row[id])))),
    ),
  ].join("");
}

/** No markup and no HTML out of labels and reasons; a cell stays on its line. */
export function escapeMarkdown(text: string): string {
  return text
    .replace(/\s+/g, " ")
    .replace(/[\\`*_[\]|~]/g, "\\$&")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;");
}
