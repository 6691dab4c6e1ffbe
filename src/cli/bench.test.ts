import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from "vitest";
import type { Validity } from "../metrics/validity.ts";
import { type MockServer, startMockServer } from "../openai/mock-server.ts";
import { benchCommand } from "./bench.ts";
import { parseSlo } from "./bench-serving.ts";
import { parseBatchSizes } from "./bench-throughput.ts";

let server: MockServer;
let folder = "";
let printed = "";
beforeAll(async () => {
  server = await startMockServer({ ttftMs: 2, itlMs: 1, model: "org/mock" });
  folder = await mkdtemp(join(tmpdir(), "quantlab-bench-"));
});
afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => {
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    printed += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
});
afterEach(() => void vi.restoreAllMocks());

/** Runs `quantlab bench ...` against the mock server and gives what it printed on stdout. */
async function bench(line: string, baseUrl = server.baseUrl): Promise<string> {
  const argv = [...line.split(" "), "--base-url", baseUrl];
  await benchCommand().parseAsync(argv, { from: "user" });
  return printed;
}

/** Gates that failed, without those that judge how quiet the machine of the test is. */
function failedGates({ gates }: Validity): string[] {
  const ofMachine = ["client lag", "client error", "rate", "machine"];
  return gates
    .filter(({ name, verdict }) => verdict === "failed" && !ofMachine.includes(name))
    .map(({ name }) => name);
}

test("serving prints the table, and writes the file that vLLM's readers expect", async () => {
  const requests = join(folder, "requests.json");
  const text = await bench(
    `serving --num-prompts 6 --output-len 4 --request-rate 200 --goodput e2el:60000 --ignore-eos --label lab --save-detailed --result-dir ${folder}/results --save-requests ${requests}`,
  );
  expect(text).toMatch(/^TTFT +\d/m);
  expect(text).toContain("6 completed, 0 failed");
  expect(text).toContain("requests/s within the limits");
  const [name = ""] = await readdir(join(folder, "results"));
  expect(name).toMatch(/^lab-200qps-mock-\d{8}-\d{6}\.json$/);
  const result = JSON.parse(await readFile(join(folder, "results", name), "utf8"));
  expect(result).toMatchObject({
    model_id: "org/mock",
    num_prompts: 6,
    completed: 6,
    request_rate: 200,
    total_output_tokens: 24,
    output_lens: [4, 4, 4, 4, 4, 4],
  });
  expect(result.quantlab.requests.hash).toMatch(/^[0-9a-f]{64}$/);
  const manifest = JSON.parse(await readFile(requests, "utf8"));
  expect(manifest.hash).toBe(result.quantlab.requests.hash);
});

test("serving replays a manifest, and the warm-up has other prompts", async () => {
  const requests = join(folder, "replayed.json");
  const line = "serving --num-prompts 3 --output-len 2 --json";
  const drawn = JSON.parse(await bench(`${line} --save-requests ${requests}`));
  printed = "";
  const before = server.requests.length;
  const replayed = JSON.parse(await bench(`${line} --requests ${requests} --seed 9`));
  expect(replayed.quantlab.requests.hash).toBe(drawn.quantlab.requests.hash);
  const sent = server.requests.slice(before).map((request) => request.prompt);
  expect(sent).toHaveLength(2 + 3);
  expect(new Set(sent).size).toBe(5);
});

test("serving replays a trace with its times, in two threads, and keeps every record", async () => {
  const trace = join(folder, "trace.jsonl");
  const rows = [0, 10, 20, 30].map((timestamp) =>
    JSON.stringify({ timestamp, input_length: 3, output_length: 2 }),
  );
  await writeFile(trace, rows.join("\n"));
  const records = join(folder, "records.jsonl");
  const result = JSON.parse(
    await bench(
      `serving --dataset-name trace --dataset-path ${trace} --num-prompts 4 --workers 2 --num-warmups 0 --save-records ${records} --json`,
    ),
  );
  expect(result).toMatchObject({ completed: 4, failed: 0, total_output_tokens: 8 });
  expect(result.quantlab.requests.arrivals).toBe("times of the trace");
  const kept = (await readFile(records, "utf8")).trim().split("\n");
  const parsed = kept.map((line) => JSON.parse(line)).toSorted((a, b) => a.index - b.index);
  expect(parsed.map((record) => record.intendedMs)).toEqual([0, 10, 20, 30]);
  for (const record of parsed) expect(record.sentMs).toBeGreaterThanOrEqual(record.intendedMs);
});

test("a ramp says so, and needs all of its flags", async () => {
  const ramp = "--ramp-up-strategy linear --ramp-up-start-rps 200";
  const line = `serving --num-prompts 3 --output-len 2 --num-warmups 0 --json ${ramp}`;
  const result = JSON.parse(await bench(`${line} --ramp-up-end-rps 400`));
  expect(result).toMatchObject({ completed: 3, ramp_up_strategy: "linear", ramp_up_end_rps: 400 });
  await expect(bench(line)).rejects.toThrow("a ramp needs its strategy, start and end");
});

test("throughput has a row for each batch size, exact in tokens", async () => {
  const result = JSON.parse(
    await bench("throughput --input-len 5 --output-len 3 --batch-sizes 1,4 --rounds 2 --json"),
  );
  expect(result.results).toMatchObject([
    { max_concurrency: 1, num_requests: 2, total_num_tokens: 2 * 8 },
    { max_concurrency: 4, num_requests: 8, total_num_tokens: 8 * 8 },
  ]);
  expect(failedGates(result.results[1].quantlab.validity)).toEqual([]);
  printed = "";
  expect(await bench("throughput --output-len 2 --batch-sizes 2 --rounds 1")).toMatch(
    /^2 +\d.* (yes|no)$/m,
  );
});

test("latency has vLLM's keys in seconds and ours beside them", async () => {
  const line = "latency --input-len 4 --output-len 5 --num-iters 3 --num-iters-warmup 1";
  const result = JSON.parse(await bench(`${line} --json`));
  expect(result.latencies).toHaveLength(3);
  // The server's timers never fire early: 2 ms and four times 1 ms.
  expect(Math.min(...result.latencies)).toBeGreaterThanOrEqual(0.006);
  expect(Object.keys(result.percentiles)).toEqual(["10", "25", "50", "75", "90", "99"]);
  expect(result.quantlab.summary.tpotMs.n).toBe(3);
  printed = "";
  expect(await bench(line)).toContain("tok/s at the median");
});

test("a server that refuses everything is a failed target", async () => {
  const refusing = await startMockServer({
    ttftMs: 0,
    itlMs: 0,
    faultOf: () => ({ kind: "http", status: 400, message: "no such model" }),
  });
  try {
    await expect(bench("serving --num-prompts 2", refusing.baseUrl)).rejects.toMatchObject({
      code: "target-failed",
      message: "all 2 requests failed; the first: HTTP 400: no such model",
    });
  } finally {
    await refusing.close();
  }
});

test("wrong values are refused with what was expected", async () => {
  expect(() => parseSlo(["ttft:0"])).toThrow("is not a goodput limit");
  expect(() => parseSlo(["itl:5"])).toThrow("is not a goodput limit");
  expect(parseSlo(["ttft:2000", "tpot:100"])).toEqual({ ttft: 2000, tpot: 100 });
  expect(() => parseBatchSizes("1,1")).toThrow("twice");
  expect(() => parseBatchSizes("1,,2")).toThrow("not a number above 0");
  await expect(bench("serving --request-rate 0")).rejects.toThrow("not a number above 0");
  await expect(bench("serving --range-ratio 1")).rejects.toThrow("not a number in [0, 1)");
});
