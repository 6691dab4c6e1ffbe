// Ops on rows of activations, split over threads: norms, bias, activation, conversions.
#pragma once
#include <cstddef>

#include "memory.h"

namespace quantlab {

// Rows per chunk such that a chunk is worth handing to another thread (about 2 microseconds of work).
inline std::size_t rowGrain(std::size_t columns) {
  constexpr std::size_t kElements = 16384;
  return columns >= kElements ? 1 : kElements / (columns == 0 ? 1 : columns);
}

// out[rows, columns] = bf16(bf16(x * rsqrt(mean(x^2) + eps)) * weight); out may be x.
void rmsNorm(const bf16* x, const bf16* weight, float eps, std::size_t rows, std::size_t columns,
             bf16* out);
// One row, in the caller.
void rmsNormRow(const bf16* x, const bf16* weight, float eps, std::size_t columns, bf16* out);
// residual = bf16(residual + x), then out = rmsNorm(residual).
void addRmsNorm(bf16* residual, const bf16* x, const bf16* weight, float eps, std::size_t rows,
                std::size_t columns, bf16* out);
// x[row, :] = bf16(x + bias).
void addBias(bf16* x, const bf16* bias, std::size_t rows, std::size_t columns);
// out[m, i] = bf16(bf16(silu(gate)) * up) from gateUp [m, 2 * intermediate], gate first.
void siluMultiply(const bf16* gateUp, std::size_t m, std::size_t intermediate, bf16* out);
// Elementwise, threaded.
void convertToBf16(const float* source, bf16* target, std::size_t count);

}  // namespace quantlab
