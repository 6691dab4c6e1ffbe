/** The conditions under which another row would be the answer: load, batch, memory, accuracy, device. */
import { referenceRuns } from "../results/reference.ts";
import type { Run } from "../results/run.ts";
import { deviceByName } from "../roofline/devices.ts";
import { efficiencyOf, forecast } from "../roofline/forecast.ts";
import { predictDecodeStep } from "../roofline/predict.ts";
import type { ModelTraffic } from "../roofline/traffic.ts";
import {
  ceilingsOf,
  evidenceOf,
  figureOf,
  lengthsOf,
  rowsOf,
  settingNumber,
  settingsOf,
} from "./cells.ts";
import { crossoverText } from "./crossover-text.ts";
import { crossoverEvidence, type RowCrossover } from "./crossovers.ts";
import { manifestPath, type Statement } from "./finding.ts";
import { engineOfRun, engineOfRuns } from "./fit.ts";
import { advantage, type Ranked } from "./objectives.ts";
import { asRatio, asText } from "./wording.ts";

export function flipsOf(
  run: Run,
  first: string,
  second: string,
  ranked: readonly Ranked[],
  crossovers: readonly RowCrossover[],
): Statement[] {
  return [
    ...trafficFlips(run, first, ranked),
    ...crossoverFlips(run, first, crossovers),
    ...contextFlip(run, first, second),
    ...memoryFlip(run, first),
    ...accuracyFlip(run, first, second),
    ...deviceFlip(run, first),
  ];
}

/** A mix that is all of one kind, where another row is clearly best at that. */
function trafficFlips(run: Run, first: string, ranked: readonly Ranked[]): Statement[] {
  return ranked
    .filter(
      ({ objective, best, clear }) => objective.traffic !== undefined && best !== first && clear,
    )
    .map(({ objective, best }) => {
      const ratio = advantage(run, best, first, objective);
      return {
        text: `Load: if ${objective.title} is all that counts, ${best} is ${asRatio(ratio)} better.`,
        evidence: [best, first].flatMap((label) => evidenceOf(run, label, objective.place)),
      };
    });
}

function crossoverFlips(run: Run, first: string, crossovers: readonly RowCrossover[]): Statement[] {
  return crossovers
    .filter(
      ({ metric, label, reference }) =>
        metric === "throughput" && [label, reference].includes(first),
    )
    .flatMap((crossover) => {
      const { measured, label, reference } = crossover;
      if (measured === undefined || measured.kind === "none") return [];
      return [
        {
          text: `Batch size: ${label} and ${reference} change places at batch ${crossoverText(crossover)}.`,
          evidence: crossoverEvidence(run, crossover),
        },
      ];
    });
}

/** Contexts beyond this are not asked about. */
const longestContext = 131_072;

/** Keys and values cost every row alike: where that turns the order, or halves the lead. */
function contextFlip(run: Run, first: string, second: string): Statement[] {
  const engine = engineOfRun(run);
  const ceilings = ceilingsOf(run);
  const lengths = lengthsOf(run, "throughput") ?? lengthsOf(run, "latency");
  const [own, other] = [run.manifest.traffic?.[first], run.manifest.traffic?.[second]];
  if (!engine || !ceilings || !lengths || !own || !other) return [];
  const leadAt = (batch: number, context: number) => {
    const ms = (model: ModelTraffic, row: string) =>
      predictDecodeStep(model, ceilings, batch, context, efficiencyOf(engine, row)).ms;
    return ms(other, second) / ms(own, first);
  };
  const start = lengths.inputLen + lengths.outputLen;
  const measured = settingsOf(run, "throughput").map(settingNumber).filter(Number.isInteger);
  // Without a lead there is none to lose.
  const batch = [1, ...measured].findLast((size) => leadAt(size, start) > 1);
  if (batch === undefined) return [];
  const lead = (context: number) => leadAt(batch, context);
  const now = lead(start);
  const tried: number[] = [];
  for (let at = 2 * start; at <= longestContext; at *= 2) tried.push(at);
  const turned = tried.find((context) => lead(context) < 1);
  const halved = tried.find((context) => lead(context) - 1 < (now - 1) / 2);
  const where = `at batch ${batch}`;
  const evidence = [
    ...evidenceOf(run, first, batchPlace(batch)),
    ...evidenceOf(run, second, batchPlace(batch)),
    manifestPath,
  ];
  if (turned !== undefined) {
    const text = `Context length: by the fitted roofline ${second} decodes faster than ${first} ${where} from about ${asText(turned)} tokens a sequence on.`;
    return [{ text, evidence }];
  }
  if (halved === undefined) return [];
  const text = `Context length: by the fitted roofline ${first} decodes ${asText(now)}x as fast as ${second} ${where} with ${asText(start)} tokens a sequence, but ${asText(lead(halved))}x with ${asText(halved)}, as keys and values cost both alike.`;
  return [{ text, evidence }];
}

