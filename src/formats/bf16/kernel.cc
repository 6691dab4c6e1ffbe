// BF16: the checkpoint's weights as they are, in lines that the matmul reads in place.
#include <cstring>

#include "format.h"

namespace quantlab {
namespace {

PanelBytes panelBytes(const Weight& weight) {
  return {weight.pairs * kLineElements * sizeof(bf16), 0, 0};
}

bf16* panelOf(const Weight& weight, std::size_t panel) {
  return weight.codes.as<bf16>() + panel * weight.pairs * kLineElements;
}

const char* quantize(const Weight& weight, std::size_t panel, const bf16* source) {
  bf16* target = panelOf(weight, panel);
  const std::size_t wholePairs = weight.columns / 2;
  for (std::size_t lane = 0; lane < kPanelRows; lane++) {
    const std::size_t row = panel * kPanelRows + lane;
    bf16* pair = target + 2 * lane;
    if (row >= weight.rows) {
      for (std::size_t i = 0; i < weight.pairs; i++, pair += kLineElements) pair[0] = pair[1] = 0;
      continue;
    }
    const bf16* from = source + row * weight.columns;
    for (std::size_t i = 0; i < wholePairs; i++, pair += kLineElements)
      std::memcpy(pair, from + 2 * i, 2 * sizeof(bf16));
    if (weight.columns % 2 == 1) {
      pair[0] = from[weight.columns - 1];
      pair[1] = 0;
    }
  }
  return nullptr;
}

const char* pack(const Weight& weight, std::size_t panel, const void* const* tensors) {
  return quantize(weight, panel, static_cast<const bf16*>(tensors[0]));
}

void dequantizeRow(const Weight& weight, std::size_t row, float* out) {
  const bf16* source = panelOf(weight, row / kPanelRows) + row % kPanelRows * 2;
  for (std::size_t k = 0; k < weight.columns; k++)
    out[k] = bf16ToFloat(source[k / 2 * kLineElements + k % 2]);
}

const bf16* lines(const Weight& weight, std::size_t panel, std::size_t firstPair, std::size_t,
                  bf16*) {
  return panelOf(weight, panel) + firstPair * kLineElements;
}

const FormatLoops& loops() {
  static const FormatLoops same{lines, nullptr, nullptr};
  return same;
}

static RegisterFormat registered({
    .name = "bf16",
    .tensors = {{"weight", ElementType::u16, Extent::weight}},
    .grouped = false,
    .pairMultiple = 1,
    .panelBytes = panelBytes,
    .pack = pack,
    .quantize = quantize,
    .dequantizeRow = dequantizeRow,
    .quantizeActivations = nullptr,
    .rowScales = nullptr,
    .loops = loops,
});

}  // namespace
}  // namespace quantlab
