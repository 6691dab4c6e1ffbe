/** What a run found about answers: scored questions of each row, and divergence from the first row. */
import { z } from "zod";
import { type CellResult, cellPath, type Run } from "../results/run.ts";
import type { ScoredRow } from "./accuracy-comparison.ts";
import { rowsOf } from "./cells.ts";

const intervalSchema = z.object({
  value: z.number(),
  n: z.number(),
  low: z.number().optional(),
  high: z.number().optional(),
});

/** What experiments/accuracy.ts stores beside the figures. */
const accuracySchema = z.object({
  task: z.string(),
  model: z.string(),
  taskHash: z.string(),
  numFewshot: z.number(),
  filter: z.string(),
  /** One character a question, by filter. */
  scores: z.record(z.string(), z.string().regex(/^[01]+$/)),
});

const divergenceSchema = z.object({
  tokens: z.number(),
  windows: z.number(),
  perplexity: intervalSchema,
  perplexityRatio: intervalSchema,
  klMean: intervalSchema,
  klByWindow: z.array(z.number()),
  klMedian: intervalSchema,
  klP99: intervalSchema,
  klMax: z.number(),
  topAgreement: intervalSchema,
  probabilityChange: intervalSchema,
});

const servedSchema = z.object({ format: z.string(), isReadyCheckpoint: z.boolean() });

export interface RowAnswers extends ScoredRow {
  /** Rows are compared only when they answered the same prompts. */
  readonly taskHash: string;
  readonly model: string;
  readonly numFewshot: number;
  readonly filter: string;
  readonly evidence: readonly string[];
}

export interface RowDivergence {
  readonly label: string;
  readonly format: string;
  /** Whether it was quantized before it was loaded, and not rounded while loading. */
  readonly isReadyCheckpoint: boolean;
  readonly figures: z.infer<typeof divergenceSchema>;
  readonly evidence: readonly string[];
}

function doneCells(run: Run, experiment: string): CellResult[] {
  const found = run.results.filter(
    ({ quantlab: { key, status } }) => key.experiment === experiment && status === "done",
  );
  const order = rowsOf(run);
  return found.sort(
    (a, b) => order.indexOf(a.quantlab.key.format) - order.indexOf(b.quantlab.key.format),
  );
}

/** Rows with scored answers, in the order of rows. */
export function rowAnswers(run: Run): RowAnswers[] {
  return doneCells(run, "accuracy").flatMap(({ quantlab }) => {
    const parsed = accuracySchema.safeParse(quantlab.accuracy);
    if (!parsed.success) return [];
    const { scores, filter, ...rest } = parsed.data;
    const own = scores[filter];
    if (own === undefined) return [];
    const row = { label: quantlab.key.format, scores: [...own].map(Number) };
    return [{ ...rest, filter, ...row, evidence: [cellPath(quantlab.key)] }];
  });
}

/** Rows with a comparison of distributions, in the order of rows. */
export function divergencesOf(run: Run): RowDivergence[] {
  return doneCells(run, "divergence").flatMap(({ quantlab }) => {
    const parsed = divergenceSchema.safeParse(quantlab.divergence);
    if (!parsed.success) return [];
    const served = servedSchema.safeParse(quantlab.served);
    const label = quantlab.key.format;
    return [
      {
        label,
        ...(served.data ?? { format: label, isReadyCheckpoint: false }),
        figures: parsed.data,
        evidence: [cellPath(quantlab.key)],
      },
    ];
  });
}

/** Pairs of a quantized checkpoint and the same format rounded to nearest. */
export function calibrationPairs(
  run: Run,
): { readonly calibrated: RowDivergence; readonly rounded: RowDivergence }[] {
  const rows = divergencesOf(run);
  return rows
    .filter(({ isReadyCheckpoint }) => isReadyCheckpoint)
    .flatMap((calibrated) => {
      const rounded = rows.find(
        ({ format, isReadyCheckpoint, figures }) =>
          format === calibrated.format &&
          !isReadyCheckpoint &&
          figures.tokens === calibrated.figures.tokens,
      );
      return rounded === undefined ? [] : [{ calibrated, rounded }];
    });
}

/** The first row's answers, which the others are held against. */
export function referenceAnswers(run: Run): RowAnswers | undefined {
  const [first] = rowsOf(run);
  return rowAnswers(run).find(({ label }) => label === first);
}
