/** Loads the addon once for each instruction set of this machine, so that tests can compare them. */
import { copyFileSync, mkdtempSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type IsaName, type Kernels, kernels } from "./binding.ts";

export interface IsaVariant {
  readonly isa: IsaName;
  readonly kernels: Kernels;
}

const nodeRequire = createRequire(import.meta.url);
const addonPath = fileURLToPath(new URL("../../build/Release/kernels.node", import.meta.url));

/** A copy under another path is another library to the system: it reads QUANTLAB_ISA anew. */
function loadCopy(folder: string, isa: IsaName): IsaVariant {
  const path = join(folder, `kernels-${isa}.node`);
  copyFileSync(addonPath, path);
  const before = process.env.QUANTLAB_ISA;
  process.env.QUANTLAB_ISA = isa;
  try {
    return { isa, kernels: nodeRequire(path) as Kernels };
  } finally {
    if (before === undefined) delete process.env.QUANTLAB_ISA;
    else process.env.QUANTLAB_ISA = before;
  }
}

/**
 * One addon for each available instruction set. Works on the main thread only: in a worker,
 * process.env is a copy that native code does not see.
 */
export function loadEveryIsa(): readonly IsaVariant[] {
  const folder = mkdtempSync(join(tmpdir(), "quantlab-isa-"));
  try {
    return kernels.cpu().available.map((isa) => loadCopy(folder, isa));
  } finally {
    // The libraries stay mapped without their names.
    rmSync(folder, { recursive: true, force: true });
  }
}
