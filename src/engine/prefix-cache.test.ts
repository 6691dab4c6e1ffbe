import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  alone,
  drain,
  engineRequest,
  eventsOf,
  testEngine,
} from "../../test/fakes/engine-requests.ts";
import { BlockPool } from "./block-pool.ts";

const prompt = Array.from({ length: 30 }, (_, i) => i);
const tokens = (events: readonly { tokenId: number | undefined }[]) =>
  events.map((event) => event.tokenId);

describe("prefix caching", () => {
  test("a second request with the same beginning runs only what is new, to the same tokens", () => {
    const engine = testEngine({ prefixCaching: true });
    engine.add(engineRequest("a", prompt));
    drain(engine);
    engine.add(engineRequest("b", [...prompt, 40, 41]));
    const events = drain(engine);
    // 30 tokens fill 7 blocks of 4; the answer of "a" went on differently in the eighth.
    expect(events[0]?.cachedTokens).toBe(28);
    expect(tokens(events)).toEqual(tokens(alone(engineRequest("b", [...prompt, 40, 41]))));
    expect(engine.stats()).toMatchObject({
      blocksUsed: 0,
      prefixQueriedTokens: 62,
      prefixHitTokens: 28,
    });
  });

  test("the last token is always run, however much is known", () => {
    const engine = testEngine({ prefixCaching: true });
    const item = (id: string) => engineRequest(id, prompt.slice(0, 8));
    engine.add(item("a"));
    drain(engine);
    engine.add(item("b"));
    expect(drain(engine)[0]?.cachedTokens).toBe(4);
  });

  test("two requests hold the same blocks at the same time", () => {
    const engine = testEngine({ prefixCaching: true });
    engine.add(engineRequest("a", prompt));
    engine.step();
    engine.add(engineRequest("b", prompt));
    const events = eventsOf(engine.step(), "b");
    const [a = [], b = []] = [...engine.blockTables().values()];
    expect(b.slice(0, 7)).toEqual(a.slice(0, 7));
    engine.abort("a");
    events.push(...drain(engine));
    expect(tokens(events)).toEqual(tokens(alone(engineRequest("b", prompt))));
    expect(engine.stats().blocksUsed).toBe(0);
  });

  test("off unless asked for", () => {
    const engine = testEngine();
    for (const id of ["a", "b"]) {
      engine.add(engineRequest(id, prompt));
      expect(drain(engine)[0]?.cachedTokens).toBeUndefined();
    }
    expect(engine.stats()).toMatchObject({ prefixQueriedTokens: 0, prefixHitTokens: 0 });
  });

  test("under pressure, with preemption, every request gives what it gives alone", () => {
    const item = fc.record({
      shared: fc.nat({ max: 12 }),
      own: fc.array(fc.nat({ max: 96 }), { minLength: 1, maxLength: 6 }),
      maxTokens: fc.integer({ min: 1, max: 10 }),
      temperature: fc.constantFrom(0, 1),
      stepsBefore: fc.nat({ max: 4 }),
    });
    const limits = fc.record({
      blocks: fc.integer({ min: 14, max: 24 }),
      blockSize: fc.constantFrom(2, 3),
      maxNumSeqs: fc.integer({ min: 1, max: 5 }),
      maxNumBatchedTokens: fc.integer({ min: 5, max: 30 }),
    });
    fc.assert(
      fc.property(limits, fc.array(item, { maxLength: 12 }), (small, items) => {
        const engine = testEngine({ limits: small, prefixCaching: true });
        const requests = items.map(({ shared, own, ...params }, i) =>
          engineRequest(`r${i}`, [...prompt.slice(0, shared), ...own], { ...params, seed: i }),
        );
        const events = requests.flatMap((request, i) => {
          engine.add(request);
          return Array.from({ length: items[i]?.stepsBefore ?? 0 }, () => engine.step()).flat();
        });
        events.push(...drain(engine));
        expect(engine.stats()).toMatchObject({ blocksUsed: 0, running: 0, waiting: 0 });
        for (const request of requests) {
          expect(tokens(eventsOf(events, request.id))).toEqual(tokens(alone(request)));
        }
      }),
      { numRuns: 150 },
    );
  });
});

describe("named blocks", () => {
  test("the name longest unused is forgotten first, and only when nothing else is free", () => {
    const pool = new BlockPool(3, 4);
    const [a = -1, b = -1] = pool.allocate(2) ?? [];
    pool.name(a, "a");
    pool.name(b, "b");
    pool.release([a]);
    pool.release([b]);
    expect([pool.free, pool.used]).toEqual([3, 0]);
    const rest = pool.allocate(1) ?? [];
    const [again = -1] = [pool.takeNamed("a")];
    expect(again).toBe(a);
    pool.release([again]);
    // "b" has now been unused for longer than "a".
    const [taken] = pool.allocate(1) ?? [];
    expect(taken).toBe(b);
    expect(pool.takeNamed("b")).toBeUndefined();
    expect(pool.takeNamed("a")).toBe(a);
    expect(pool.allocate(1)).toBeUndefined();
    pool.release([...rest, a, b]);
    expect(pool.used).toBe(0);
  });
});
