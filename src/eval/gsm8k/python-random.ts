/** CPython's `random.Random`: MT19937 and `sample`, so that shots are drawn as lm-evaluation-harness draws them. */
import { assert } from "../../base/errors.ts";

const stateWords = 624;
const twistOffset = 397;
const twistMask = 0x9908b0df;

/** The generator of one seed; two with the same seed give the same sequence. */
export class PythonRandom {
  readonly #state = new Uint32Array(stateWords);
  #next = stateWords;

  /** @param seed any safe integer; like CPython's, its sign does not count */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed), `a seed is a whole number, not ${seed}`);
    this.#seedByArray(wordsOf(Math.abs(seed)));
  }

  /** Uniform integer in [0, 2^32). */
  uint32(): number {
    if (this.#next === stateWords) this.#twist();
    let word = this.#at(this.#next++);
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    return (word ^ (word >>> 18)) >>> 0;
  }

  /** Uniform integer in [0, n): bits are drawn again until they are below n. */
  below(n: number): number {
    assert(n >= 1 && n < 2 ** 32, `cannot draw below ${n}`);
    const bits = 32 - Math.clz32(n);
    for (;;) {
      const value = this.uint32() >>> (32 - bits);
      if (value < n) return value;
    }
  }

  /** `count` different integers of [0, n), in the order in which CPython's `sample` returns them. */
  sample(n: number, count: number): number[] {
    assert(count >= 0 && count <= n, `cannot draw ${count} of ${n}`);
    return n <= poolLimit(count) ? this.#fromPool(n, count) : this.#refusingRepeats(n, count);
  }

  #fromPool(n: number, count: number): number[] {
    const pool = Array.from({ length: n }, (_, i) => i);
    const drawn: number[] = [];
    for (let i = 0; i < count; i++) {
      const at = this.below(n - i);
      drawn.push(pool[at] as number);
      pool[at] = pool[n - i - 1] as number;
    }
    return drawn;
  }

  #refusingRepeats(n: number, count: number): number[] {
    const drawn = new Set<number>();
    while (drawn.size < count) drawn.add(this.below(n));
    return [...drawn];
  }

  #at(index: number): number {
    return this.#state[index % stateWords] as number;
  }

  #seedByArray(key: readonly number[]): void {
    const state = this.#state;
    state[0] = 19650218;
    for (let i = 1; i < stateWords; i++) state[i] = Math.imul(1812433253, mixed(state, i)) + i;
    let at = 1;
    const wrap = () => {
      if (at < stateWords) return;
      state[0] = this.#at(stateWords - 1);
      at = 1;
    };
    for (let i = 0; i < Math.max(stateWords, key.length); i++) {
      const part = i % key.length;
      state[at] = (this.#at(at) ^ Math.imul(mixed(state, at), 1664525)) + (key[part] ?? 0) + part;
      at++;
      wrap();
    }
    for (let i = 0; i < stateWords - 1; i++) {
      state[at] = (this.#at(at) ^ Math.imul(mixed(state, at), 1566083941)) - at;
      at++;
      wrap();
    }
    state[0] = 0x80000000;
  }

  #twist(): void {
    for (let i = 0; i < stateWords; i++) {
      const joined = (this.#at(i) & 0x80000000) | (this.#at(i + 1) & 0x7fffffff);
      const shifted = (joined >>> 1) ^ ((joined & 1) === 0 ? 0 : twistMask);
      this.#state[i] = this.#at(i + twistOffset) ^ shifted;
    }
    this.#next = 0;
  }
}

/** The word before, with its top bits folded into the low ones. */
function mixed(state: Uint32Array, at: number): number {
  const before = state[at - 1] as number;
  return before ^ (before >>> 30);
}

/** Base 2^32, least word first, at least one word. */
function wordsOf(value: number): number[] {
  const words = [value % 2 ** 32];
  const high = Math.floor(value / 2 ** 32);
  return high === 0 ? words : [...words, high];
}

/** Up to this many items CPython shuffles a list of them; above it, it remembers what is taken. */
function poolLimit(count: number): number {
  const base = 21;
  if (count <= 5) return base;
  let power = 1;
  while (power < 3 * count) power *= 4;
  return base + power;
}
