/** Every figure that a cell may hold (`CellResult.quantlab.figures`): its name, unit and meaning. */

export interface FigureDefinition {
  readonly title: string;
  /** As stored. */
  readonly unit: string;
  /** Whether a larger value is better; undefined for a plain fact. */
  readonly better: "higher" | "lower" | undefined;
}

const faster = (title: string, unit: string): FigureDefinition => ({
  title,
  unit,
  better: "higher",
});
const lower = (title: string, unit: string): FigureDefinition => ({ title, unit, better: "lower" });
const fact = (title: string, unit: string): FigureDefinition => ({
  title,
  unit,
  better: undefined,
});

export const figureDefinitions: Readonly<Record<string, FigureDefinition>> = {
  outputTokensPerSecond: faster("Output tokens per second", "tok/s"),
  totalTokensPerSecond: faster("Prompt and output tokens per second", "tok/s"),
  offlineTokensPerSecond: faster("Offline tokens per second, as published", "tok/s"),
  requestsPerSecond: faster("Requests per second", "req/s"),
  goodputRequestsPerSecond: faster("Requests per second within every limit", "req/s"),
  msPerTokenMedian: lower("Time per output token, median", "ms"),
  msPerTokenP90: lower("Time per output token, p90", "ms"),
  msPerTokenP99: lower("Time per output token, p99", "ms"),
  ttftMsMedian: lower("Time to first token (TTFT), median", "ms"),
  ttftMsP99: lower("Time to first token (TTFT), p99", "ms"),
  itlMsMedian: lower("Inter-token latency (ITL), median", "ms"),
  itlMsP99: lower("Inter-token latency (ITL), p99", "ms"),
  tpotMsMedian: lower("Time per output token (TPOT), median", "ms"),
  e2elMsMedian: lower("End-to-end latency (E2EL), median", "ms"),
  achievedBytesPerSecond: faster("Weights and cache read per second of decode", "B/s"),
  bytesPerToken: lower("Weights and cache read for one token", "B"),
  weightBytes: lower("Weights as loaded", "B"),
  bytesPerParameter: lower("Weight bytes per parameter", "B"),
  linearBitsPerWeight: lower("Bits per weight of the block linears", "bit"),
  kvBytesPerToken: lower("Cached keys and values of one token", "B"),
  residentBytes: lower("Resident memory of the server", "B"),
  peakResidentBytes: lower("Peak resident memory of the server", "B"),
  kvCacheBytes: fact("Key-value cache reserved", "B"),
  loadMs: lower("Time to load the model", "ms"),
  durationMs: fact("Duration of the cell", "ms"),
  clientLagMsP99: lower("Lateness of the load generator, p99", "ms"),
  completed: fact("Requests completed", "requests"),
  failed: lower("Requests failed", "requests"),
  iterations: fact("Iterations measured", "iterations"),
  tokens: fact("Tokens measured", "tokens"),
  gpuUsedBytes: fact("GPU memory in use, the server's reservation included", "B"),
  gpuMeanWatts: fact("GPU power, mean over the measured part", "W"),
  gpuJoulesPerOutputToken: lower("GPU energy per output token", "J"),
  gpuSmMhzMedian: fact("GPU clock (SM), median", "MHz"),
  gpuSmMhzLowest: fact("GPU clock (SM), lowest", "MHz"),
  gpuCelsiusPeak: fact("GPU temperature, highest", "°C"),
  kvCacheTokens: fact("Tokens that the key-value cache holds", "tokens"),
  accuracy: faster("Exact match", "share"),
  accuracyStrict: faster("Exact match, strict filter", "share"),
  accuracyStandardError: fact("Standard error of the exact match", "share"),
  questions: fact("Questions asked", "questions"),
  answersCutOff: lower("Answers cut off at the token limit", "answers"),
  perplexity: lower("Perplexity", ""),
  perplexityRatio: lower("Perplexity over the reference's", ""),
  klMeanNats: lower("KL divergence from the reference, mean", "nat"),
  klMedianNats: lower("KL divergence from the reference, median", "nat"),
  klP99Nats: lower("KL divergence from the reference, p99", "nat"),
  klMaxNats: lower("KL divergence from the reference, largest", "nat"),
  topAgreement: faster("Same most likely token as the reference", "share"),
  probabilityChange: faster("Change of the right token's probability", "share"),
};
