// Measured limits of this machine: what it can read, and what its inner product can compute.
#pragma once
#include <cstddef>

namespace quantlab {

// Median over `repeats` of reading `bytes` once with all threads, in bytes per second.
double probeReadBandwidth(std::size_t bytes, int repeats);
enum class Operands { bf16, f32, int8 };

// Best rate over short windows within `milliseconds` of multiply-adds from registers or the first-level
// cache, all threads, in operations per second (a multiply-add is two): the inner product in use for these operands. 0
// for int8 where the instruction set in use has no instruction for it.
double probePeakFlops(Operands operands, double milliseconds);

}  // namespace quantlab
