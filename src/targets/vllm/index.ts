/** The vLLM target: one `vllm serve` for each format, watched from its first line to its last process. */
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeError, QuantlabError } from "../../base/errors.ts";
import { gpuUsage } from "../gpu-usage.ts";
import { findFreePort } from "../free-port.ts";
import { type Gpu, GpuSampler, readGpus } from "../nvidia-smi.ts";
import { peakResidentBytes, residentBytes } from "../process-session.ts";
import { defaultLedgerFolder, sweepStaleServers } from "../server-ledger.ts";
import {
  type DeviceSampling,
  type RunningTarget,
  type Target,
  TargetFailure,
  type TargetRequest,
} from "../target.ts";
import { type Diagnosis, diagnose } from "./diagnose.ts";
import { vllmFacts } from "./facts.ts";
import {
  defaultStartTimeoutSeconds,
  launchArguments,
  launchEnvironment,
  type LaunchInput,
  vllmCommand,
} from "./launch.ts";
import { readVllmMetrics } from "./metrics.ts";
import { modelFiles } from "./model-files.ts";
import { probeVersion } from "./probe.ts";
import { waitUntilServing } from "./readiness.ts";
import { VllmServer } from "./server.ts";
import { warmUp } from "./warm-up.ts";

export interface VllmTargetOptions {
  readonly ledgerFolder?: string | undefined;
}

type OnProgress = (message: string) => void;

/** What stays the same over the attempts of one start. */
interface Prepared {
  readonly request: TargetRequest;
  readonly command: readonly string[];
  readonly launch: Omit<LaunchInput, "port">;
  readonly gpus: readonly Gpu[];
  readonly ledgerFolder: string;
  readonly folder: string;
}

/** A start that failed for a reason that may pass is tried again this often. */
const retries: Readonly<Record<string, number>> = { automatic: 3, once: 1 };

export function vllmTarget(targetOptions: VllmTargetOptions = {}): Target {
  const ledgerFolder = targetOptions.ledgerFolder ?? defaultLedgerFolder();
  return {
    name: "vllm",
    async start(request, onProgress, signal) {
      for (const line of await sweepStaleServers(ledgerFolder)) onProgress(line);
      const prepared = await prepare(request, ledgerFolder);
      for (let attempt = 0; ; attempt++) {
        const outcome = await startOnce(prepared, attempt, onProgress, signal);
        if (!("diagnosis" in outcome)) return outcome;
        const { diagnosis, logTail } = outcome;
        if (signal.aborted) throw interrupted();
        if (attempt >= (retries[diagnosis.retry] ?? 0)) throw failureOf(diagnosis, logTail);
        onProgress(`${diagnosis.message}; trying again`);
        for (const line of await sweepStaleServers(ledgerFolder)) onProgress(line);
      }
    },
  };
}

function interrupted(): QuantlabError {
  return new QuantlabError("interrupted", "interrupted while a server started");
}

async function prepare(request: TargetRequest, ledgerFolder: string): Promise<Prepared> {
  const options = request.vllm ?? {};
  const command = vllmCommand(options);
  const version = await probeVersion(command, { ...process.env, ...options.env });
  const gpus = version?.isCpuBuild === true ? [] : ((await readGpus()) ?? []);
  const folder = request.logFolder ?? mkdtempSync(join(tmpdir(), "quantlab-vllm-"));
  const model = modelFiles(request.model, request.format, join(folder, "models"));
  const servedName = request.label ?? request.format;
  const isCpu = version?.isCpuBuild ?? false;
  const launch = { request, options, model, version, isCpu, servedName };
  // Refusals that need no server come before any time is spent.
  launchArguments({ ...launch, port: 0 });
  return { request, command, launch, gpus, ledgerFolder, folder };
}

interface Failed {
  readonly diagnosis: Diagnosis;
  readonly logTail: string;
}

