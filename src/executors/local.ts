/** Runs a plan on this machine: a fresh server for each block, a failed cell never ends the run. */
import { join } from "node:path";
import { describeError } from "../base/errors.ts";
import type { PlannedCell, ServedModel } from "../experiments/experiment.ts";
import type { PlannedBlock } from "../experiments/plan.ts";
import { experimentByName } from "../experiments/registry.ts";
import { type CellResult, cellPath } from "../results/run.ts";
import { type RunningTarget, TargetFailure } from "../targets/target.ts";
import { servedModel } from "./calibrated.ts";
import { withDeviceUsage } from "./device-usage.ts";
import type { Executor, RunRequest } from "./executor.ts";

/** How long the news of a server's death may lag behind the failure of its requests. */
const deathNewsMs = 1_000;

export const local: Executor = {
  name: "local",
  async execute(request) {
    const missing = new Set((await request.store.missing()).map(cellPath));
    for (const block of request.plan.blocks) {
      const cells = block.cells.filter((cell) => missing.has(cellPath(cell.key)));
      if (cells.length > 0 && !request.signal.aborted) {
        await new BlockRun(request, block).run(cells);
      }
    }
    return { interrupted: request.signal.aborted };
  },
};

/** Folder of a run that holds the servers' whole logs. */
export const serversFolder = "servers";

/** Why no server answers for a block. */
interface StartFailure {
  readonly reason: string;
  /** No start can succeed here: the cells are skipped, and a resume does not try again. */
  readonly isImpossible: boolean;
  readonly logTail: string;
}

/** One block: its server, started when a cell needs it and again after a cell has failed on it. */
class BlockRun {
  readonly #request: RunRequest;
  readonly #block: PlannedBlock;
  #server: RunningTarget | undefined;
  /** What it has loaded: known once a calibrated checkpoint is made. */
  #served: ServedModel;
  /** Why the server could not be started; it is not tried again in this block. */
  #startFailure: StartFailure | undefined;

  constructor(request: RunRequest, block: PlannedBlock) {
    this.#request = request;
    this.#block = block;
    this.#served = block.served;
  }

  async run(cells: readonly PlannedCell[]): Promise<void> {
    try {
      for (const cell of cells) {
        if (this.#request.signal.aborted) return;
        const result = await this.#runCell(cell);
        // An interrupted cell has no result: a resume runs it again.
        if (result === undefined) return;
        await this.#request.store.writeResult(result);
        this.#request.observer.cellFinished(cell, result);
      }
    } finally {
      await this.#server?.stop();
    }
  }

  async #runCell(cell: PlannedCell): Promise<CellResult | undefined> {
    const { clock, signal } = this.#request;
    if (cell.skip !== undefined) return this.#without("skipped", cell, cell.skip, 0);
    const startMs = clock.nowMs();
    const server = await this.#startedServer();
    if (signal.aborted) return undefined;
    if (server === undefined) {
      const failure = this.#startFailure;
      const reason = failure?.reason ?? "the server could not be started";
      const status = failure?.isImpossible === true ? "skipped" : "failed";
      return this.#without(status, cell, reason, clock.nowMs() - startMs, failure?.logTail);
    }
    return this.#runOn(server, cell);
  }

