// quantlab beside other CPU engines: same shapes, same lengths, in turn, one table. See README.md here.
// Usage: node bench/peers/run.mjs --model dummy:llama-3.2-1b --models DIR [--llama-bench FILE]
//          [--openvino VENV] [--vllm VENV] [--ort VENV] [--repeats 5] [--minutes 3] [--write docs/peers.md]
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { weightBytes } from "./cells.mjs";
import { runLanes } from "./lanes.mjs";
import { llamaContenders } from "./llama.mjs";
import { modelOf } from "./model.mjs";
import { ourContenders, ourObstacle } from "./ours.mjs";
import { writePage } from "./page.mjs";
import { planRounds } from "./plan.mjs";
import { pythonContenders } from "./python-peers.mjs";
import { appendRecords, readRecords } from "./records.mjs";
import { renderTables } from "./table.mjs";
import { coresIn, runVisit } from "./visit.mjs";

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
    heads: { type: "string", default: "fp8,awq" },
    lanes: { type: "string" },
    threads: { type: "string", default: "2" },
    repeats: { type: "string", default: "5" },
    "more-repeats": { type: "string" },
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
const lanes = lanesOf(flags.lanes);
const file = flags.records ?? join("runs", "peers", `${model.shape}.jsonl`);
const revision = revisionOf(join(import.meta.dirname, "../.."));
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

/**
 * Ceilings over as many bytes as this family's weights have: a model that fits a cache reads faster, and
 * more than a gigabyte fits none.
 */
async function probe({ contender }, lane) {
  const bytes = Math.min(1e9, Math.round(weightBytes(model, contender.bits)));
  const script = join(import.meta.dirname, "probe.mjs");
  const argv = [script, String(bytes), String(threads)];
  return JSON.parse((await runVisit({ program: process.execPath, argv }, 60_000, lane)).stdout);
}

async function measure(visit, ceilings, lane) {
  const { contender, ...key } = visit;
  const at = new Date().toISOString();
  const { reason } = contender;
  if (reason !== undefined) return [{ kind: "failure", ...key, missing: true, reason, at }];
  try {
    const { program, argv, env, parse } = contender.visit(visit.group);
    const { stdout, residentBytes, othersShare, loadAverage } = await runVisit(
      { program, argv, env },
      visitLimitMs,
      lane,
    );
    const results = parse(stdout);
    if (results.length === 0) throw new Error("it printed no result");
    // A refusal of everything is one of the visit.
    if (results.every(({ reason }) => reason !== undefined)) throw new Error(results[0].reason);
    if (visit.group === "single") results.push({ cell: "resident", value: residentBytes / 1e9 });
    const seconds = (Date.now() - Date.parse(at)) / 1e3;
    const conditions = { ...ceilings, threads, revision, othersShare, loadAverage, at, seconds };
    if (lane !== undefined) Object.assign(conditions, { lane, lanes: lanes.length });
    return results.map((result) =>
      result.reason === undefined
        ? { kind: "cell", ...key, ...result, bits: contender.bits, ...conditions }
        : { kind: "failure", ...key, ...result, at },
    );
  } catch (error) {
    return [{ kind: "failure", ...key, reason: String(error.message ?? error), at }];
  }
}

/** Of this checkout, or what was written down where the packed files came from. */
function revisionOf(root) {
  const written = join(root, "REVISION");
  if (existsSync(written)) return readFileSync(written, "utf8").split("\n")[0];
  return execFileSync("git", ["rev-parse", "--short", "HEAD"], {
    cwd: root,
    encoding: "utf8",
  }).trim();
}

/** "0,1:2,3-4" to the cores of each lane; without --lanes one that has all cores of this process. */
function lanesOf(text) {
  return text === undefined ? [undefined] : text.split(":").map(coresIn);
}

function save(visit, records) {
  appendRecords(file, records);
  const { peer, format, setting, group, repeat } = visit;
  const told = records.map((r) => r.reason ?? `${r.cell} ${r.value.toPrecision(4)}`).join(", ");
  log(`${repeat} ${peer} ${format} (${setting}) ${group}: ${told}`);
}

async function measureAll() {
  const limits = {
    repeats: Number(flags.repeats),
    more: Number(flags["more-repeats"] ?? Infinity),
  };
  const complete = await runLanes(planRounds(contendersOf(), limits.repeats, limits.more), {
    ...{ lanes, probe, measure, save, retry: flags.retry, now: Date.now },
    records: () => readRecords(file),
    stopAt: flags.minutes === undefined ? Infinity : Date.now() + 60e3 * Number(flags.minutes),
  });
  log(complete ? "complete" : "the minutes are over; call again to go on");
}

const obstacle = ourObstacle();
if (obstacle !== undefined) throw new Error(obstacle);
if (Number(flags.repeats) > 0) await measureAll();
const records = readRecords(file);
if (records.some(({ kind }) => kind === "cell")) {
  if (flags.write === undefined) process.stdout.write(`${renderTables(records, model)}\n`);
  else writePage(flags.write, records, model);
}
