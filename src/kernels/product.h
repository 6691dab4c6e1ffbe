// The inner loops of the matmul: rows of x against BF16 lines of at most four panels.
#pragma once
#include <cstddef>

#include "format.h"

namespace quantlab {

// Lines of panel j begin at lines + j * panelStride (elements); row r of x at x + r * stride. A row's
// arithmetic is the same whatever the number of rows: one chain of sums an output, in the order of the
// columns.
struct ProductBlock {
  const bf16* x;
  std::size_t stride;
  std::size_t rows;
  const bf16* lines;
  std::size_t panelStride;
  std::size_t panels;
  std::size_t pairs;
};

struct ProductLoops {
  // sums[row * kQuadRows + 16 * j + lane] += x . lines, continuing the chain.
  void (*accumulate)(const ProductBlock& block, float* sums);
  // sums += scales[16 * j + lane] * (x . lines): the chain starts at zero.
  void (*accumulateScaled)(const ProductBlock& block, const float* scales, float* sums);
};

extern const ProductLoops portableProductLoops;
#if defined(__x86_64__)
extern const ProductLoops avx2ProductLoops;
extern const ProductLoops avx512ProductLoops;
#endif

// Those of the active instruction set.
const ProductLoops& productLoops();

}  // namespace quantlab
