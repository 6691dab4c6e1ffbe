// One visit: a fresh process, what it printed, its peak resident memory, and who else used its cores.
import { spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { loadavg } from "node:os";

const pollMs = 100;

/**
 * Runs a program to its end.
 * @param cores numbers of the only cores it may use; undefined leaves it those of this process
 * @returns {Promise<{stdout: string, residentBytes: number, othersShare: number, loadAverage: number}>}
 *   othersShare is the part of this process's cores' time that other processes and the host took
 * @throws Error with the last lines of stderr when it fails or takes longer than `limitMs`
 */
export function runVisit({ program, argv, env, cwd }, limitMs, cores) {
  const watched = new Set(cores ?? allowedCores());
  const before = coresBusy(watched);
  const pinned = cores === undefined ? [program, argv] : pinnedTo(cores, program, argv);
  const child = spawn(...pinned, {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8").on("data", (text) => {
      output[name] += text;
    });
  }
  let resident = 0;
  let ownTicks = 0;
  const poll = setInterval(() => {
    resident = Math.max(resident, peakResidentBytes(child.pid));
    ownTicks = Math.max(ownTicks, cpuTicks(child.pid));
  }, pollMs);
  const limit = setTimeout(() => child.kill("SIGKILL"), limitMs);
  const stop = () => {
    clearInterval(poll);
    clearTimeout(limit);
  };
  return new Promise((resolve, reject) => {
    child.once("error", (error) => {
      stop();
      reject(error);
    });
    child.once("close", (code, signal) => {
      stop();
      if (code !== 0) {
        reject(new Error(reasonOf({ code, signal, limitMs, ...output })));
        return;
      }
      const after = coresBusy(watched);
      const others = Math.max(0, after.busy - before.busy - ownTicks);
      const othersShare = others / Math.max(1, after.total - before.total);
      const { stdout } = output;
      resolve({ stdout, residentBytes: resident, othersShare, loadAverage: loadavg()[0] });
    });
  });
}

/** One line a reader can act on: the last that names an error, else the last one. */
export function reasonOf({ code, signal, limitMs, stdout, stderr }) {
  if (signal === "SIGKILL") return `killed: over ${limitMs / 1e3} s, or out of memory`;
  const lines = `${stdout}\n${stderr}`.split("\n").filter((line) => line.trim() !== "");
  const telling = lines.findLast((line) => /error|exception|failed|not /i.test(line));
  const ended = signal === null ? `exit ${code}` : signal;
  return `${ended}: ${(telling ?? lines.at(-1) ?? "no output").trim().slice(0, 300)}`;
}

function peakResidentBytes(pid) {
  try {
    const kib = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    return Number(kib ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** User and system time of a process and its threads. */
function cpuTicks(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // After the name, which may hold spaces: fields 14, 15 and, for children that ended, 16, 17.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
  } catch {
    return 0;
  }
}

/** taskset becomes the program, so the process's number is the program's. */
function pinnedTo(cores, program, argv) {
  return ["taskset", ["-c", cores.join(","), program, ...argv]];
}

/** Ticks of these cores: all, and those not idle (the host's theft included). */
function coresBusy(watched) {
  let busy = 0;
  let total = 0;
  for (const line of readFileSync("/proc/stat", "utf8").split("\n")) {
    const core = /^cpu(\d+) /.exec(line)?.[1];
    if (core === undefined || !watched.has(Number(core))) continue;
    const ticks = line.split(/\s+/).slice(1, 9).map(Number);
    const sum = ticks.reduce((a, b) => a + b, 0);
    total += sum;
    busy += sum - (ticks[3] ?? 0) - (ticks[4] ?? 0);
  }
  return { busy, total };
}

function allowedCores() {
  const status = readFileSync("/proc/self/status", "utf8");
  const list = /Cpus_allowed_list:\s+(\S+)/.exec(status)?.[1] ?? "0";
  return coresIn(list);
}

/** The numbers in a list of cores as the kernel writes it: "0-2,5". */
export function coresIn(list) {
  return list.split(",").flatMap((range) => {
    const [first, last] = range.split("-").map(Number);
    return Array.from({ length: (last ?? first) - first + 1 }, (_, i) => first + i);
  });
}
