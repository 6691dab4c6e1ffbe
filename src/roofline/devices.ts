/** Devices the roofline can predict for: memory bandwidth and dense peaks, each with its source. */
import { QuantlabError } from "../base/errors.ts";

export interface Device {
  /** As on the command line: "h100-sxm". */
  readonly name: string;
  readonly title: string;
  readonly memoryBytes: number;
  readonly bytesPerSecond: number;
  /**
   * Dense peaks. Data sheets since Ampere print the 2:4-sparse figure, twice the dense one; unpruned
   * weights never reach it. `fp8` is absent where the matrix units do not have it.
   */
  readonly flopsPerSecond: {
    readonly bf16: number;
    readonly fp8?: number;
    readonly int8?: number;
  };
  readonly capability: string;
  readonly source: string;
}

/** Units as in data sheets: GB, TB/s, TFLOP/s. */
function device(
  name: string,
  title: string,
  [memoryGb, terabytesPerSecond]: readonly [number, number],
  [bf16, fp8, int8]: readonly [number, number | undefined, number],
  capability: string,
  source: string,
): Device {
  const flopsPerSecond = { bf16: bf16 * 1e12, int8: int8 * 1e12 };
  return {
    name,
    title,
    memoryBytes: memoryGb * 1e9,
    bytesPerSecond: terabytesPerSecond * 1e12,
    flopsPerSecond: fp8 === undefined ? flopsPerSecond : { ...flopsPerSecond, fp8: fp8 * 1e12 },
    capability,
    source,
  };
}

export const devices: readonly Device[] = [
  device(
    "a100-sxm",
    "NVIDIA A100 SXM 80 GB",
    [80, 2.039],
    [312, undefined, 624],
    "8.0",
    "NVIDIA A100 80GB data sheet",
  ),
  device(
    "a100-pcie",
    "NVIDIA A100 PCIe 80 GB",
    [80, 1.935],
    [312, undefined, 624],
    "8.0",
    "NVIDIA A100 80GB data sheet",
  ),
  device(
    "h100-sxm",
    "NVIDIA H100 SXM5 80 GB",
    [80, 3.35],
    [989.4, 1978.9, 1978.9],
    "9.0",
    "NVIDIA H100 architecture white paper and data sheet",
  ),
  device(
    "h100-pcie",
    "NVIDIA H100 PCIe 80 GB",
    [80, 2.0],
    [756, 1513, 1513],
    "9.0",
    "NVIDIA H100 data sheet and PCIe product brief",
  ),
  device(
    "h200",
    "NVIDIA H200 SXM 141 GB",
    [141, 4.8],
    [989.4, 1978.9, 1978.9],
    "9.0",
    "NVIDIA H200 data sheet",
  ),
  device("l4", "NVIDIA L4 24 GB", [24, 0.3], [121, 242.5, 242.5], "8.9", "NVIDIA L4 data sheet"),
  device(
    "l40s",
    "NVIDIA L40S 48 GB",
    [48, 0.864],
    [362.05, 733, 733],
    "8.9",
    "NVIDIA L40S data sheet",
  ),
  device(
    "rtx-4090",
    "NVIDIA RTX 4090 24 GB",
    [24, 1.008],
    [165.2, 330.3, 660.6],
    "8.9",
    "NVIDIA Ada GPU architecture white paper, appendix (FP32 accumulation)",
  ),
  device(
    "b200",
    "NVIDIA B200 180 GB",
    [180, 8.0],
    [2250, 4500, 4500],
    "10.0",
    "NVIDIA Blackwell architecture technical brief",
  ),
  device(
    "mi300x",
    "AMD Instinct MI300X 192 GB",
    [192, 5.3],
    [1307.4, 2614.9, 2614.9],
    "gfx942",
    "AMD Instinct MI300X data sheet, CDNA 3 white paper",
  ),
];

/** nvidia-smi's names of the devices, most particular first. */
const gpuNames: readonly { readonly pattern: RegExp; readonly device: string }[] = [
  { pattern: /H200/, device: "h200" },
  { pattern: /H100.*(PCIe|NVL)/, device: "h100-pcie" },
  { pattern: /H100/, device: "h100-sxm" },
  { pattern: /A100.*PCIE?/i, device: "a100-pcie" },
  { pattern: /A100.*80GB/, device: "a100-sxm" },
  { pattern: /L40S/, device: "l40s" },
  { pattern: /\bL4\b/, device: "l4" },
  { pattern: /RTX 4090/, device: "rtx-4090" },
  { pattern: /B200/, device: "b200" },
  { pattern: /MI300X/, device: "mi300x" },
];

/** "NVIDIA H100 80GB HBM3" is h100-sxm; undefined for a GPU that the table lacks. */
export function deviceOfGpu(name: string): string | undefined {
  return gpuNames.find(({ pattern }) => pattern.test(name))?.device;
}

/** @throws usage when the table has no device of this name */
export function deviceByName(name: string): Device {
  const found = devices.find((entry) => entry.name === name.toLowerCase());
  if (found !== undefined) return found;
  throw new QuantlabError("usage", `"${name}" is not a device of the table`, {
    hint: `use one of ${devices.map((entry) => entry.name).join(", ")}, or "this" for this machine`,
  });
}
