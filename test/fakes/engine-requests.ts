/** Engine requests and engines over the context model, for tests of the engine alone. */
import { ManualClock } from "../../src/base/clock.ts";
import { Engine, type EngineSettings } from "../../src/engine/engine.ts";
import type { EngineRequest, SamplingParams, TokenEvent } from "../../src/engine/events.ts";
import type { EngineLimits } from "../../src/engine/limits.ts";
import { ContextModel } from "./context-model.ts";

const roomy: EngineLimits = {
  maxModelLen: 256,
  maxNumSeqs: 64,
  maxNumBatchedTokens: 4096,
  blocks: 4096,
  blockSize: 4,
  vocabSize: 97,
};

/** Greedy, 8 tokens, unless told otherwise. */
export function engineRequest(
  id: string,
  prompt: readonly number[],
  params: Partial<SamplingParams> = {},
): EngineRequest {
  const defaults: SamplingParams = {
    maxTokens: 8,
    minTokens: 0,
    temperature: 0,
    topK: 0,
    topP: 1,
    seed: undefined,
    ignoreEos: false,
    stopTokenIds: [],
  };
  return { id, promptTokenIds: prompt, params: { ...defaults, ...params } };
}

export interface TestEngineOptions extends EngineSettings {
  readonly limits?: Partial<EngineLimits>;
  readonly eosTokenIds?: readonly number[];
}

export function testEngine(options: TestEngineOptions = {}): Engine {
  const model = new ContextModel({ eosTokenIds: options.eosTokenIds ?? [] });
  return new Engine(model, { ...roomy, ...options.limits }, 7, new ManualClock(), options);
}

/** Steps until nothing is left. */
export function drain(engine: Engine): TokenEvent[] {
  const events: TokenEvent[] = [];
  while (engine.hasWork) events.push(...engine.step());
  return events;
}

/** Events of one request. */
export function eventsOf(events: readonly TokenEvent[], id: string): TokenEvent[] {
  return events.filter((event) => event.id === id);
}

/** What one request gives in a roomy engine of its own. */
export function alone(item: EngineRequest, options: TestEngineOptions = {}): TokenEvent[] {
  const engine = testEngine(options);
  engine.add(item);
  return drain(engine);
}
