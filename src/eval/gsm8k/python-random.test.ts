import { describe, expect, it } from "vitest";
import { PythonRandom } from "./python-random.ts";

const take = (seed: number, count: number) => {
  const random = new PythonRandom(seed);
  return Array.from({ length: count }, () => random.uint32());
};

describe("PythonRandom", () => {
  // Outputs of CPython 3.11's random.Random(seed).getrandbits(32).
  it.each([
    [0, [3626764237, 1654615998, 3255389356]],
    [1, [577090037, 2444712010, 3639700191]],
    [42, [2746317213, 478163327, 107420369]],
    [
      1234,
      [4150886329, 3342196574, 1892932127, 501869158, 32175636, 389311301, 3912611952, 4048155970],
    ],
    [-1234, [4150886329, 3342196574, 1892932127]],
    [4294967296, [485306839, 1508871100, 1794561286]],
    [1099511627783, [2635837658, 3209733218, 3500038837]],
  ])("gives CPython's words for seed %d", (seed, words) => {
    expect(take(seed, words.length)).toEqual(words);
  });

  it("goes on past the first block of state", () => {
    const random = new PythonRandom(1234);
    const words = Array.from({ length: 2000 }, () => random.uint32());
    // random.Random(1234): the 625th and the 2000th getrandbits(32).
    expect([words[624], words[1999]]).toEqual([3715477445, 881902874]);
  });

  it("refuses values that are too large instead of folding them", () => {
    const random = new PythonRandom(1234);
    const drawn = Array.from({ length: 9 }, () => random.below(7473));
    expect(drawn).toEqual([6374, 3610, 957, 61, 742, 7462, 6610, 4769, 286]);
  });

  it.each([
    [30, 8, [24, 14, 3, 0, 2, 18, 1, 21]],
    [85, 8, [56, 14, 0, 11, 74, 4, 10, 12]],
    [86, 8, [56, 14, 0, 11, 74, 4, 85, 10]],
    [7473, 8, [6374, 3610, 957, 61, 742, 7462, 6610, 4769]],
  ])("samples of %d, %d at a time, as CPython does", (n, count, drawn) => {
    expect(new PythonRandom(1234).sample(n, count)).toEqual(drawn);
  });

  it("draws nothing for no shots, and every item once for all of them", () => {
    const random = new PythonRandom(7);
    expect(random.sample(7473, 0)).toEqual([]);
    expect(random.uint32()).toBe(new PythonRandom(7).uint32());
    expect(random.sample(20, 20).sort((a, b) => a - b)).toEqual([...Array(20).keys()]);
  });
});
