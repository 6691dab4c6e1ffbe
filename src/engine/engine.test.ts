import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ContextModel } from "../../test/fakes/context-model.ts";
import { engineRequest as request } from "../../test/fakes/engine-requests.ts";
import { ManualClock } from "../base/clock.ts";
import { Engine } from "./engine.ts";
import type { EngineRequest, SamplingParams, TokenEvent } from "./events.ts";
import type { EngineLimits } from "./limits.ts";

const roomy: EngineLimits = {
  maxModelLen: 256,
  maxNumSeqs: 64,
  maxNumBatchedTokens: 4096,
  blocks: 4096,
  blockSize: 4,
  vocabSize: 97,
};

function engineWith(limits: Partial<EngineLimits> = {}, eosTokenIds: readonly number[] = []) {
  return new Engine(
    new ContextModel({ eosTokenIds }),
    { ...roomy, ...limits },
    7,
    new ManualClock(),
  );
}

function drain(engine: Engine): TokenEvent[] {
  const events: TokenEvent[] = [];
  while (engine.hasWork) events.push(...engine.step());
  return events;
}

function tokensOf(events: readonly TokenEvent[], id: string): (number | undefined)[] {
  return events.filter((event) => event.id === id).map((event) => event.tokenId);
}

/** What one request gives when nothing else runs and everything fits. */
function alone(item: EngineRequest, eosTokenIds: readonly number[] = []): (number | undefined)[] {
  const engine = engineWith({}, eosTokenIds);
  engine.add(item);
  return tokensOf(drain(engine), item.id);
}

describe("Engine", () => {
  test("greedy decoding ends at maxTokens and numbers its events", () => {
    const engine = engineWith();
    engine.add(request("a", [1, 2, 3], { maxTokens: 5 }));
    const events = drain(engine);
    expect(events.map((event) => event.index)).toEqual([1, 2, 3, 4, 5]);
    expect(events.map((event) => event.finishReason)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
      "length",
    ]);
    expect(engine.stats()).toMatchObject({ blocksUsed: 0, promptTokens: 3, generatedTokens: 5 });
  });

  test("an end-of-sequence token stops, unless ignored or before minTokens", () => {
    const free = alone(request("a", [5], { maxTokens: 20 }));
    const third = free[2] ?? -1;
    const first = free.indexOf(third);
    const stopping = (params: Partial<SamplingParams>) => {
      const engine = engineWith({}, [third]);
      engine.add(request("a", [5], { maxTokens: 20, ...params }));
      return drain(engine);
    };
    expect(stopping({}).at(-1)).toMatchObject({ index: first + 1, finishReason: "stop" });
    expect(stopping({ ignoreEos: true })).toHaveLength(20);
    expect(stopping({ minTokens: 20 }).at(-1)).toMatchObject({ index: 20 });
    const engine = engineWith();
    engine.add(request("a", [5], { maxTokens: 20, stopTokenIds: [third] }));
    expect(drain(engine).at(-1)).toMatchObject({ index: first + 1, finishReason: "stop" });
  });

  test("the same seed gives the same tokens, another seed others", () => {
    const sampled = (seed: number) =>
      alone(request("a", [3], { temperature: 1, seed, maxTokens: 30 }));
    expect(sampled(1)).toEqual(sampled(1));
    expect(sampled(1)).not.toEqual(sampled(2));
  });

  test("requests without a seed get streams of their own", () => {
    const engine = engineWith();
    engine.add(request("a", [3], { temperature: 1, maxTokens: 30 }));
    engine.add(request("b", [3], { temperature: 1, maxTokens: 30 }));
    const events = drain(engine);
    expect(tokensOf(events, "a")).not.toEqual(tokensOf(events, "b"));
  });

  test("a long prompt is cut into chunks and running sequences decode in every step", () => {
    const engine = engineWith({ maxNumBatchedTokens: 8, maxNumSeqs: 4 });
    engine.add(request("short", [1], { maxTokens: 12 }));
    engine.step();
    engine.add(
      request(
        "long",
        Array.from({ length: 40 }, (_, i) => i),
        { maxTokens: 2 },
      ),
    );
    const steps = Array.from({ length: 6 }, () => engine.step());
    expect(steps.map((events) => events.filter((e) => e.id === "short").length)).toEqual(
      Array(6).fill(1),
    );
    // 7 prompt tokens a step beside the decode: 40 are in after the sixth.
    expect(steps.findIndex((events) => events.some((e) => e.id === "long"))).toBe(5);
  });

  test.each([
    ["longer than the model", { maxModelLen: 10 }, "request-too-long"],
    ["longer than the whole cache", { blocks: 2 }, "request-too-long"],
    ["outside the vocabulary", { vocabSize: 3 }, "request-invalid"],
  ] as const)("refuses at once what is %s", (_, limits, code) => {
    const engine = engineWith(limits);
    expect(() => engine.add(request("a", [1, 2, 3], { maxTokens: 8 }))).toThrow(
      expect.objectContaining({ code }),
    );
    expect(engine.hasWork).toBe(false);
  });

  test("takes what fits exactly: the last token needs no place in the cache", () => {
    const engine = engineWith({ blocks: 2, blockSize: 4 });
    engine.add(request("a", [1, 2, 3], { maxTokens: 6 }));
    expect(drain(engine)).toHaveLength(6);
  });

  test("refuses an empty prompt, a token count below 1, and an id that already runs", () => {
    const engine = engineWith();
    expect(() => engine.add(request("a", [], {}))).toThrow("the prompt has no tokens");
    expect(() => engine.add(request("a", [1], { maxTokens: 0 }))).toThrow("max_tokens is 0");
    engine.add(request("a", [1], {}));
    expect(() => engine.add(request("a", [1], {}))).toThrow("already runs");
  });

  test("refuses limits with which not every running sequence could decode", () => {
    expect(() => engineWith({ maxNumSeqs: 8, maxNumBatchedTokens: 4 })).toThrow(
      "below max-num-seqs",
    );
  });

  test("abort frees the blocks of running and of waiting requests", () => {
    const engine = engineWith({ maxNumSeqs: 1 });
    engine.add(request("runs", [1, 2, 3], {}));
    engine.add(request("waits", [1, 2, 3], {}));
    engine.step();
    expect(engine.abort("runs")).toMatchObject({ finishReason: "abort", index: 1 });
    expect(engine.abort("waits")).toMatchObject({ finishReason: "abort", index: 0 });
    expect(engine.abort("runs")).toBeUndefined();
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 0, blocksUsed: 0 });
    expect(engine.step()).toEqual([]);
  });

  test("preemption by recomputation changes no token", () => {
    const engine = engineWith({ blocks: 6, blockSize: 2, maxNumSeqs: 4 });
    const items = ["a", "b", "c"].map((id, i) =>
      request(id, [i, i + 1], { maxTokens: 9, temperature: 1, seed: i }),
    );
    for (const item of items) engine.add(item);
    const events = drain(engine);
    expect(engine.stats().preemptions).toBeGreaterThan(0);
    expect(engine.stats().promptTokens).toBe(6);
    for (const item of items) expect(tokensOf(events, item.id)).toEqual(alone(item));
  });
});

