/** Turns the scheduled sequences into one batch of the model and runs it. */
import type { Batch, BatchSequence, Logits, Model } from "../model/model.ts";
import type { ScheduledSequence } from "./scheduler.ts";
import type { Sequence } from "./sequence.ts";

export interface RunnerResult {
  readonly logits: Logits;
  /** The sequence of each row of `logits`: those whose last token was in this step. */
  readonly sampling: readonly Sequence[];
}

/** Runs one step and counts its tokens as computed. */
export function runBatch(
  model: Model,
  scheduled: readonly ScheduledSequence[],
  blockSize: number,
): RunnerResult {
  const logits = model.forward(toBatch(scheduled, blockSize));
  const sampling: Sequence[] = [];
  for (const { sequence, rows } of scheduled) {
    sequence.computed += rows;
    if (sequence.remaining === 0) sampling.push(sequence);
  }
  return { logits, sampling };
}

/** Rows of all sequences one after another, in the order given. */
export function toBatch(scheduled: readonly ScheduledSequence[], blockSize: number): Batch {
  const rows = scheduled.reduce((sum, { rows }) => sum + rows, 0);
  const tokenIds = new Int32Array(rows);
  const positions = new Int32Array(rows);
  const slots = new Int32Array(rows);
  const sequences: BatchSequence[] = [];
  const logitRows: number[] = [];
  let row = 0;
  for (const { sequence, rows } of scheduled) {
    const firstRow = row;
    const contextLength = sequence.computed + rows;
    for (let position = sequence.computed; position < contextLength; position++, row++) {
      tokenIds[row] = sequence.tokenIds[position] ?? -1;
      positions[row] = position;
      const block = sequence.blockTable[Math.floor(position / blockSize)] ?? -1;
      slots[row] = block * blockSize + (position % blockSize);
    }
    sequences.push({ firstRow, rows, contextLength, blockTable: sequence.blockTable });
    if (contextLength === sequence.length) logitRows.push(row - 1);
  }
  return { tokenIds, positions, slots, sequences, logitRows: Int32Array.from(logitRows) };
}
