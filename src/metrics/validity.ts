/** Gates that a cell's records must pass before its figures may be used. */
import { type GateResult, gates, type ValidityContext } from "./gates.ts";
import type { RequestRecord } from "./record.ts";

export type { ValidityContext } from "./gates.ts";

export interface NamedGateResult extends GateResult {
  readonly name: string;
}

export interface Validity {
  readonly valid: boolean;
  /** One sentence for each gate that failed, with the numbers. */
  readonly reasons: string[];
  /** What every gate found, passed or not. */
  readonly gates: NamedGateResult[];
}

/** Applies every gate; a cell is valid when none fails. */
export function assessValidity(
  records: readonly RequestRecord[],
  context: ValidityContext,
): Validity {
  const results = gates.map(({ name, judge }) => ({ name, ...judge(records, context) }));
  const reasons = results.filter(({ verdict }) => verdict === "failed").map(({ text }) => text);
  return { valid: reasons.length === 0, reasons, gates: results };
}

/** Lines for people: what failed, what is worth a note, what nobody could look at. */
export function describeValidity({ valid, gates: results }: Validity): string[] {
  const words = { failed: "not valid", note: "note", unknown: "not checked", passed: "passed" };
  const shown = results.filter(({ verdict }) => verdict !== "passed");
  const count = results.length - shown.length;
  return [
    `${valid ? "valid" : "NOT VALID"}: ${count} of ${results.length} gates passed`,
    ...shown.map(({ name, verdict, text }) => `  ${words[verdict]}: ${name}: ${text}`),
  ];
}
