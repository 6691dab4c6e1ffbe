/** The library's public names: what `import ... from "quantlab"` gives. The command line uses the same. */
export { type ErrorCode, QuantlabError } from "./base/errors.ts";

// Checkpoints, formats, models.
export { openCheckpoint } from "./checkpoint/open.ts";
export { type ResolvedModel, resolveModel } from "./checkpoint/resolve.ts";
export type { TensorInfo, TensorSource } from "./checkpoint/tensor-source.ts";
export type { Format, FormatOptions, Matrix, Weight } from "./formats/format.ts";
export { formatByName, formats } from "./formats/registry.ts";
export { type LoadOptions, loadModel } from "./model/load.ts";
export type { Batch, Logits, Model } from "./model/model.ts";
export { loadChatTemplate, loadTokenizer } from "./text/load.ts";

// Serving.
export { Engine } from "./engine/engine.ts";
export type { EngineRequest, SamplingParams, TokenEvent } from "./engine/events.ts";
export { type EngineHost, startEngine } from "./engine/host.ts";
export { type EngineOptions, engineDefaults, loadEngine } from "./engine/load-engine.ts";
export { type AppOptions, createApp, listen, shutDown } from "./server/app.ts";
export { createModelCodec } from "./server/model-codec.ts";

// Measuring.
export { drawRequests } from "./load/draw.ts";
export { type LoadResult, runLoad } from "./load/generator.ts";
export { metricDefinitions } from "./metrics/definitions.ts";
export type { RequestRecord } from "./metrics/record.ts";
export { summarize } from "./metrics/summary.ts";

// Predicting.
export { devices } from "./roofline/devices.ts";
export { predictCrossover, predictDecodeStep, predictPrefillStep } from "./roofline/predict.ts";
export { modelTraffic } from "./roofline/traffic.ts";

// Runs, what follows from them, and the page.
export { analyzeRun, type Analysis } from "./analysis/analyze.ts";
export type { Finding, Quantity, Table } from "./analysis/finding.ts";
export { renderMarkdown } from "./report/markdown.ts";
export { writeReport } from "./report/write.ts";
export { referenceRuns } from "./results/reference.ts";
export type { CellResult, Machine, Manifest, Run } from "./results/run.ts";
export { loadRun } from "./results/store.ts";
