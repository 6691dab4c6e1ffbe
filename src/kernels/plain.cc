// Dequantizes a whole weight to memory: what kernels did before they unpacked within the product.
#include "plain.h"

#include "dispatch.h"
#include "float16.h"
#include "format.h"
#include "pool.h"

namespace quantlab {
namespace {

QUANTLAB_BODY void scaleLinesBody(bf16* lines, std::size_t pairs, const float* scales) {
  // One scale an element of a line, so that the loop over a line is vector code.
  float wide[kLineElements];
  for (std::size_t i = 0; i < kLineElements; i++) wide[i] = scales[i / 2];
  for (std::size_t pair = 0; pair < pairs; pair++, lines += kLineElements)
    for (std::size_t i = 0; i < kLineElements; i++)
      lines[i] = floatToBf16(bf16ToFloat(lines[i]) * wide[i]);
}
QUANTLAB_VARIANTS(void, scaleLines, (bf16* lines, std::size_t pairs, const float* scales),
                  (lines, pairs, scales));

void dequantizePanel(const Weight& weight, std::size_t panel, bf16* lines) {
  const FormatLoops& loops = weight.format->loops();
  const std::size_t pairs = weight.groupSize / 2;
  float scales[kPanelRows];
  for (std::size_t group = 0; group < weight.groups(); group++, lines += pairs * kLineElements) {
    loops.lines(weight, panel, group * pairs, pairs, lines);
    loops.groupScales(weight, panel, group, scales);
    scaleLines(lines, pairs, scales);
  }
}

}  // namespace

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
      dequantizePanel(weight, panel, lines + panel * elements);
  });
  return whole;
}

}  // namespace quantlab
