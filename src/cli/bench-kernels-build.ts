/** The addon of another revision, built once per commit: what `bench kernels --against REV` runs beside ours. */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { QuantlabError } from "../base/errors.ts";

// Two levels up from src/cli and from dist/cli alike.
const root = fileURLToPath(new URL("../../", import.meta.url));

/** The addon this process itself uses. */
export const ownAddon = join(root, "build", "Release", "kernels.node");

function run(command: string, args: readonly string[], cwd: string): string {
  const result = spawnSync(command, args, { cwd, encoding: "utf8" });
  if (result.status === 0) return result.stdout.trim();
  const reason = result.error?.message ?? result.stderr.trim().slice(-2000);
  throw new QuantlabError("usage", `${command} ${args.join(" ")} failed: ${reason}`);
}

/** Path of the addon built from a git revision of this checkout. @throws usage when it does not build */
export function addonOfRevision(revision: string): string {
  const commit = run("git", ["rev-parse", "--verify", `${revision}^{commit}`], root);
  const folder = join(root, "build", "revisions");
  const addon = join(folder, `${commit}.node`);
  if (existsSync(addon)) return addon;
  process.stderr.write(`building the kernels of ${commit.slice(0, 10)}\n`);
  const tree = join(mkdtempSync(join(tmpdir(), "quantlab-revision-")), "tree");
  run("git", ["worktree", "add", "--detach", tree, commit], root);
  try {
    symlinkSync(join(root, "node_modules"), join(tree, "node_modules"));
    run(process.execPath, ["scripts/build-native.mjs"], tree);
    mkdirSync(folder, { recursive: true });
    copyFileSync(join(tree, "build", "Release", "kernels.node"), addon);
  } finally {
    run("git", ["worktree", "remove", "--force", tree], root);
    rmSync(join(tree, ".."), { recursive: true, force: true });
  }
  return addon;
}
