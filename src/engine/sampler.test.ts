import { describe, expect, test } from "vitest";
import { ContextModel } from "../../test/fakes/context-model.ts";
import { alone, drain, engineRequest, testEngine } from "../../test/fakes/engine-requests.ts";
import type { LogitChanges, SamplingParams } from "./events.ts";
import { logprobsOf, logSumExp } from "./logprobs.ts";
import { toBatch } from "./runner.ts";
import { Sequence } from "./sequence.ts";

const neutral: LogitChanges = {
  bias: [],
  repetitionPenalty: 1,
  frequencyPenalty: 0,
  presencePenalty: 0,
  minP: 0,
};
const prompt = [5, 6, 7];
const tokensWith = (params: Partial<SamplingParams>, eosTokenIds: readonly number[] = []) =>
  alone(engineRequest("a", prompt, { maxTokens: 12, ...params }), { eosTokenIds }).map(
    (event) => event.tokenId ?? -1,
  );
const changed = (changes: Partial<LogitChanges>, params: Partial<SamplingParams> = {}) =>
  tokensWith({ ...params, changes: { ...neutral, ...changes } });

/** Logits after a context, by the model itself. */
function logitsAfter(tokenIds: readonly number[]): Float32Array {
  const model = new ContextModel();
  model.allocateKvCache(16, 16);
  const sequence = new Sequence(engineRequest("x", tokenIds), 0);
  sequence.blockTable = [0, 1, 2, 3];
  return model.forward(toBatch([{ sequence, rows: tokenIds.length }], 16).batch).read(0);
}

/** The definition, written out. */
function logSoftmax(row: Float32Array): number[] {
  const max = Math.max(...row);
  const sum = [...row].reduce((total, logit) => total + Math.exp(logit - max), 0);
  return [...row].map((logit) => logit - max - Math.log(sum));
}

describe("changes of the logits", () => {
  test("neutral ones change nothing, drawn or greedy", () => {
    expect(changed({})).toEqual(tokensWith({}));
    const drawn = { temperature: 1, seed: 3 };
    expect(changed({}, drawn)).toEqual(tokensWith(drawn));
  });

  test("bias forces a token, or forbids it", () => {
    expect(changed({ bias: [[42, 100]] })).toEqual(Array(12).fill(42));
    const [first = -1] = tokensWith({});
    expect(changed({ bias: [[first, -100]] })).not.toContain(first);
  });

  test("frequency and presence penalties count the answer, not the prompt", () => {
    // Every token but three is out of reach, so what is taken depends on the penalties alone.
    const bias = [5, 6, 7].map((id) => [id, 1000] as const);
    const counts = (changes: Partial<LogitChanges>) =>
      [5, 6, 7].map((id) => changed({ bias, ...changes }).filter((t) => t === id).length);
    expect(counts({ frequencyPenalty: 50 }).toSorted()).toEqual([4, 4, 4]);
    // Once each of them has been taken, presence weighs the same on all three.
    expect(new Set(changed({ bias, presencePenalty: 50 }).slice(0, 3)).size).toBe(3);
  });

  test("the repetition penalty also holds for the prompt", () => {
    const bias = [
      [5, 100],
      [9, 90],
    ] as const;
    expect(changed({ bias, repetitionPenalty: 1 })[0]).toBe(5);
    // 5 stands in the prompt: its logit of about 100 falls to about 50.
    expect(changed({ bias, repetitionPenalty: 2 })[0]).toBe(9);
  });

  test("min-p 1 leaves the most likely token alone", () => {
    const drawn = { temperature: 1, seed: 3 };
    expect(changed({ minP: 1 }, drawn)).toEqual(tokensWith({}));
  });

  test("below minTokens the end cannot be drawn", () => {
    const free = tokensWith({});
    const [first = -1] = free;
    expect(tokensWith({}, [first])).toEqual([first]);
    const kept = tokensWith({ minTokens: 4 }, [first]);
    expect(kept.slice(0, 3)).not.toContain(first);
    expect(kept.length).toBeGreaterThanOrEqual(4);
    expect(tokensWith({ minTokens: 4, ignoreEos: true }, [first])).toEqual(free);
  });
});

describe("logprobs", () => {
  test("of a row are those of the definition, ranked, the lower id first in a tie", () => {
    const row = Float32Array.from([1, 3, 2, 3, -50]);
    const expected = logSoftmax(row);
    const { logprob, rank, top } = logprobsOf(row, 2, 3);
    expect(logprob).toBeCloseTo(expected[2] ?? Number.NaN, 12);
    expect(rank).toBe(3);
    expect(top.map(([id]) => id)).toEqual([1, 3, 2]);
    for (const [id, value] of top) expect(value).toBeCloseTo(expected[id] ?? Number.NaN, 12);
    expect(logprobsOf(row, 0, 0).top).toEqual([]);
    expect(logSumExp(Float32Array.from([1000, 1000]))).toBeCloseTo(1000 + Math.log(2), 9);
  });

  test("come with each token, before any change of the logits", () => {
    const events = alone(
      engineRequest("a", prompt, {
        maxTokens: 3,
        logprobs: 2,
        changes: { ...neutral, bias: [[42, 100]] },
      }),
    );
    expect(events.map((event) => event.tokenId)).toEqual([42, 42, 42]);
    const expected = logSoftmax(logitsAfter(prompt));
    expect(events[0]?.logprobs?.logprob).toBeCloseTo(expected[42] ?? Number.NaN, 9);
    expect(events[0]?.logprobs?.top[0]?.[1]).toBeCloseTo(Math.max(...expected), 9);
  });

  test("of the prompt are the same however it is cut into chunks, and after a preemption", () => {
    const long = Array.from({ length: 20 }, (_, i) => (i * 7) % 97);
    const item = (id: string) =>
      engineRequest(id, long, { maxTokens: 6, promptLogprobs: 1, seed: 1 });
    const whole = alone(item("a"))[0]?.promptLogprobs ?? [];
    expect(whole).toHaveLength(19);
    for (const position of [0, 7, 18]) {
      const expected = logSoftmax(logitsAfter(long.slice(0, position + 1)));
      const next = long[position + 1] ?? -1;
      expect(whole[position]?.logprob).toBeCloseTo(expected[next] ?? Number.NaN, 9);
    }
    const limits = { maxNumBatchedTokens: 6, maxNumSeqs: 3, blocks: 14, blockSize: 2 };
    const tight = testEngine({ limits, prefixCaching: true });
    for (const id of ["a", "b"]) tight.add(item(id));
    const firsts = drain(tight).filter((event) => event.index === 1);
    expect(firsts.map((event) => event.promptLogprobs)).toEqual([whole, whole]);
  });
});
