// How a product is cut into tasks, and how their sums become outputs: the same for BF16 and whole numbers.
#pragma once
#include <algorithm>
#include <cstddef>

#include "matmul.h"

namespace quantlab {

constexpr std::size_t kBlockRows = 256;  // rows of x that share a block's decoded lines

// Panels [panel, panel + panels) against rows [first, first + rows).
struct Part {
  std::size_t panel;
  std::size_t panels;
  std::size_t first;
  std::size_t rows;
};

inline std::size_t partsOf(const Weight& weight, std::size_t m) {
  return (weight.panels() + kQuadPanels - 1) / kQuadPanels * ((m + kBlockRows - 1) / kBlockRows);
}

// Consecutive parts share the rows of x.
inline Part partAt(const Weight& weight, std::size_t m, std::size_t index) {
  const std::size_t quads = (weight.panels() + kQuadPanels - 1) / kQuadPanels;
  const std::size_t panel = index % quads * kQuadPanels;
  const std::size_t first = index / quads * kBlockRows;
  return {panel, std::min(kQuadPanels, weight.panels() - panel), first,
          std::min(kBlockRows, m - first)};
}

// Writes sums[row * kQuadRows + output] of a part; with rowScales (of the whole weight) first times xScales
// (of all rows of x) and times them. Changes the sums.
void finishPart(const Weight& weight, const Part& part, const float* xScales, const float* rowScales,
                const LinearOutput& out, float* sums);

// The product of formats whose codes are whole numbers.
void integerLinear(const Weight& weight, const bf16* x, std::size_t m, const LinearOutput& out);

}  // namespace quantlab