const arbitraryRequest = fc.record({
  prompt: fc.array(fc.nat({ max: 96 }), { minLength: 1, maxLength: 24 }),
  maxTokens: fc.integer({ min: 1, max: 12 }),
  temperature: fc.constantFrom(0, 1),
  seed: fc.nat({ max: 1000 }),
});

interface Real {
  readonly engine: Engine;
  readonly events: TokenEvent[];
}
interface Expected {
  readonly added: Map<string, EngineRequest>;
  readonly aborted: Set<string>;
}

/** What must hold between any two steps. */
function checkOwnership(engine: Engine): void {
  const owned = [...engine.blockTables().values()].flat();
  expect(new Set(owned).size).toBe(owned.length);
  expect(engine.stats().blocksUsed).toBe(owned.length);
}

class Add implements fc.Command<Expected, Real> {
  readonly #item: EngineRequest;
  readonly #text: string;
  constructor(id: string, prompt: readonly number[], params: Partial<SamplingParams>) {
    this.#item = request(id, prompt, params);
    this.#text = `add ${id} ${prompt.length}+${params.maxTokens}`;
  }
  check = () => true;
  run(expected: Expected, { engine }: Real): void {
    if (expected.added.has(this.#item.id)) return;
    engine.add(this.#item);
    expected.added.set(this.#item.id, this.#item);
    checkOwnership(engine);
  }
  toString = () => this.#text;
}

class Step implements fc.Command<Expected, Real> {
  check = () => true;
  run(_: Expected, { engine, events }: Real): void {
    const before = engine.stats();
    const produced = engine.step();
    events.push(...produced);
    expect(produced.length).toBeLessThanOrEqual(engine.limits.maxNumSeqs);
    expect(engine.stats().running).toBeLessThanOrEqual(engine.limits.maxNumSeqs);
    expect(engine.stats().generatedTokens - before.generatedTokens).toBe(produced.length);
    checkOwnership(engine);
  }
  toString = () => "step";
}

class Abort implements fc.Command<Expected, Real> {
  readonly #pick: number;
  constructor(pick: number) {
    this.#pick = pick;
  }
  check = ({ added }: Readonly<Expected>) => added.size > 0;
  run({ added, aborted }: Expected, { engine }: Real): void {
    const id = [...added.keys()][this.#pick % added.size] ?? "";
    if (engine.abort(id) !== undefined) aborted.add(id);
    checkOwnership(engine);
  }
  toString = () => `abort ${this.#pick}`;
}

describe("Engine, any sequence of commands", () => {
  const commands = fc.commands(
    [
      fc
        .tuple(fc.nat({ max: 30 }), arbitraryRequest)
        .map(([n, { prompt, ...params }]) => new Add(`r${n}`, prompt, params)),
      fc.constant(new Step()),
      fc.nat().map((pick) => new Abort(pick)),
    ],
    { maxCommands: 60 },
  );
  const limits = fc.record({
    blocks: fc.integer({ min: 18, max: 40 }),
    blockSize: fc.constantFrom(2, 4),
    maxNumSeqs: fc.integer({ min: 1, max: 6 }),
    maxNumBatchedTokens: fc.integer({ min: 6, max: 40 }),
  });

  test("no block is owned twice, all finish, and tokens do not depend on the company", () => {
    fc.assert(
      fc.property(limits, commands, (small, list) => {
        const engine = engineWith(small);
        const real: Real = { engine, events: [] };
        const expected: Expected = { added: new Map(), aborted: new Set() };
        fc.modelRun(() => ({ model: expected, real }), list);
        real.events.push(...drain(engine));
        expect(engine.stats()).toMatchObject({ blocksUsed: 0, running: 0, waiting: 0 });
        for (const [id, item] of expected.added) {
          const tokens = tokensOf(real.events, id);
          const whole = alone(item);
          expect(tokens).toEqual(expected.aborted.has(id) ? whole.slice(0, tokens.length) : whole);
        }
      }),
      { numRuns: 200 },
    );
  });
});
