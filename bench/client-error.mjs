// The load generator's own error beside `vllm bench serve`, and what one thread of it can absorb.
// Usage: node bench/client-error.mjs [--vllm VLLM] [--trials 3] [--write docs/load-generator.md]
// With --write the text between the two "client-error" marks of the page is replaced. About 5 minutes a trial
// with vLLM, 1 without. Needs a machine with nothing else at work.
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: flags } = parseArgs({
  options: {
    vllm: { type: "string" },
    trials: { type: "string", default: "3" },
    write: { type: "string" },
  },
});
const marks = ["<!-- client-error: begin -->", "<!-- client-error: end -->"];
/** What the issue of the load generator asks for: streams, mean TTFT error, p99 ITL; ms. */
const goals = new Map([
  [1, [2, 10.5]],
  [10, [2, 10.5]],
  [100, [3, 11]],
  [500, [15, 11.5]],
  [1000, [25, 13]],
]);

/** One run of `bench client-error`; undefined where it failed, so that the rest is kept. */
function run(argv) {
  const all = [join(root, "bin/quantlab.js"), "bench", "client-error", "--json", ...argv];
  const { status, stdout } = spawnSync(process.execPath, all, {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "inherit"],
    maxBuffer: 2 ** 28,
  });
  return status === 0 ? JSON.parse(stdout) : undefined;
}

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** "1.23 (1.10 to 1.40)": mean and range over trials. */
function over(values, digits = 2) {
  const found = values.filter((value) => Number.isFinite(value));
  if (found.length === 0) return "-";
  const text = mean(found).toFixed(digits);
  if (found.length === 1) return text;
  return `${text} (${Math.min(...found).toFixed(digits)} to ${Math.max(...found).toFixed(digits)})`;
}

function errorTable(result) {
  const streams = [...new Set(result.levels.map(({ ours }) => ours.concurrency))];
  const rows = streams.map((count) => {
    const levels = result.levels.filter(({ ours }) => ours.concurrency === count);
    const ours = levels.map((level) => level.ours);
    const vllm = levels.flatMap((level) => level.vllm ?? []);
    const [ttftGoal, itlGoal] = goals.get(count) ?? [];
    return [
      count,
      ours.reduce((sum, each) => sum + each.requests, 0),
      `${over(ours.map((each) => each.ttftErrorMs.mean))} / ${ttftGoal}`,
      ["toServer", "server", "toClient"]
        .map((part) => mean(ours.map((each) => each.ttftErrorPartsMs[part])).toFixed(2))
        .join(" + "),
      over(vllm.map((each) => each.mean_ttft_ms - result.known.ttftMs)),
      `${over(ours.map((each) => each.itlMs.p99))} / ${itlGoal}`,
      over(ours.map((each) => each.serverLateMs.p99)),
      over(ours.map((each) => each.stampDelayMs?.p99 ?? Number.NaN)),
      over(vllm.map((each) => each.p99_itl_ms)),
      mean(ours.map((each) => each.eventsPerSecond)).toFixed(0),
      mean(ours.map((each) => (each.machine?.busyShare ?? Number.NaN) * 100)).toFixed(0),
    ];
  });
  const header = [
    ...["streams", "answers", "mean TTFT error / goal", "to server + server late + to client"],
    ...["vLLM's mean TTFT error", "p99 ITL (true 10) / goal", "p99 of the server's lateness"],
    ...["p99 from the server's write to our stamp", "vLLM's p99 ITL", "events/s", "cores busy %"],
  ];
  return table(header, rows);
}

function table(header, rows) {
  const lines = [header, header.map(() => "---"), ...rows];
  return lines.map((row) => `| ${row.join(" | ")} |`).join("\n");
}

/** What is offered, what arrives, what it costs. */
const ceilings = [
  ["1,600 streams, an event every 10 ms each", ["--concurrency", "1600", "--rounds", "3"]],
  [
    "the same, five events a write",
    ["--concurrency", "1600", "--rounds", "3", "--chunks-per-write", "5"],
  ],
  [
    "100 streams as fast as they can be written, up to 64 events a write",
    ["--ttft-ms", "0", "--itl-ms", "0", "--concurrency", "100", "--rounds", "40"],
  ],
  [
    "the same, two threads",
    ["--ttft-ms", "0", "--itl-ms", "0", "--concurrency", "100", "--rounds", "40", "--workers", "2"],
  ],
];

function ceilingTable() {
  const rows = ceilings.map(([title, argv]) => {
    const ours = run(argv)?.levels[0]?.ours;
    if (ours === undefined) return [title, "failed", "-", "-", "-", "-"];
    return [
      title,
      ours.events,
      ours.eventsPerSecond.toFixed(0),
      ours.clientCpuUsPerEvent.toFixed(2),
      (1e6 / ours.clientCpuUsPerEvent).toFixed(0),
      ours.serverCpuUsPerEvent.toFixed(2),
    ];
  });
  return table(
    [
      ...["load", "events", "events/s arrived", "client CPU us an event"],
      ...["so one core could absorb, events/s", "server CPU us an event"],
    ],
    rows,
  );
}

const peer = flags.vllm === undefined ? [] : ["--vllm", flags.vllm];
const result = run(["--trials", flags.trials, ...peer]);
if (result === undefined) throw new Error("bench client-error failed");
const loads = result.levels.flatMap(({ ours }) => ours.machine ?? []);
const steal = Math.max(0, ...loads.map(({ stealShare }) => stealShare * 100)).toFixed(1);
const averages = loads.map(({ loadAverage }) => loadAverage);
const section = `${marks[0]}
${cpus()[0]?.model ?? "unknown"}, ${cpus().length} cores for client and mock server together, load average
${Math.min(...averages).toFixed(1)} to ${Math.max(...averages).toFixed(1)}, at most ${steal} % stolen; vLLM ${result.vllmVersion ?? "not measured"}. ${flags.trials} trials: mean, and range over
trials. Milliseconds. Written by \`node bench/client-error.mjs --vllm VLLM --write docs/load-generator.md\`.

${errorTable(result)}

What one thread absorbs, client and mock server on those two cores. Where the client's cost leaves its core free and fewer
events arrive than were offered, the mock server's core is what ends it: the fifth column is the client's own ceiling.

${ceilingTable()}
${marks[1]}`;
process.stdout.write(`${section}\n`);
if (flags.write !== undefined) {
  const page = readFileSync(flags.write, "utf8");
  const [before, rest] = page.split(marks[0]);
  const after = rest?.split(marks[1])[1];
  if (after === undefined) throw new Error(`${flags.write} has no ${marks.join(" ... ")}`);
  writeFileSync(flags.write, before + section + after);
}
