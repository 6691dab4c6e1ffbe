// The inner loops of the matmul in plain C++.
#include "product.h"

namespace quantlab {
namespace {

// One row, one panel.
void chain(const bf16* x, const bf16* lines, std::size_t pairs, float* sums) {
  for (std::size_t pair = 0; pair < pairs; pair++) {
    const float even = bf16ToFloat(x[2 * pair]);
    const float odd = bf16ToFloat(x[2 * pair + 1]);
    const bf16* line = lines + pair * kLineElements;
    for (std::size_t lane = 0; lane < kPanelRows; lane++) {
      sums[lane] += even * bf16ToFloat(line[2 * lane]);
      sums[lane] += odd * bf16ToFloat(line[2 * lane + 1]);
    }
  }
}

void accumulate(const ProductBlock& block, float* sums) {
  for (std::size_t row = 0; row < block.rows; row++)
    for (std::size_t j = 0; j < block.panels; j++)
      chain(block.x + row * block.stride, block.lines + j * block.panelStride, block.pairs,
            sums + row * kQuadRows + j * kPanelRows);
}

}  // namespace

const ProductLoops portableProductLoops{accumulate, nullptr, RowLayout::rows, kFewRows, nullptr,
                                        nullptr};

}  // namespace quantlab
