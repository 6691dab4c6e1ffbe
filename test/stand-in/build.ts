/** Makes the stand-in runnable by plain Node: its own file is transpiled, ours come from dist/. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import ts from "typescript";
import type { Scenario } from "./vllm.ts";

const dist = pathToFileURL(fileURLToPath(new URL("../../dist", import.meta.url))).href;

export interface StandIn {
  /** For `vllm.command` of lab.yaml: it plays this scenario. */
  command(name: string, scenario: Scenario): string[];
}

/** @param folder where the program and its scenarios are written */
export function buildStandIn(folder: string): StandIn {
  mkdirSync(folder, { recursive: true });
  const source = readFileSync(new URL("./vllm.ts", import.meta.url), "utf8");
  const { outputText } = ts.transpileModule(source, {
    compilerOptions: {
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2023,
      verbatimModuleSyntax: true,
    },
  });
  const program = join(folder, "vllm.mjs");
  const linked = outputText.replace(/"\.\.\/\.\.\/src\/([\w/-]+)\.ts"/g, `"${dist}/$1.js"`);
  writeFileSync(program, linked);
  return {
    command(name, scenario) {
      const path = join(folder, `${name}.json`);
      writeFileSync(path, JSON.stringify(scenario));
      return [process.execPath, program, path];
    },
  };
}
