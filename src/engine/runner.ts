/** Turns the scheduled sequences into one batch of the model and runs it. */
import type { Batch, BatchSequence, Logits, Model } from "../model/model.ts";
import type { ScheduledSequence } from "./scheduler.ts";
import type { Sequence } from "./sequence.ts";

/** What a row of logits is for: the token after `position`, to be drawn or, in the prompt, known. */
export interface LogitRow {
  readonly sequence: Sequence;
  readonly position: number;
}

export interface RunnerResult {
  readonly logits: Logits;
  /** One for each row of `logits`. */
  readonly rows: readonly LogitRow[];
}

/** Runs one step and counts its tokens as computed. */
export function runBatch(
  model: Model,
  scheduled: readonly ScheduledSequence[],
  blockSize: number,
): RunnerResult {
  const { batch, logitRows } = toBatch(scheduled, blockSize);
  const logits = model.forward(batch);
  for (const { sequence, rows } of scheduled) sequence.computed += rows;
  return { logits, rows: logitRows };
}

/** Rows of all sequences one after another, in the order given. */
export function toBatch(
  scheduled: readonly ScheduledSequence[],
  blockSize: number,
): { readonly batch: Batch; readonly logitRows: readonly LogitRow[] } {
  const rows = scheduled.reduce((sum, { rows }) => sum + rows, 0);
  const tokenIds = new Int32Array(rows);
  const positions = new Int32Array(rows);
  const slots = new Int32Array(rows);
  const sequences: BatchSequence[] = [];
  const wanted: number[] = [];
  const logitRows: LogitRow[] = [];
  let row = 0;
  for (const { sequence, rows } of scheduled) {
    const firstRow = row;
    const contextLength = sequence.computed + rows;
    for (let position = sequence.computed; position < contextLength; position++, row++) {
      tokenIds[row] = sequence.tokenIds[position] ?? -1;
      positions[row] = position;
      const block = sequence.blockTable[Math.floor(position / blockSize)] ?? -1;
      slots[row] = block * blockSize + (position % blockSize);
      const isLast = position === sequence.length - 1;
      if (!isLast && !sequence.wantsPromptLogprobs(position)) continue;
      wanted.push(row);
      logitRows.push({ sequence, position });
    }
    sequences.push({ firstRow, rows, contextLength, blockTable: sequence.blockTable });
  }
  const batch = { tokenIds, positions, slots, sequences, logitRows: Int32Array.from(wanted) };
  return { batch, logitRows };
}