  async #runOn(server: RunningTarget, cell: PlannedCell): Promise<CellResult | undefined> {
    const { clock, observer, signal, store } = this.#request;
    const startMs = clock.nowMs();
    observer.stepStarted(cellPath(cell.key), cell.predictedMs);
    // The death of the server ends the cell at once instead of request by request.
    const death = new AbortController();
    void server.died.then((reason) => death.abort(new Error(reason)));
    try {
      const folder = await store.startCell(cell.key);
      const context = this.#contextOf(
        server,
        cell,
        folder,
        AbortSignal.any([signal, death.signal]),
      );
      const result = await withDeviceUsage(server, folder, () =>
        experimentByName(cell.key.experiment).run(cell, context),
      );
      observer.stepFinished(cell.predictedMs, clock.nowMs() - startMs);
      return result;
    } catch (error) {
      if (signal.aborted) return undefined;
      const reason = (await this.#causeOfDeath(server)) ?? describeError(error);
      await this.#abandon(server, reason);
      const durationMs = clock.nowMs() - startMs;
      observer.stepFinished(cell.predictedMs, durationMs);
      return this.#without("failed", cell, reason, durationMs, server.logTail());
    }
  }

  #contextOf(server: RunningTarget, cell: PlannedCell, folder: string, signal: AbortSignal) {
    const { plan, machine, clock, observer, requests } = this.#request;
    return {
      config: plan.config,
      target: server,
      served: this.#served,
      machine,
      cost: plan.costs.get(this.#block.entry.label),
      requests: requests.get(cell.requestsId),
      clock,
      folder,
      signal,
      onProgress: (fraction: number, text: string) => observer.stepProgress(fraction, text),
    };
  }

  /** The block's server, started if there is none; undefined when it does not start. */
  async #startedServer(): Promise<RunningTarget | undefined> {
    if (this.#server !== undefined || this.#startFailure !== undefined) return this.#server;
    const { plan, store, target, clock, observer, signal } = this.#request;
    const { entry, calibrated, maxModelLen, maxNumSeqs, startMs: predictedMs } = this.#block;
    const { config } = plan;
    const beganMs = clock.nowMs();
    observer.stepStarted(`${entry.label}: starting the server`, predictedMs);
    try {
      if (calibrated) observer.stepProgress(0, "calibrating");
      this.#served = await servedModel(this.#block, store.folder, config.threads, signal);
      this.#server = await target.start(
        {
          ...this.#served,
          kernel: entry.kernel,
          maxModelLen,
          maxNumSeqs,
          lmHead: config.lmHead,
          kvCacheDtype: config.kvCacheDtype,
          threads: config.threads,
          seed: config.seed,
          vllm: config.vllm,
          logFolder: join(store.folder, serversFolder),
          label: entry.label,
        },
        (message) => observer.stepProgress(0.5, message),
        signal,
      );
      const { pid } = this.#server;
      observer.event(`${entry.label}: server ready${pid === undefined ? "" : `, pid ${pid}`}`);
    } catch (error) {
      this.#startFailure = {
        reason: describeError(error),
        isImpossible: error instanceof TargetFailure && error.isImpossible,
        logTail: error instanceof TargetFailure ? error.logTail : "",
      };
      if (!signal.aborted) observer.event(`${entry.label}: ${this.#startFailure.reason}`);
    }
    observer.stepFinished(predictedMs, clock.nowMs() - beganMs);
    return this.#server;
  }

  /** How the server ended, if it did. */
  async #causeOfDeath(server: RunningTarget): Promise<string | undefined> {
    const { clock } = this.#request;
    const patience = new AbortController();
    const reason = await Promise.race([
      server.died,
      clock.sleepUntil(clock.nowMs() + deathNewsMs, patience.signal).then(() => undefined),
    ]);
    patience.abort();
    return reason;
  }

  /** A server on which a cell failed is not trusted with the next one. */
  async #abandon(server: RunningTarget, reason: string): Promise<void> {
    this.#request.observer.event(`${this.#block.entry.label}: ${reason}`);
    await server.stop();
    this.#server = undefined;
  }

  #without(
    status: "failed" | "skipped",
    cell: PlannedCell,
    reason: string,
    durationMs: number,
    logTail = "",
  ): CellResult {
    return {
      quantlab: {
        key: cell.key,
        status,
        reason,
        startedAt: new Date(this.#request.clock.wallMs() - durationMs).toISOString(),
        durationMs,
        validity: {
          valid: false,
          reasons: [`the cell ${status === "failed" ? "failed" : "was skipped"}`],
        },
        figures: {},
        ...(logTail === "" ? {} : { logTail }),
      },
    };
  }
}
