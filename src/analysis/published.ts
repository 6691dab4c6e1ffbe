/** What is wrong or missing in a published run, each with the numbers that show it. */
import type { Run } from "../results/run.ts";
import { deviceByName } from "../roofline/devices.ts";
import { predictDecodeStep } from "../roofline/predict.ts";
import { evidenceOf, type FigurePlace, figureOf, rowsOf } from "./cells.ts";
import { type Finding, manifestPath } from "./finding.ts";
import { asRatio, asText } from "./wording.ts";

const serving = (figure: string): FigurePlace => ({
  experiment: "serving",
  setting: "rate-4",
  figure,
});
const latency: FigurePlace = {
  experiment: "latency",
  setting: "batch-1",
  figure: "msPerTokenMedian",
};

/** Nothing for a run of our own. */
export function publishedFindings(run: Run): Finding[] {
  if (run.manifest.published === undefined) return [];
  return [
    ...forcedKernel(run),
    ...roundSizes(run),
    ...flopClaim(run),
    ...derivedLatencies(run),
    ...offeredLoad(run),
    ...missingParts(run),
  ];
}

function finding(
  id: string,
  claim: string,
  verdict: Finding["verdict"],
  evidence: string[],
): Finding {
  return { id: `published/${id}`, claim, verdict, numbers: {}, evidence };
}

/** Fast alone and slow under load: the mark of the plain AWQ kernel that the flag forces. */
function forcedKernel(run: Run): Finding[] {
  const [reference] = rowsOf(run);
  return rowsOf(run).flatMap((label) => {
    const model = run.manifest.traffic?.[label];
    const itl = figureOf(run, label, serving("itlMsMedian"));
    const base = figureOf(run, reference ?? "", serving("itlMsMedian"));
    const alone = figureOf(run, label, latency);
    const device = run.manifest.published?.device;
    if (!model || !itl || !base || !alone || !device || !label.endsWith("-plain")) return [];
    const floor = predictDecodeStep(model, deviceByName(device), 1, 0).ms;
    const claim = `${label} takes ${asText(alone.value)} ms a token alone and ${asText(itl.value)} ms under load, ${asText(itl.value / base.value)} times ${reference}: ${asText(itl.value / floor)} times the ${asText(floor)} ms that its bytes need. The likely cause is the plain kernel, which --quantization awq forces and which unpacks the weights again for every 16 rows; the format itself was not tested. The default Marlin kernel must be measured beside it.`;
    const evidence = [label, reference ?? ""].flatMap((row) =>
      evidenceOf(run, row, serving("itlMsMedian")),
    );
    return [finding(`forced-kernel/${label}`, claim, "no", evidence)];
  });
}

/** "16, 8, 4 GB" are bits times parameters; embeddings and head stay 16-bit, and scales take room. */
function roundSizes(run: Run): Finding[] {
  const place = { experiment: "memory", setting: "loaded", figure: "weightBytes" };
  const wrong = rowsOf(run).flatMap((label) => {
    const stated = figureOf(run, label, place)?.value;
    const exact = run.manifest.traffic?.[label]?.weights.totalBytes;
    return stated === undefined || exact === undefined || Math.abs(stated / exact - 1) < 0.05
      ? []
      : [{ label, text: `${label} ${asText(exact / 1e9)} GB instead of ${asText(stated / 1e9)}` }];
  });
  if (wrong.length === 0) return [];
  const exactOf = (label: string) => run.manifest.traffic?.[label]?.weights.totalBytes ?? 0;
  const [first] = rowsOf(run);
  const least = Math.min(...wrong.map(({ label }) => exactOf(label)));
  const smaller = `"4-bit is four times smaller" is wrong for this model: it is ${asText(exactOf(first ?? "") / least)} times.`;
  const claim = `The published weight sizes are round figures. As stored, with a 16-bit head and embeddings and with scales: ${wrong.map(({ text }) => text).join(", ")}. ${smaller}`;
  const evidence = wrong.flatMap(({ label }) => evidenceOf(run, label, place));
  return [finding("weight-sizes", claim, "no", evidence)];
}

/** The source compares a sparse FP8 peak with a dense BF16 one. */
function flopClaim(run: Run): Finding[] {
  const device = deviceByName(run.manifest.published?.device ?? "");
  const { bf16, fp8 } = device.flopsPerSecond;
  if (fp8 === undefined || !rowsOf(run).includes("fp8")) return [];
  const claim = `"FP8 has four times the FLOPs of BF16" is wrong: 3958 TFLOP/s is the figure with 2:4 sparsity. Dense against dense the ${device.title} has ${asText(fp8 / 1e12)} and ${asText(bf16 / 1e12)} TFLOP/s, ${asText(fp8 / bf16)} to 1.`;
  return [finding("flop-ratio", claim, "no", [manifestPath])];
}

/** TTFT that is a fixed multiple of ITL in every row was not measured on a stream. */
function derivedLatencies(run: Run): Finding[] {
  const rows = rowsOf(run).flatMap((label) => {
    const ttft = figureOf(run, label, serving("ttftMsMedian"));
    const itl = figureOf(run, label, serving("itlMsMedian"));
    return ttft === undefined || itl === undefined
      ? []
      : [{ label, ratio: ttft.value / itl.value }];
  });
  const ratios = rows.map(({ ratio }) => ratio);
  if (ratios.length < 2 || Math.max(...ratios) / Math.min(...ratios) > 1.005) return [];
  const claim = `TTFT is ${ratios.map(asText).join(", ")} times ITL in ${rows.map(({ label }) => label).join(", ")}: the same factor, the number of output tokens. Both figures look derived from one end-to-end latency of a response that was not streamed, so neither says when the first token came.`;
  const evidence = rows.flatMap(({ label }) => evidenceOf(run, label, serving("ttftMsMedian")));
  return [finding("ttft-from-itl", claim, "no", evidence)];
}

/** At a fixed rate the output rate is what was asked for, not what a format can do. */
function offeredLoad(run: Run): Finding[] {
  const place = serving("outputTokensPerSecond");
  const found = rowsOf(run).flatMap((label) => figureOf(run, label, place) ?? []);
  const [low, high] = [
    Math.min(...found.map((x) => x.value)),
    Math.max(...found.map((x) => x.value)),
  ];
  if (found.length < 2) return [];
  const claim = `Serving output at 4 req/s differs by ${asRatio({ value: high / low, n: 1, low: undefined, high: undefined })} between the rows: below saturation it follows the offered load (4 req/s of 128 tokens are 512 tok/s), so it does not rank the formats.`;
  const evidence = rowsOf(run).flatMap((label) => evidenceOf(run, label, place));
  return [finding("offered-load", claim, "info", evidence)];
}

function missingParts(run: Run): Finding[] {
  return (run.manifest.published?.notes ?? []).map((note, index) =>
    finding(`note/${index + 1}`, note, "info", []),
  );
}
