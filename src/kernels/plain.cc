// Dequantizes a whole weight to memory: what kernels did before they unpacked within the product.
#include "plain.h"

#include "format.h"
#include "pool.h"

namespace quantlab {

const Weight& dequantized(const Weight& weight) {
  // As large as the largest weight so far.
  thread_local Weight whole{};
  whole.format = formatNamed("bf16");
  whole.rows = weight.rows;
  whole.columns = weight.columns;
  whole.pairs = weight.pairs;
  const std::size_t elements = weight.pairs * kLineElements;
  const std::size_t bytes = weight.panels() * elements * sizeof(bf16);
  if (whole.codes.bytes() < bytes) whole.codes = Block(bytes, MemoryKind::buffer);
  // A lambda on another thread would see that thread's own `whole`.
  bf16* const lines = whole.codes.as<bf16>();
  parallelFor(weight.panels(), 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t panel = begin; panel < end; panel++)
      weight.format->dequantizeLines(weight, panel, lines + panel * elements);
  });
  return whole;
}

}  // namespace quantlab
