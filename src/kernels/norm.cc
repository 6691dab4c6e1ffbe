// RMSNorm, alone and with the residual addition in front, and the bias addition.
#include <cmath>

#include "dispatch.h"
#include "pool.h"
#include "row-ops.h"

namespace quantlab {
namespace {

QUANTLAB_BODY float sumOfSquares(const bf16* x, std::size_t n) {
  float lanes[16] = {};
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    for (std::size_t lane = 0; lane < 16; lane++) {
      const float value = bf16ToFloat(x[i + lane]);
      lanes[lane] += value * value;
    }
  }
  for (std::size_t lane = 0; i < n; i++, lane++) {
    const float value = bf16ToFloat(x[i]);
    lanes[lane] += value * value;
  }
  for (std::size_t width = 8; width > 0; width /= 2)
    for (std::size_t lane = 0; lane < width; lane++) lanes[lane] += lanes[lane + width];
  return lanes[0];
}

QUANTLAB_BODY void normRowBody(const bf16* x, const bf16* weight, float eps, std::size_t columns,
                               bf16* out) {
  const float mean = sumOfSquares(x, columns) / static_cast<float>(columns);
  const float scale = 1.0f / std::sqrt(mean + eps);
  for (std::size_t i = 0; i < columns; i++) {
    const bf16 normalized = floatToBf16(bf16ToFloat(x[i]) * scale);
    out[i] = floatToBf16(bf16ToFloat(normalized) * bf16ToFloat(weight[i]));
  }
}

QUANTLAB_BODY void addRowBody(bf16* x, const bf16* addend, std::size_t columns) {
  for (std::size_t i = 0; i < columns; i++)
    x[i] = floatToBf16(bf16ToFloat(x[i]) + bf16ToFloat(addend[i]));
}

QUANTLAB_BODY void addNormRowBody(bf16* residual, const bf16* x, const bf16* weight, float eps,
                                  std::size_t columns, bf16* out) {
  addRowBody(residual, x, columns);
  normRowBody(residual, weight, eps, columns, out);
}

QUANTLAB_VARIANTS(void, normRow,
                  (const bf16* x, const bf16* weight, float eps, std::size_t columns, bf16* out),
                  (x, weight, eps, columns, out));
QUANTLAB_VARIANTS(void, addRow, (bf16* x, const bf16* addend, std::size_t columns),
                  (x, addend, columns));
QUANTLAB_VARIANTS(void, addNormRow,
                  (bf16* residual, const bf16* x, const bf16* weight, float eps,
                   std::size_t columns, bf16* out),
                  (residual, x, weight, eps, columns, out));

}  // namespace

void rmsNorm(const bf16* x, const bf16* weight, float eps, std::size_t rows, std::size_t columns,
             bf16* out) {
  parallelFor(rows, rowGrain(columns), [=](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; row++)
      normRow(x + row * columns, weight, eps, columns, out + row * columns);
  });
}

void rmsNormRow(const bf16* x, const bf16* weight, float eps, std::size_t columns, bf16* out) {
  normRow(x, weight, eps, columns, out);
}

void addRmsNorm(bf16* residual, const bf16* x, const bf16* weight, float eps, std::size_t rows,
                std::size_t columns, bf16* out) {
  parallelFor(rows, rowGrain(columns), [=](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; row++)
      addNormRow(residual + row * columns, x + row * columns, weight, eps, columns,
                 out + row * columns);
  });
}

void addBias(bf16* x, const bf16* bias, std::size_t rows, std::size_t columns) {
  parallelFor(rows, rowGrain(columns), [=](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; row++) addRow(x + row * columns, bias, columns);
  });
}

}  // namespace quantlab
