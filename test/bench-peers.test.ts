import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ceilingOf, cells } from "../bench/peers/cells.mjs";
import { parseBatched, parseBench, parseLong } from "../bench/peers/llama.mjs";
import { planRounds } from "../bench/peers/plan.mjs";
import { appendRecords, readRecords, remaining } from "../bench/peers/records.mjs";
import { bestAndPlain, renderTables, summarize } from "../bench/peers/table.mjs";
import { reasonOf, runVisit } from "../bench/peers/visit.mjs";

const model = { linear: 1e9, head: 2e8, kvBytesPerToken: 32_768 };
const conditions = { bandwidth: 30e9, peakFlops: 1e12, othersShare: 0, cpu: "x", isa: "avx512" };
const record = (more: object) => ({
  ...{ kind: "cell", peer: "quantlab", family: "16 bit", format: "bf16", setting: "plain" },
  ...{ group: "single", repeat: 1, cell: "decode 1", value: 10, threads: 2 },
  ...{ bits: { linear: 16, head: 16 }, at: "2026-11-24T00:00:00Z", ...conditions, ...more },
});

test("llama-bench's lines become cells, whatever else it prints", () => {
  const stdout = [
    "load_backend: loaded CPU backend",
    '{"n_prompt": 512, "n_gen": 0, "avg_ns": 2000000000, "avg_ts": 256.0}',
    '{"n_prompt": 0, "n_gen": 64, "avg_ns": 4000000000, "avg_ts": 16.0}',
    '{"n_prompt": 512, "n_gen',
  ].join("\n");
  expect(parseBench(stdout)).toEqual([
    { cell: "prefill 512", value: 256 },
    { cell: "TTFT 512", value: 2000 },
    { cell: "decode 1", value: 16 },
  ]);
});

test("llama-batched-bench's lines become cells", () => {
  const line = '{"pp": 2048, "tg": 32, "pl": 16, "speed_pp": 90.5, "speed_tg": 50.25}\n';
  expect(parseBatched(line)).toEqual([{ cell: "decode 16", value: 50.25 }]);
  expect(parseLong(line)).toEqual([
    { cell: "prefill 2048", value: 90.5 },
    { cell: "decode 1 at 2048", value: 50.25 },
  ]);
});

test("the ceiling of a decode step is its bytes or its arithmetic, whichever takes longer", () => {
  const cell = (name: string) => cells.find((each) => each.name === name);
  const bits = { linear: 16, head: 16 };
  const one = ceilingOf(cell("decode 1"), model, bits, conditions);
  expect(one).toBeCloseTo(30e9 / (2.4e9 + 32 * 32_768), 6);
  // 64 x 2.4 GFLOP over 1 TFLOP/s takes longer than 2.4 GB over 30 GB/s.
  expect(ceilingOf(cell("decode 64"), model, bits, conditions)).toBeCloseTo(64 / 0.1536, 6);
  expect(ceilingOf(cell("resident"), model, bits, conditions)).toBeUndefined();
});

test("disturbed visits count only where there is no other", () => {
  const values = [record({ value: 10 }), record({ value: 12, repeat: 2 })];
  const disturbed = record({ value: 2, repeat: 3, othersShare: 0.5 });
  const [row] = summarize([...values, disturbed], model);
  expect(row).toMatchObject({ n: 2, median: 11, disturbed: false });
  const [lone] = summarize([disturbed], model);
  expect(lone).toMatchObject({ n: 1, median: 2, disturbed: true });
});

test("the best setting of a contender is shown with its plain one, and ours over it", () => {
  const peer = { peer: "llama.cpp", format: "BF16" };
  const records = [
    record({}),
    record({ ...peer, value: 4 }),
    record({ ...peer, value: 5, setting: "flash off" }),
  ];
  const [ours, theirs] = bestAndPlain(summarize(records, model));
  expect(ours?.best.median).toBe(10);
  expect(theirs).toMatchObject({ best: { setting: "flash off" }, plain: { median: 4 } });
  const page = renderTables(records, model);
  expect(page).toContain("| llama.cpp | BF16 | flash off | 1 | 5.00 | 0.0 | 40 % | 4.00 | 2.00x |");
});

test("memory and time are better when smaller", () => {
  const records = [
    record({ cell: "resident", value: 3 }),
    record({ cell: "resident", value: 6, peer: "vLLM CPU", format: "BF16" }),
  ];
  expect(renderTables(records, model)).toContain(
    "| vLLM CPU | BF16 | plain | 1 | 6.00 | 0.0 |  |  | 2.00x |",
  );
});

test("every repeat turns the order of a round around", () => {
  const contenders = ["a", "b"].map((peer) => {
    return { peer, family: "16 bit", format: "x", setting: "plain", groups: ["single"] };
  });
  const order = planRounds(contenders, 2).map((round) => round.map(({ peer }) => peer));
  expect(order).toEqual([
    ["a", "b"],
    ["b", "a"],
  ]);
});

test("a run goes on where it stopped, and does not try again what failed", () => {
  const folder = mkdtempSync(join(tmpdir(), "quantlab-peers-"));
  try {
    const file = join(folder, "deep", "x.jsonl");
    const failure = { kind: "failure", peer: "b", format: "x", setting: "plain", group: "single" };
    appendRecords(file, [record({}), { ...failure, repeat: 1, reason: "no" }]);
    const records = readRecords(file);
    const ours = { peer: "quantlab", format: "bf16", setting: "plain", group: "single" };
    const plan = [1, 2].flatMap((repeat) => [
      { ...ours, repeat },
      { ...failure, repeat },
    ]);
    expect(remaining(plan, records, false)).toEqual([{ ...ours, repeat: 2 }]);
    expect(remaining(plan, records, true)).toHaveLength(3);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a visit tells its output and memory, or why it failed", async () => {
  const node = (script: string) => ({ program: process.execPath, argv: ["-e", script] });
  const ok = await runVisit(node("setTimeout(() => console.log('done'), 300)"), 60_000);
  expect(ok.stdout).toBe("done\n");
  expect(ok.residentBytes).toBeGreaterThan(1e6);
  await expect(runVisit(node("throw new Error('no such format')"), 60_000)).rejects.toThrow(
    /exit 1: .*no such format/,
  );
  await expect(runVisit({ program: "/nowhere", argv: [] }, 60_000)).rejects.toThrow(/ENOENT/);
  const killed = { code: null, signal: "SIGKILL" as const, limitMs: 1000, stdout: "", stderr: "" };
  expect(reasonOf(killed)).toContain("over 1 s");
});
