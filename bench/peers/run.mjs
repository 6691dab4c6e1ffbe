// quantlab beside other CPU engines: same shapes, same lengths, in turn, one table. See README.md here.
// Usage: node bench/peers/run.mjs --model dummy:llama-3.2-1b --models DIR [--llama-bench FILE]
//          [--openvino VENV] [--vllm VENV] [--ort VENV] [--repeats 5] [--minutes 3] [--write docs/peers.md]
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { modelOf } from "./model.mjs";
import { llamaContenders } from "./llama.mjs";
import { ourContenders, ourObstacle } from "./ours.mjs";
import { planRounds } from "./plan.mjs";
import { pythonContenders } from "./python-peers.mjs";
import { appendRecords, readRecords, remaining } from "./records.mjs";
import { conditionsOf, renderTables } from "./table.mjs";
import { runVisit } from "./visit.mjs";

const { values: flags } = parseArgs({
  options: {
    model: { type: "string", default: "dummy:smollm2-135m" },
    models: { type: "string", default: "." },
    "llama-bench": { type: "string" },
    "llama-bench-blas": { type: "string" },
    venv: { type: "string" },
    openvino: { type: "string" },
    vllm: { type: "string" },
    ort: { type: "string" },
    heads: { type: "string", default: "" },
    threads: { type: "string", default: "2" },
    repeats: { type: "string", default: "5" },
    families: { type: "string" },
    groups: { type: "string" },
    settings: { type: "string" },
    minutes: { type: "string" },
    retry: { type: "boolean", default: false },
    records: { type: "string" },
    write: { type: "string" },
  },
});

/** Longer than any visit should take; a peer that hangs costs no more than this. */
const visitLimitMs = 300_000;

const model = modelOf(flags.model);
const threads = Number(flags.threads);
const file = flags.records ?? join("runs", "peers", `${model.shape}.jsonl`);
const log = (text) => process.stderr.write(`${new Date().toISOString().slice(11, 19)} ${text}\n`);

function contendersOf() {
  const shared = { model, models: flags.models, threads };
  const heads = flags.heads === "" ? [] : flags.heads.split(",");
  const environments = {
    openvino: flags.openvino ?? flags.venv,
    vllm: flags.vllm ?? flags.venv,
    ort: flags.ort ?? flags.venv,
  };
  const bench = flags["llama-bench"];
  const all = [
    ...ourContenders({ ...shared, heads }),
    ...(bench === undefined
      ? []
      : llamaContenders({ ...shared, bench, blasBench: flags["llama-bench-blas"] })),
    ...pythonContenders({ ...shared, environments }),
  ];
  const wanted = (list, value) => list === undefined || list.split(",").includes(value);
  return all
    .filter((each) => wanted(flags.families, each.family) && wanted(flags.settings, each.setting))
    .map((each) => ({ ...each, groups: each.groups.filter((g) => wanted(flags.groups, g)) }));
}

/** Ceilings over as many bytes as this family's weights have: a model that fits a cache reads faster. */
async function probe(contender) {
  const { bits } = contender;
  const bytes = Math.round((model.linear * bits.linear + model.head * bits.head) / 8);
  const script = join(import.meta.dirname, "probe.mjs");
  const argv = [script, String(bytes), String(threads)];
  return JSON.parse((await runVisit({ program: process.execPath, argv }, 60_000)).stdout);
}

async function measure(visit, ceilings) {
  const { contender, ...key } = visit;
  const at = new Date().toISOString();
  const { reason } = contender;
  if (reason !== undefined) return [{ kind: "failure", ...key, missing: true, reason, at }];
  try {
    const { program, argv, env, parse } = contender.visit(visit.group);
    const { stdout, residentBytes, othersShare, loadAverage } = await runVisit(
      { program, argv, env },
      visitLimitMs,
    );
    const results = parse(stdout);
    if (results.length === 0) throw new Error("it printed no result");
    if (visit.group === "single") results.push({ cell: "resident", value: residentBytes / 1e9 });
    const conditions = { ...ceilings, threads, othersShare, loadAverage, at };
    return results.map((result) => ({
      ...{ kind: "cell", ...key, ...result, bits: contender.bits, ...conditions },
    }));
  } catch (error) {
    return [{ kind: "failure", ...key, reason: String(error.message ?? error), at }];
  }
}

async function measureAll() {
  const stopAt = flags.minutes === undefined ? Infinity : Date.now() + 60e3 * Number(flags.minutes);
  for (const round of planRounds(contendersOf(), Number(flags.repeats))) {
    const left = remaining(round, readRecords(file), flags.retry);
    if (left.length === 0) continue;
    if (Date.now() > stopAt) return log("the minutes are over; call again to go on");
    const ours = round.find(({ peer }) => peer === "quantlab") ?? round[0];
    const ceilings = await probe(ours.contender);
    for (const visit of left) {
      if (Date.now() > stopAt) return log("the minutes are over; call again to go on");
      const records = await measure(visit, ceilings);
      appendRecords(file, records);
      const { peer, format, setting, group, repeat } = visit;
      const told = records.map((r) => r.reason ?? `${r.cell} ${r.value.toPrecision(4)}`).join(", ");
      log(`${repeat} ${peer} ${format} (${setting}) ${group}: ${told}`);
    }
  }
  log("complete");
}

/** Replaces this model's and machine's part of the page, or adds it at the end. */
function writePage(page, records) {
  const { cpu } = records.find(({ kind }) => kind === "cell");
  const name = `${model.shape} on ${cpu.replaceAll(/\((R|TM)\)|[^\w. -]/g, "")}`;
  const [begin, end] = [`<!-- peers: ${name} -->`, `<!-- end: ${name} -->`];
  const body = `${begin}\n\n### ${name}\n\n${conditionsOf(records)}\n\n${renderTables(records, model)}\n\n${end}`;
  const before = existsSync(page) ? readFileSync(page, "utf8") : "";
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  const after =
    from < 0
      ? `${before.trimEnd()}\n\n${body}\n`
      : before.slice(0, from) + body + before.slice(to + end.length);
  writeFileSync(page, after.trimStart());
}

const obstacle = ourObstacle();
if (obstacle !== undefined) throw new Error(obstacle);
if (Number(flags.repeats) > 0) await measureAll();
const records = readRecords(file);
if (records.some(({ kind }) => kind === "cell")) {
  if (flags.write === undefined) process.stdout.write(`${renderTables(records, model)}\n`);
  else writePage(flags.write, records);
}
