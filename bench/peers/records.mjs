// Results as JSON lines: each is on disk as soon as it is measured, and a later call goes on from them.
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { dirname } from "node:path";

export function readRecords(file) {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return line === "" ? [] : [JSON.parse(line)];
      } catch {
        // A line cut by a killed run: that visit is measured again.
        return [];
      }
    });
}

export function appendRecords(file, records) {
  mkdirSync(dirname(file), { recursive: true });
  appendFileSync(file, records.map((record) => `${JSON.stringify(record)}\n`).join(""));
}

/** What one visit is known by. */
export const visitKey = ({ peer, format, setting, group, repeat }) =>
  [peer, format, setting, group, repeat].join("|");

/**
 * Visits still to be made: of those planned, the ones without results, less those of a contender that
 * failed at this group before (with `retry` it gets another chance; what lacked a file always does).
 * One that refused a single cell has measured the others, and goes on.
 */
export function remaining(plan, records, retry) {
  const done = new Set(records.filter(({ kind }) => kind === "cell").map(visitKey));
  const failed = new Set(
    records
      .filter(({ kind, missing, cell }) => kind === "failure" && !missing && cell === undefined)
      .map((r) => visitKey({ ...r, repeat: "" })),
  );
  return plan.filter(
    (visit) =>
      !done.has(visitKey(visit)) && (retry || !failed.has(visitKey({ ...visit, repeat: "" }))),
  );
}
