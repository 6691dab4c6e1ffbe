/** vLLM's versions: found in whatever prints them, compared, and matched against ranges of our data. */

export interface VllmVersion {
  /** As printed: "0.30.0", "0.32.0+cpu", "0.13.0rc2.dev211+gd4d275173". */
  readonly text: string;
  readonly parts: readonly [major: number, minor: number, patch: number];
  /** The build for CPUs says so behind the plus. */
  readonly isCpuBuild: boolean;
}

/** Versions from `since` on and before `until`; a missing end is open. */
export interface VersionRange {
  readonly since?: string;
  readonly until?: string;
}

const versionPattern = /\bv?(\d+)\.(\d+)(?:\.(\d+))?([0-9A-Za-z.+]*)/;

/** The version in a text that is one, with or without a "v"; undefined when there is none. */
export function parseVersion(text: string): VllmVersion | undefined {
  const match = versionPattern.exec(text);
  if (match === null) return undefined;
  const [whole, major, minor, patch, rest = ""] = match;
  return {
    text: whole.replace(/^v/, ""),
    parts: [Number(major), Number(minor), Number(patch ?? 0)],
    isCpuBuild: /\+.*cpu/.test(rest),
  };
}

/**
 * The version in the output of `vllm --version`: the last line that is a version and nothing else,
 * since libraries print their own lines before it.
 */
export function parseVersionOutput(output: string): VllmVersion | undefined {
  const line = output
    .split("\n")
    .map((text) => text.trim())
    .findLast((text) => /^v?\d+\.\d+\S*$/.test(text));
  return line === undefined ? undefined : parseVersion(line);
}

/** Negative when `a` is older; release candidates count as their release. */
export function compareVersions(a: VllmVersion, b: VllmVersion): number {
  for (const index of [0, 1, 2] as const) {
    const difference = a.parts[index] - b.parts[index];
    if (difference !== 0) return difference;
  }
  return 0;
}

/** An unknown version is taken for the newest: only rows without an end apply to it. */
export function isInRange(version: VllmVersion | undefined, range: VersionRange): boolean {
  const { since, until } = range;
  if (version === undefined) return until === undefined;
  const from = since === undefined ? undefined : parseVersion(since);
  const to = until === undefined ? undefined : parseVersion(until);
  if (from !== undefined && compareVersions(version, from) < 0) return false;
  return to === undefined || compareVersions(version, to) < 0;
}