const batchPlace = (batch: number) => ({
  experiment: "throughput",
  setting: `batch-${batch}`,
  figure: "msPerTokenMedian",
});

function memoryFlip(run: Run, first: string): Statement[] {
  const place = { experiment: "memory", setting: "loaded", figure: "weightBytes" };
  const sizes = rowsOf(run).flatMap((label) => {
    const bytes = figureOf(run, label, place)?.value;
    return bytes === undefined ? [] : [{ label, bytes }];
  });
  const own = sizes.find(({ label }) => label === first);
  const smallest = sizes.toSorted((a, b) => a.bytes - b.bytes)[0];
  if (own === undefined || smallest === undefined || smallest.label === first) return [];
  return [
    {
      text: `Memory: with room for less than ${asText(own.bytes / 1e9)} GB of weights, ${smallest.label} (${asText(smallest.bytes / 1e9)} GB) is what fits; a longer context fits it sooner too.`,
      evidence: [first, smallest.label].flatMap((label) => evidenceOf(run, label, place)),
    },
  ];
}

function accuracyFlip(run: Run, first: string, second: string): Statement[] {
  const [reference] = rowsOf(run);
  if (first === reference) return [];
  const place = { experiment: "accuracy", setting: "gsm8k", figure: "accuracy" };
  const of = (label: string) => figureOf(run, label, place)?.value;
  const [base, own] = [of(reference ?? ""), of(first)];
  if (base === undefined || own === undefined) {
    return [
      {
        text: `Accuracy: it was not measured here; a loss beyond what you accept rules ${first} out.`,
        evidence: [],
      },
    ];
  }
  const loss = 100 * (base - own);
  if (loss <= 0) return [];
  const next = second === reference ? second : `${second} or ${reference}`;
  return [
    {
      text: `Accuracy: if a loss of ${asText(loss)} points of GSM8K is too much, ${next}.`,
      evidence: [first, reference ?? ""].flatMap((label) => evidenceOf(run, label, place)),
    },
  ];
}

/** Where a datacentre's GPU would answer otherwise than this machine, by the roofline. */
const elsewhere = ["h100-sxm", "a100-sxm", "l40s"] as const;

function deviceFlip(run: Run, first: string): Statement[] {
  const engine = engineOfRuns(referenceRuns, "published");
  const lengths = lengthsOf(run, "throughput") ?? lengthsOf(run, "latency");
  const models = rowsOf(run).flatMap((label) => {
    const model = run.manifest.traffic?.[label];
    return model === undefined ? [] : [{ ...model, format: label }];
  });
  if (run.manifest.published !== undefined || !engine || !lengths || models.length < 2) return [];
  const others = elsewhere.flatMap((name) => {
    const device = deviceByName(name);
    const { rows } = forecast({
      models,
      device,
      engine,
      ...lengths,
      batches: [64],
      memoryUtilization: 0.9,
    });
    const speed = (row: (typeof rows)[number]) => row.cells[0]?.outputTokensPerSecond ?? 0;
    const best = rows.toSorted((a, b) => speed(b) - speed(a))[0];
    return best === undefined || best.format === first ? [] : [`${best.format} on ${device.title}`];
  });
  return others.length === 0
    ? []
    : [
        {
          text: `Device: by the roofline, at batch 64 the most tokens come from ${others.join(", ")}.`,
          evidence: [manifestPath],
        },
      ];
}
