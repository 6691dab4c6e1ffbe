/** An engine in the same thread behind a channel, over the context model: for tests without a worker. */
import { ManualClock } from "../../src/base/clock.ts";
import { Engine } from "../../src/engine/engine.ts";
import { connectEngine, type EngineHost } from "../../src/engine/host.ts";
import type { EngineLimits } from "../../src/engine/limits.ts";
import type { EngineFacts } from "../../src/engine/load-engine.ts";
import { EngineLoop } from "../../src/engine/loop.ts";
import type { EngineChannel, FromEngine } from "../../src/engine/protocol.ts";
import { ContextModel, type ContextModelOptions } from "./context-model.ts";

export interface FakeEngineOptions extends ContextModelOptions {
  readonly limits?: Partial<EngineLimits>;
  readonly maxQueue?: number;
  readonly prefixCaching?: boolean;
}

export interface FakeEngine {
  readonly host: EngineHost;
  readonly engine: Engine;
  /** Ends the engine as a crash of its thread would. */
  crash(reason: string): void;
}

export async function startFakeEngine(options: FakeEngineOptions = {}): Promise<FakeEngine> {
  const model = new ContextModel(options);
  const limits: EngineLimits = {
    maxModelLen: 512,
    maxNumSeqs: 8,
    maxNumBatchedTokens: 64,
    blocks: 256,
    blockSize: 4,
    vocabSize: model.config.vocabSize,
    ...options.limits,
  };
  const engine = new Engine(model, limits, 0, new ManualClock(), options);
  const facts: EngineFacts = {
    format: model.format,
    trained: model.trained,
    memory: model.memory,
    lmHead: model.lmHead,
    kvCacheDtype: model.kvCacheDtype,
    kvScalesCalibrated: model.kvScalesCalibrated,
    kvBytesPerToken: model.kvBytesPerToken,
    limits,
    loadMs: 1,
  };
  const channel = new InProcessChannel(engine);
  const connected = connectEngine(channel, options.maxQueue ?? 1000, () => undefined);
  channel.send({ kind: "ready", facts, stats: engine.stats() });
  return { host: await connected, engine, crash: (reason) => channel.close(reason) };
}

class InProcessChannel implements EngineChannel {
  readonly #loop: EngineLoop;
  #onMessage: (message: FromEngine) => void = () => undefined;
  #onClosed: (reason: string) => void = () => undefined;
  #closed = false;

  constructor(engine: Engine) {
    this.#loop = new EngineLoop(engine, (message) => this.send(message));
  }

  /** Copies as a thread border does. */
  send(message: FromEngine): void {
    if (!this.#closed) this.#onMessage(structuredClone(message));
  }

  post(message: Parameters<EngineChannel["post"]>[0]): void {
    const copy = structuredClone(message);
    setImmediate(() => {
      if (!this.#closed) this.#loop.receive(copy);
    });
  }

  listen(onMessage: (message: FromEngine) => void, onClosed: (reason: string) => void): void {
    this.#onMessage = onMessage;
    this.#onClosed = onClosed;
  }

  close(reason: string): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#onClosed(reason);
  }

  async terminate(): Promise<void> {
    this.close("terminated");
  }
}
