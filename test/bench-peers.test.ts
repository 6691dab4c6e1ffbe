import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { behindLines } from "../bench/peers/behind.mjs";
import { ceilingOf, cells, weightBytes } from "../bench/peers/cells.mjs";
import { goalLines, renderBytes } from "../bench/peers/goals.mjs";
import { expectedMs, runLanes } from "../bench/peers/lanes.mjs";
import { parseBatched, parseBench, parseLong } from "../bench/peers/llama.mjs";
import { bitsOf, modelOf } from "../bench/peers/model.mjs";
import { parseReports } from "../bench/peers/ours.mjs";
import { withPart } from "../bench/peers/page.mjs";
import { planRounds } from "../bench/peers/plan.mjs";
import { appendRecords, readRecords, remaining } from "../bench/peers/records.mjs";
import { bestAndPlain, renderTables, summarize } from "../bench/peers/table.mjs";
import { coresIn, reasonOf, runVisit } from "../bench/peers/visit.mjs";

const model = { shape: "x", linear: 1e9, head: 2e8, norm: 0, kvBytesPerToken: 32_768 };
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
  expect(page).toContain(
    "| llama.cpp | BF16 | flash off | 1 | 5.00 | 0.0 | 40 % | 4.00 | 2.00x | 2.00x |",
  );
});

