// Measured limits of this machine: what it can read, and what its inner product can compute.
#pragma once
#include <cstddef>

namespace quantlab {

// Median over `repeats` of reading `bytes` once with all threads, in bytes per second.
double probeReadBandwidth(std::size_t bytes, int repeats);
// Best rate over short windows within `milliseconds` of register-resident multiply-adds, all
// threads, in FLOP per second; `brain`: the BF16 inner product in use, otherwise FP32.
double probePeakFlops(bool brain, double milliseconds);

}  // namespace quantlab
