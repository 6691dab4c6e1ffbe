// Records to tables: for each cell and contender n, median, spread, share of the ceiling, against ours.
import { ceilingOf, cells } from "./cells.mjs";
import { likeRow, renderBehind } from "./behind.mjs";
import { renderGoals } from "./goals.mjs";
import { families } from "./plan.mjs";
import { headClass, median, ratioOf, rising } from "./ratios.mjs";

/** Half of the distance from the least to the most, in percent of the median. */
export function spreadPercent(values) {
  return (50 * (Math.max(...values) - Math.min(...values))) / median(values);
}

/**
 * Others' part of the cores' time up to which a visit counts: engines that give each thread an equal
 * share and wait for all lose far more than that part.
 */
export const quietShare = 0.1;

/**
 * One row for each cell, family, contender and setting.
 * @returns {{cell: string, family: string, peer: string, format: string, setting: string, n: number,
 *   median: number, spread: number, disturbed: boolean, ofCeiling: number | undefined,
 *   bits: object, samples: object[]}[]} samples are the records that count
 */
export function summarize(records, model) {
  const measured = records.filter(({ kind }) => kind === "cell");
  const grouped = Map.groupBy
    ? Map.groupBy(measured, rowKey)
    : measured.reduce(
        (map, each) => map.set(rowKey(each), [...(map.get(rowKey(each)) ?? []), each]),
        new Map(),
      );
  return [...grouped.values()].map((rows) => {
    const { cell: name, family, peer, format, setting } = rows[0];
    const cell = cells.find((each) => each.name === name);
    const quiet = rows.filter(({ othersShare }) => othersShare <= quietShare);
    const used = quiet.length === 0 ? rows : quiet;
    const values = used.map(({ value }) => value);
    const shares = used.flatMap(({ value, bits, bandwidth, peakFlops }) => {
      const ceiling = ceilingOf(cell, model, bits, { bandwidth, peakFlops });
      return ceiling === undefined ? [] : [value / ceiling];
    });
    return {
      ...{ cell: name, unit: cell.unit, family, peer, format, setting, n: values.length },
      ...{ median: median(values), spread: spreadPercent(values), disturbed: quiet.length === 0 },
      ofCeiling: shares.length === 0 ? undefined : median(shares),
      ...{ bits: used[0].bits, samples: used },
    };
  });
}

const rowKey = ({ cell, peer, format, setting }) => [cell, peer, format, setting].join("|");

/** Best setting of each contender and format in one cell, its plain one beside it. */
export function bestAndPlain(rows) {
  const byFormat = new Map();
  for (const row of rows) {
    const key = `${row.peer}|${row.format}`;
    const entry = byFormat.get(key) ?? { best: row, plain: undefined };
    const better = rising(row.unit)
      ? row.median > entry.best.median
      : row.median < entry.best.median;
    if (better) entry.best = row;
    if (row.setting === "plain") entry.plain = row;
    byFormat.set(key, entry);
  }
  return [...byFormat.values()];
}

const digits = (value) =>
  value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/** The whole page part: one table a cell, then what failed. */
export function renderTables(records, model) {
  const rows = summarize(records, model);
  const goals = renderGoals(rows, model);
  const tables = cells.flatMap(({ name, unit }) => {
    const ofCell = rows.filter(({ cell }) => cell === name);
    return ofCell.length === 0 ? [] : [tableOfCell(name, unit, ofCell)];
  });
  const bestOfCell = (name) =>
    bestAndPlain(rows.filter(({ cell }) => cell === name)).map(({ best }) => best);
  const peers = rows.some(({ peer }) => peer !== "quantlab");
  const parts = [
    ...(goals === undefined ? [] : [goals]),
    ...(peers ? [renderBehind(bestOfCell, model)] : []),
    ...tables,
  ];
  const lines = failuresOf(records).map(
    ({ peer, format, setting, group, cell, reason }) =>
      `| ${peer} | ${format} | ${setting} | ${cell ?? group} | ${reason.replaceAll("|", "\\|")} |`,
  );
  if (lines.length > 0) {
    parts.push(
      `Not measured:\n\n| | format | setting | cells | why |\n|---|---|---|---|---|\n${lines.join("\n")}`,
    );
  }
  return parts.join("\n\n");
}

