import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type QueuedRequest, simulateQueue } from "./queue.ts";
import { type MixedStep, partOf } from "./traffic.ts";

/** A millisecond a step and a hundredth for each token in it. */
const stepMs = ({ tokens }: MixedStep) => 1 + tokens / 100;
const limits = { sequences: 4, tokens: 32 };

const request = (arrivalMs: number, promptTokens: number, outputTokens: number): QueuedRequest => ({
  arrivalMs,
  promptTokens,
  outputTokens,
});

describe("a predicted queue", () => {
  it("gives one request its prompt, then a step a token", () => {
    const found = simulateQueue([request(50, 20, 3)], limits, stepMs);
    expect(found.ttftMs.length).toBe(1);
    expect(found.ttftMs[0]).toBeCloseTo(1.2, 9);
    for (const gap of found.gapsMs) expect(gap).toBeCloseTo(1.01, 9);
    expect(found.gapsMs.length).toBe(2);
    expect(found.sequences).toBe(1);
  });

  it("cuts a prompt that is longer than a step", () => {
    const [ttft] = simulateQueue([request(0, 80, 1)], limits, stepMs).ttftMs;
    expect(ttft).toBeCloseTo(3 + 0.8, 9);
  });

  it("lets those beyond the limit wait for a place", () => {
    const burst = Array.from({ length: 8 }, () => request(0, 8, 4));
    const { ttftMs, sequences } = simulateQueue(burst, limits, stepMs);
    expect(ttftMs.slice(0, 4)).toEqual(Array(4).fill(1.32));
    for (const late of ttftMs.slice(4)) expect(late).toBeGreaterThan(1.32 + 3);
    expect(sequences).toBe(4);
  });

  it("holds up the stream of one by the prompt of another", () => {
    const { gapsMs } = simulateQueue([request(0, 1, 5), request(1.5, 30, 1)], limits, stepMs);
    expect(Math.max(...gapsMs)).toBeCloseTo(1.31, 9);
    expect(Math.min(...gapsMs)).toBeCloseTo(1.01, 9);
  });

  const requests = fc.array(
    fc
      .tuple(
        fc.double({ min: 0, max: 500, noNaN: true }),
        fc.integer({ min: 1, max: 100 }),
        fc.integer({ min: 1, max: 20 }),
      )
      .map(([arrival, prompt, output]) => request(arrival, prompt, output)),
    { maxLength: 20 },
  );

  it("answers every request in full, whatever the load, and computes each token once", () => {
    fc.assert(
      fc.property(requests, (load) => {
        let tokens = 0;
        const found = simulateQueue(load, limits, (step) => {
          expect(step.tokens).toBeLessThanOrEqual(limits.tokens);
          tokens += step.tokens;
          return stepMs(step);
        });
        const outputs = load.reduce((sum, { outputTokens }) => sum + outputTokens, 0);
        const prompts = load.reduce((sum, { promptTokens }) => sum + promptTokens, 0);
        expect(found.ttftMs.length).toBe(load.length);
        expect(found.gapsMs.length).toBe(outputs - load.length);
        expect(tokens).toBe(prompts + outputs - load.length);
      }),
    );
  });
});

describe("parts of a step", () => {
  it("of two chunks see as many pairs as the whole prompt does", () => {
    const whole = partOf(100, 100).attentionPairs;
    const parts = partOf(60, 60).attentionPairs + partOf(100, 40).attentionPairs;
    expect(parts).toBe(whole);
  });
});