async function startOnce(
  prepared: Prepared,
  attempt: number,
  onProgress: OnProgress,
  signal: AbortSignal,
): Promise<RunningTarget | Failed> {
  const launch = { ...prepared.launch, port: await findFreePort() };
  const argv = [...prepared.command, ...launchArguments(launch)];
  const environment = launchEnvironment(launch);
  const beganMs = performance.now();
  const server = new VllmServer({
    command: argv,
    env: { ...process.env, ...environment },
    logPath: logPathOf(prepared, attempt),
    ledgerFolder: prepared.ledgerFolder,
    what: `vllm serve for ${launch.servedName}`,
  });
  const baseUrl = `http://127.0.0.1:${launch.port}`;
  try {
    const limitSeconds = launch.options.startTimeoutSeconds ?? defaultStartTimeoutSeconds;
    await waitUntilServing(server, baseUrl, limitSeconds * 1e3, onProgress, signal);
    onProgress("warming up");
    await warmUp(baseUrl, launch.servedName);
    const startMs = performance.now() - beganMs;
    return running({ prepared, launch, argv, environment, server, baseUrl, startMs });
  } catch (error) {
    await server.stop();
    if (signal.aborted) throw interrupted();
    const logTail = server.log.tail();
    if (server.startError !== undefined) throw notStarted(argv, server.startError);
    if (server.endedBeforeStop) {
      return { diagnosis: diagnose(server.log.text(), server.endedBeforeStop), logTail };
    }
    throw failureOf(hung(error), logTail);
  }
}

/** Attempts keep their logs beside each other. */
function logPathOf({ folder, launch }: Prepared, attempt: number): string {
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+Z/g, "");
  return join(folder, `${launch.servedName}-${stamp}-${attempt}.log`);
}

function notStarted(argv: readonly string[], cause: Error): QuantlabError {
  return new QuantlabError("target-failed", `"${argv[0]}" could not be started: ${cause.message}`, {
    hint: "name the program with --vllm-command, QUANTLAB_VLLM, or vllm.command in lab.yaml",
    cause,
  });
}

function hung(error: unknown): Diagnosis {
  return {
    id: "hung",
    message: describeError(error),
    advice:
      "see its log in the run's folder; raise vllm.startTimeoutSeconds if it was still loading",
    retry: "no",
    evidence: undefined,
  };
}

function failureOf(diagnosis: Diagnosis, logTail: string): TargetFailure {
  return new TargetFailure(diagnosis.message, {
    id: diagnosis.id,
    hint: diagnosis.advice,
    isImpossible: diagnosis.retry === "never",
    logTail,
  });
}

interface Started {
  readonly prepared: Prepared;
  readonly launch: LaunchInput;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly server: VllmServer;
  readonly baseUrl: string;
  readonly startMs: number;
}

function running(started: Started): RunningTarget {
  const { server, baseUrl, launch, prepared } = started;
  const { gpus } = prepared;
  return {
    baseUrl,
    modelName: launch.servedName,
    pid: server.pid,
    died: server.ended.then((end) => {
      const { message, advice } = diagnose(server.log.text(), end);
      return `vLLM ended while serving: ${message}\n  hint: ${advice}`;
    }),
    facts: async () => {
      const members = server.members();
      return vllmFacts({
        log: server.log.text(),
        version: launch.version,
        isCpu: launch.isCpu,
        gpus,
        model: launch.model,
        kernel: launch.request.kernel,
        command: started.argv,
        environment: started.environment,
        logFile: server.log.path,
        startMs: started.startMs,
        metrics: await readVllmMetrics(baseUrl),
        residentBytes: residentBytes(members),
        peakResidentBytes: peakResidentBytes(members),
      });
    },
    logTail: () => server.log.tail(),
    ...(gpus.length === 0 ? {} : { sampleDevice: () => sampling(gpus) }),
    stop: () => server.stop(),
  };
}

function sampling(gpus: readonly Gpu[]): DeviceSampling {
  const sampler = new GpuSampler(gpus);
  return {
    samples: sampler.samples,
    stop: () => sampler.stop(),
    usage: (fromWallMs, toWallMs) => gpuUsage(sampler.samples, fromWallMs, toWallMs),
  };
}
