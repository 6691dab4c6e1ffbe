/** docs/metrics.md, written from the definitions. */
import { type MetricDefinition, metricDefinitions, type NamesElsewhere } from "./definitions.ts";

const tools: readonly [keyof NamesElsewhere, string][] = [
  ["vllm", "vLLM"],
  ["sglang", "SGLang"],
  ["guidellm", "GuideLLM"],
  ["aiperf", "AIPerf"],
  ["inferencePerf", "inference-perf"],
];

const intro = `# Metrics

<!-- Generated from src/metrics/definitions.ts by scripts/metrics-docs.mjs; edit there. -->

Every figure comes from raw records, one per request, kept as JSONL: when the request was intended,
sent, answered, when each output event arrived, when the stream ended. Times are taken in the socket's
data callback, before anything is parsed, on a monotonic clock that is zero at the start of the cell.

- Latencies are of successful requests only; failures are counted and named.
- Percentiles interpolate linearly between order statistics (type 7, as \`numpy.percentile\`); the
  standard deviation is of the population (\`ddof=0\`), as in vLLM.
- \`result.json\` has the keys of \`vllm bench serve\`; a key without a measured value is left out.
`;

const weights = {
  requests: "each request weighs the same",
  gaps: "each gap weighs the same",
  cell: "one value per cell",
} as const;

/** The whole page as Markdown. */
export function renderMetricsPage(): string {
  return [intro, ...metricDefinitions.map(renderMetric), renderNameMap()].join("\n");
}

function renderMetric(metric: MetricDefinition): string {
  return `## ${metric.name}

\`${metric.id}\`, ${metric.unit}; ${weights[metric.over]}.

    ${metric.formula}

${metric.note} Source: ${metric.source}.
`;
}

function renderNameMap(): string {
  const header = ["quantlab", ...tools.map(([, title]) => title)];
  const rows = metricDefinitions.map((metric) => [
    `\`${metric.id}\``,
    ...tools.map(([tool]) => metric.elsewhere[tool] ?? "-"),
  ]);
  const lines = [header, header.map(() => "---"), ...rows].map((row) => `| ${row.join(" | ")} |`);
  return `## The same quantity in other tools\n\n${lines.join("\n")}\n`;
}