test("memory and time are better when smaller", () => {
  const records = [
    record({ cell: "resident", value: 3 }),
    record({ cell: "resident", value: 6, peer: "vLLM CPU", format: "BF16" }),
  ];
  expect(renderTables(records, model)).toContain(
    "| vLLM CPU | BF16 | plain | 1 | 6.00 | 0.0 |  |  | 2.00x | 2.00x |",
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

test("a row is compared round by round, with our head of as many bits and with the one that comes", () => {
  const ours = { family: "8 bit", format: "fp8, head BF16", bits: { linear: 8, head: 16 } };
  const quantized = { ...ours, format: "fp8, head fp8", bits: { linear: 8, head: 8 } };
  const theirs = { ...ours, peer: "llama.cpp", format: "Q8_0", bits: { linear: 8.5, head: 8.5 } };
  // The machine halves its speed after two rounds: medians would say 0.5x and 1.1x.
  const records = [
    ...[10, 10, 5].map((value, i) => record({ ...ours, value, repeat: i + 1 })),
    ...[22, 22, 11].map((value, i) => record({ ...quantized, value, repeat: i + 1 })),
    ...[10, 5].map((value, i) => record({ ...theirs, value: 2 * value, repeat: i + 2 })),
  ];
  expect(renderTables(records, model)).toContain(
    "| llama.cpp | Q8_0 | plain | 2 | 15.0 | 33.3 | 64 % |  | 1.10x | 0.50x |",
  );
});

test("bytes of a token are those of quantlab's roofline, in llama.cpp those of its blocks", () => {
  const llama = modelOf("dummy:llama-3.2-1b");
  const megabytes = (format: string, head?: string) =>
    Math.round(weightBytes(llama, bitsOf(llama, format, head)) / 1e6);
  expect(megabytes("bf16")).toBe(2472);
  expect([megabytes("fp8"), megabytes("fp8", "fp8")]).toEqual([1500, 1238]);
  expect([megabytes("awq"), megabytes("awq", "fp8")]).toEqual([1031, 769]);
  expect(megabytes("awq", "awq")).toBe(642);
  expect(Math.round(weightBytes(llama, { linear: 4.5, head: 4.5, norm: 32 }) / 1e6)).toBe(695);
  const table = renderBytes(llama) ?? "";
  // 695 MB over 769 MB is 0.90; over 75 % of the bandwidth nothing is left for 1.2 times its speed.
  expect(table).toMatch(
    /awq, head fp8 \| 0\.770 \| Q4_0, head Q4_0 \| 0\.696 \| 0\.90x \| 1\.2x \| over 75 %/,
  );
  expect(renderBytes(modelOf("dummy:tiny"))).toBeUndefined();
});

test("a goal stands beside what the ceilings of its rounds would have allowed", () => {
  const llama = modelOf("dummy:llama-3.2-1b");
  const bits = { linear: 16, head: 16 };
  const peer = { peer: "llama.cpp", format: "BF16", bits };
  const records = [
    record({ format: "bf16, head BF16", bits, value: 11 }),
    record({ ...peer, value: 10 }),
    record({ ...peer, value: 40, setting: "OpenBLAS" }),
  ];
  const [line, ...others] = goalLines(summarize(records, llama), llama);
  expect(others).toEqual([]);
  expect(line).toMatchObject({ cell: "decode 1", goal: 1.35, measured: { ratio: 1.1, n: 1 } });
  // 30 GB/s over 2.4729 GB are 12.1 tok/s.
  expect(line?.ceiling).toBeCloseTo(1.213, 2);
  const page = renderTables(records, llama);
  expect(page).toContain(
    "| decode 1 | bf16, head BF16 | BF16 | 1.35x | 1.21x | 1.10x |  | 1 | out of reach: 10 % short at the ceiling |",
  );
  expect(renderTables(records, model)).not.toContain("aimed at");
});

test("a run writes its part of a page again, and leaves the rest", () => {
  const first = withPart("# Title\n", "peers", "a on b", "one");
  expect(first).toContain("# Title\n\n<!-- peers: a on b -->\n\none\n\n<!-- end: a on b -->\n");
  const second = withPart(`${first}\nafter\n`, "peers", "a on b", "two");
  expect(second).toContain("two");
  expect(second).not.toContain("one");
  expect(second).toContain("after");
  expect(withPart(second, "bytes", "a", "x", "in place")).toBe(second);
});

test("lanes share the rounds, keep each round on one lane, and start nothing past the end", async () => {
  const visit = (group: string, repeat: number) => {
    return { peer: "quantlab", format: "bf16", setting: "plain", group, repeat };
  };
  const rounds = [1, 2, 3].flatMap((repeat) => ["single", "long"].map((g) => [visit(g, repeat)]));
  const saved: { group: string; repeat: number; lane: number | undefined }[] = [];
  let clock = 0;
  const run = {
    lanes: [
      [0, 1],
      [2, 3],
    ],
    stopAt: 100,
    retry: false,
    now: () => clock,
    records: () =>
      saved.map((each) => ({ kind: "cell", ...visit(each.group, each.repeat), seconds: 0.03 })),
    probe: async () => ({}),
    measure: async (_: object, __: object, lane: readonly number[] | undefined) => {
      clock += 30;
      return [{ lane: lane?.[0] }];
    },
    save: ({ group, repeat }: { group: string; repeat: number }, records: readonly object[]) => {
      const [first] = records as { lane: number }[];
      saved.push({ group, repeat, lane: first?.lane });
    },
  };
  // Both lanes work at once; what would begin at 90 or later would end past 100.
  expect(await runLanes(rounds, run)).toBe(false);
  expect(saved).toHaveLength(4);
  expect(new Set(saved.map(({ lane }) => lane))).toEqual(new Set([0, 2]));
  expect(expectedMs(visit("single", 9), run.records())).toBe(30);
  clock = 0;
  expect(await runLanes(rounds, { ...run, stopAt: Infinity })).toBe(true);
  const probes: number[] = [];
  const slow = {
    ...{ ...run, lanes: [undefined], stopAt: Infinity, records: () => [] },
    probe: async () => ({ at: probes.push(clock) }),
    measure: async () => {
      clock += 6000;
      return [];
    },
  };
  const round = [1, 2, 3, 4].map((repeat) => visit("single", repeat));
  await runLanes([round], { ...slow, save: () => {} });
  // After the second visit the ceilings are twelve seconds old.
  expect(probes.map((at) => at - (probes[0] ?? 0))).toEqual([0, 12_000]);
  expect(saved).toHaveLength(6);
});

test("a visit is pinned to the cores of its lane", async () => {
  expect(coresIn("0-2,5")).toEqual([0, 1, 2, 5]);
  const script =
    "console.log(/Cpus_allowed_list:\\s+(\\S+)/.exec(fs.readFileSync('/proc/self/status','utf8'))[1])";
  const program = { program: process.execPath, argv: ["-e", script] };
  const [core] = coresIn((await runVisit(program, 60_000)).stdout.trim());
  if (core === undefined) throw new Error("no core");
  expect((await runVisit(program, 60_000, [core])).stdout).toBe(`${core}\n`);
});

test("where we are behind is listed with the part that bytes have in it", () => {
  const ours = { family: "4 bit", format: "awq, head BF16", bits: { linear: 4, head: 16 } };
  const theirs = { family: "4 bit", peer: "llama.cpp", bits: { linear: 4, head: 4 } };
  const records = [
    record({ ...ours, value: 30 }),
    record({ ...theirs, format: "Q4_0", value: 40 }),
    record({ ...theirs, format: "Q4_1", value: 20 }),
    record({ ...ours, cell: "resident", value: 2 }),
    record({ ...theirs, format: "Q4_0", cell: "resident", value: 1 }),
  ];
  const rows = summarize(records, model);
  const lines = behindLines((name) => rows.filter(({ cell }) => cell === name), model);
  expect(lines.map(({ ratio }) => ratio)).toEqual([0.5, 0.75]);
  // 0.6 GB over 0.9 GB, and a little of the cache on both sides.
  expect(lines[0]?.bytes).toBeUndefined();
  expect(lines[1]?.bytes).toBeCloseTo(0.667, 2);
  expect(renderTables(records, model)).toContain(
    "| decode 1 | awq, head BF16 | llama.cpp Q4_0 | 0.75x | 0.67x | 90 % | 80 % |",
  );
  expect(renderTables(records.slice(0, 1), model)).not.toContain("behind");
  expect(renderTables([record({}), record({ ...theirs, family: "16 bit" })], model)).toContain(
    "Nowhere in this run.",
  );
});

test("a contender that refuses one cell keeps the others, and is asked again for them", () => {
  const peer = { peer: "x", format: "f", setting: "plain", group: "batch" };
  const refusal = { kind: "failure", ...peer, repeat: 1, cell: "decode 64", reason: "at most 32" };
  const records = [record({ ...peer, cell: "decode 16" }), refusal];
  expect(
    remaining(
      [1, 2].map((repeat) => ({ ...peer, repeat })),
      records,
      false,
    ),
  ).toEqual([{ ...peer, repeat: 2 }]);
  expect(renderTables(records, model)).toContain("| x | f | plain | decode 64 | at most 32 |");
  const both = [...records, record({ ...peer, cell: "decode 64" })];
  expect(renderTables(both, model)).not.toContain("at most 32");
  expect(parseReports('{"cell": "decode 64", "reason": "at most 32"}\nnoise')).toEqual([
    { cell: "decode 64", reason: "at most 32" },
  ]);
});