/** What no visit measured: whole groups of a contender, or single cells that it refused. */
function failuresOf(records) {
  const key = ({ peer, format, setting, group }, cell) =>
    [peer, format, setting, group, cell].join("|");
  const measured = new Set(
    records.flatMap((r) => (r.kind === "cell" ? [key(r), key(r, r.cell)] : [])),
  );
  const failures = records.filter(({ kind }) => kind === "failure");
  const byKey = new Map(failures.map((r) => [key(r, r.cell), r]));
  return [...byKey].flatMap(([name, failure]) => (measured.has(name) ? [] : [failure]));
}

function tableOfCell(name, unit, rows) {
  const lines = families.flatMap((family) => {
    const entries = bestAndPlain(rows.filter((row) => row.family === family));
    const best = entries.map((entry) => entry.best);
    return entries.map((entry) => lineOf(entry.best, entry.plain, best));
  });
  const head =
    "| | format | best setting | n | median | ± % | of the ceiling | plain | quantlab better, same head | as it comes |";
  return `**${name}**, ${unit}\n\n${head}\n|${"---|".repeat(10)}\n${lines.join("\n")}`;
}

function lineOf(best, plain, rows) {
  const ceiling = best.ofCeiling === undefined ? "" : `${(100 * best.ofCeiling).toFixed(0)} %`;
  const beside = plain === undefined || plain === best ? "" : digits(plain.median);
  return `| ${[
    ...[
      best.peer,
      best.format,
      best.setting,
      `${best.n}${best.disturbed ? " *" : ""}`,
      digits(best.median),
    ],
    ...[best.spread.toFixed(1), ceiling, beside, ...oursOver(best, rows)],
  ].join(" | ")} |`;
}

/**
 * How many times better we are (faster, sooner, smaller): with a head of as many bits as the peer's, and
 * with our head as it comes, which is the family's first row. Empty for our own rows.
 */
function oursOver(row, rows) {
  if (row.peer === "quantlab") return ["", ""];
  const like = likeRow(row, rows);
  const alike = like !== undefined && headClass(like.bits) === headClass(row.bits);
  const comes = rows.find(({ peer }) => peer === "quantlab");
  return [alike ? like : undefined, comes].map((mine) =>
    mine === undefined ? "" : `${ratioOf(mine, row).ratio.toFixed(2)}x`,
  );
}

/** What the figures were taken on and beside, from the records themselves. */
export function conditionsOf(records) {
  const measured = records.filter(({ kind }) => kind === "cell");
  const range = (values, render) =>
    `${render(Math.min(...values))} to ${render(Math.max(...values))} (median ${render(median(values))})`;
  const { cpu, isa, threads } = measured[0];
  const bandwidth = range(
    measured.map((r) => r.bandwidth / 1e9),
    (value) => value.toFixed(1),
  );
  const peak = range(
    measured.map((r) => r.peakFlops / 1e9),
    (value) => value.toFixed(0),
  );
  const others = range(
    measured.map((r) => 100 * r.othersShare),
    (value) => `${value.toFixed(1)} %`,
  );
  const side = measured.find((r) => r.lanes > 1);
  const lanes =
    side === undefined
      ? ""
      : ` ${side.lanes} lanes worked side by side, each on ${side.lane.length} cores of its own.`;
  const revisions = [...new Set(measured.flatMap((r) => r.revision ?? []))];
  const version = revisions.length === 0 ? "" : ` quantlab at ${revisions.join(", ")}.`;
  return `${cpu}, ${isa}, ${threads} threads.${version}${lanes} Ceilings measured in the run, at most ten seconds before a visit: read bandwidth ${bandwidth} GB/s, BF16 inner product ${peak} GFLOP/s. Time of these cores taken by others (processes and host) during a visit: ${others}; visits over ${100 * quietShare} % are left out, or marked * where no other is there. Measured ${measured[0].at.slice(0, 10)}.`;
}
