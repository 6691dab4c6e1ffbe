// From a task's sums to outputs.
#include "matmul-part.h"

#include "dispatch.h"

namespace quantlab {
namespace {

QUANTLAB_BODY void finishRowBody(float* sums, std::size_t count, const float* rowScales, float xScale,
                                 bf16* brain, float* single) {
  if (rowScales != nullptr)
    for (std::size_t i = 0; i < count; i++) sums[i] = sums[i] * xScale * rowScales[i];
  if (single != nullptr)
    for (std::size_t i = 0; i < count; i++) single[i] = sums[i];
  else
    for (std::size_t i = 0; i < count; i++) brain[i] = floatToBf16(sums[i]);
}
QUANTLAB_VARIANTS(void, finishRow,
                  (float* sums, std::size_t count, const float* rowScales, float xScale, bf16* brain,
                   float* single),
                  (sums, count, rowScales, xScale, brain, single));

}  // namespace

void finishPart(const Weight& weight, const Part& part, const float* xScales, const float* rowScales,
                const LinearOutput& out, float* sums) {
  const std::size_t output = part.panel * kPanelRows;
  const std::size_t count = std::min(part.panels * kPanelRows, weight.rows - output);
  for (std::size_t row = 0; row < part.rows; row++) {
    const std::size_t at = (part.first + row) * weight.rows + output;
    finishRow(sums + row * kQuadRows, count, rowScales == nullptr ? nullptr : rowScales + output,
              rowScales == nullptr ? 1.0f : xScales[part.first + row],
              out.brain == nullptr ? nullptr : out.brain + at,
              out.single == nullptr ? nullptr : out.single + at);
  }
}

}  // namespace quantlab
