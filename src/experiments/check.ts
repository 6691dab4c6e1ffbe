/** One line of the preflight. */
export interface Check {
  readonly name: string;
  /** "skip" names a part of the lab that will not run; "fail" refuses the whole. */
  readonly status: "pass" | "warn" | "skip" | "fail";
  /** What was found. */
  readonly detail: string;
  /** What to do about it. */
  readonly hint?: string | undefined;
}
