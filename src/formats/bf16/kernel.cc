// BF16: the checkpoint's weights as they are, in lines that the matmul reads in place.
#include <algorithm>
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

// Pairs packed at once: their lines stay in L1 while the panel's 16 rows go into them one by one.
constexpr std::size_t kPackPairs = 64;

void packRow(bf16* target, const bf16* from, std::size_t firstPair, std::size_t pairs,
             std::size_t columns) {
  for (std::size_t i = firstPair; i < firstPair + pairs; i++, target += kLineElements) {
    target[0] = from[2 * i];
    target[1] = 2 * i + 1 < columns ? from[2 * i + 1] : bf16{0};
  }
}

const char* quantize(const Weight& weight, std::size_t panel, const bf16* source) {
  const std::size_t first = panel * kPanelRows;
  const std::size_t lanes = std::min(kPanelRows, weight.rows - first);
  bf16* target = panelOf(weight, panel);
  if (lanes < kPanelRows) std::memset(target, 0, weight.pairs * kLineElements * sizeof(bf16));
  for (std::size_t pair = 0; pair < weight.pairs; pair += kPackPairs) {
    const std::size_t pairs = std::min(kPackPairs, weight.pairs - pair);
    for (std::size_t lane = 0; lane < lanes; lane++)
      packRow(target + pair * kLineElements + 2 * lane, source + (first + lane) * weight.columns,
              pair, pairs, weight.columns);
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
    .grouping = Grouping::never,
    .codes = Codes::floats,
    .pairMultiple = 1,
    .panelBytes = panelBytes,
    .pack = pack,
    .quantize = quantize,
    .dequantizeRow = dequantizeRow,
    .dequantizeLines = nullptr,
    .quantizeActivations = nullptr,
    .rowScales = nullptr,
    .loops = loops,
});

}  // namespace
}  // namespace quantlab
