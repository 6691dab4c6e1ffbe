// SwiGLU's gate, and FP32 to BF16.
#include "dispatch.h"
#include "exponential.h"
#include "pool.h"
#include "row-ops.h"

namespace quantlab {
namespace {

QUANTLAB_BODY void gateRowBody(const bf16* gate, const bf16* up, std::size_t n, bf16* out) {
  for (std::size_t i = 0; i < n; i++) {
    const float x = bf16ToFloat(gate[i]);
    const bf16 silu = floatToBf16(x / (1.0f + exponential(-x)));
    out[i] = floatToBf16(bf16ToFloat(silu) * bf16ToFloat(up[i]));
  }
}

QUANTLAB_BODY void roundRowBody(const float* source, bf16* target, std::size_t n) {
  for (std::size_t i = 0; i < n; i++) target[i] = floatToBf16(source[i]);
}

QUANTLAB_VARIANTS(void, gateRow, (const bf16* gate, const bf16* up, std::size_t n, bf16* out),
                  (gate, up, n, out));
QUANTLAB_VARIANTS(void, roundRow, (const float* source, bf16* target, std::size_t n),
                  (source, target, n));

}  // namespace

void siluMultiply(const bf16* gateUp, std::size_t m, std::size_t intermediate, bf16* out) {
  // A gate costs about four times a plain element.
  parallelFor(m, rowGrain(4 * intermediate), [=](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; row++) {
      const bf16* pair = gateUp + row * 2 * intermediate;
      gateRow(pair, pair + intermediate, intermediate, out + row * intermediate);
    }
  });
}

void convertToBf16(const float* source, bf16* target, std::size_t count) {
  parallelFor(count, std::size_t{1} << 16, [=](std::size_t begin, std::size_t end) {
    roundRow(source + begin, target + begin, end - begin);
  });
}

}  // namespace quantlab
