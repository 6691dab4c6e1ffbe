// FP8: E4M3 codes decoded to BF16 where they are multiplied; scales of rows and tokens on the sums, or,
// block-wise, on the sums of every 128 columns.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "dispatch.h"
#include "e4m3.h"
#include "largest.h"
#include "lines.h"

namespace quantlab {
namespace fp8 {
namespace {

constexpr float kLargest = 448.0f;
constexpr float kSmallestActivationScale = 1.0f / (448.0f * 512.0f);
constexpr float kSmallestGroupMaximum = 1e-10f;  // of activations
constexpr float kSmallestBlockMaximum = 1e-4f;   // of weights
constexpr std::size_t kBlockRows = 128;

// Scales of the rows of a panel: one each, or one each in every group.
std::size_t scaleGroups(const Weight& weight) { return std::max<std::size_t>(1, weight.groups()); }

PanelBytes panelBytes(const Weight& weight) {
  return {weight.pairs / 2 * kCodeBytes, scaleGroups(weight) * kPanelRows * sizeof(float), 0};
}

// --- rows to codes -------------------------------------------------------------------------------

QUANTLAB_BODY void encodeWeightsBody(const bf16* x, std::size_t count, float reciprocal,
                                     std::uint8_t* codes) {
  for (std::size_t i = 0; i < count; i++) codes[i] = encodeE4m3(bf16ToFloat(x[i]) * reciprocal);
}
QUANTLAB_VARIANTS(void, encodeWeights,
                  (const bf16* x, std::size_t count, float reciprocal, std::uint8_t* codes),
                  (x, count, reciprocal, codes));

QUANTLAB_BODY void roundActivationsBody(const bf16* x, std::size_t count, float scale, bf16* values) {
  for (std::size_t i = 0; i < count; i++) values[i] = roundToE4m3(bf16ToFloat(x[i]) / scale);
}
QUANTLAB_VARIANTS(void, roundActivations,
                  (const bf16* x, std::size_t count, float scale, bf16* values),
                  (x, count, scale, values));

QUANTLAB_BODY void cutActivationsBody(const bf16* x, std::size_t count, float reciprocal,
                                      bf16* values) {
  for (std::size_t i = 0; i < count; i++) values[i] = roundToE4m3(bf16ToFloat(x[i]) * reciprocal);
}
QUANTLAB_VARIANTS(void, cutActivations,
                  (const bf16* x, std::size_t count, float reciprocal, bf16* values),
                  (x, count, reciprocal, values));

// As vLLM's three kernels. A scale a token, or a token and group: a true division, and a smallest scale;
// NaN and infinity make the row NaN. A fixed scale: times its reciprocal, what is beyond 448 is cut.
void quantizeActivations(const Weight& weight, const bf16* x, bf16* values, float* scales) {
  if (weight.activationScale != 0) {
    cutActivations(x, weight.columns, 1.0f / weight.activationScale, values);
    scales[0] = weight.activationScale;
    return;
  }
  if (weight.groupSize == 0) {
    const float natural = bf16ToFloat(largestBits(x, weight.columns)) / kLargest;
    scales[0] = natural < kSmallestActivationScale ? kSmallestActivationScale : natural;
    roundActivations(x, weight.columns, scales[0], values);
    return;
  }
  for (std::size_t group = 0; group < weight.groups(); group++) {
    const std::size_t first = group * weight.groupSize;
    const std::size_t count = std::min(weight.groupSize, weight.columns - first);
    const float largest = bf16ToFloat(largestBits(x + first, count));
    scales[group] = (largest < kSmallestGroupMaximum ? kSmallestGroupMaximum : largest) / kLargest;
    roundActivations(x + first, count, scales[group], values + first);
  }
}

// --- packing -------------------------------------------------------------------------------------

void storeRow(std::uint8_t* panel, std::size_t lane, const std::uint8_t* codes, std::size_t columns) {
  std::uint8_t* target = panel + byteOf(lane, 0);
  std::size_t k = 0;
  for (; k + 4 <= columns; k += 4, target += kCodeBytes) {
    std::memcpy(target, codes + k, 2);
    std::memcpy(target + 8, codes + k + 2, 2);
  }
  for (; k < columns; k++) panel[byteOf(lane, k)] = codes[k];
}

// Scales of the 16 rows of a panel in one group.
float* scalesOf(const Weight& weight, std::size_t panel, std::size_t group) {
  return weight.scales.as<float>() + (panel * scaleGroups(weight) + group) * kPanelRows;
}

// Codes 0 and scales 0.
std::uint8_t* emptyPanel(const Weight& weight, std::size_t panel) {
  auto* target = const_cast<std::uint8_t*>(panelOf(weight, panel));
  std::memset(target, 0, weight.pairs / 2 * kCodeBytes);
  std::memset(scalesOf(weight, panel, 0), 0, scaleGroups(weight) * kPanelRows * sizeof(float));
  return target;
}

const char* pack(const Weight& weight, std::size_t panel, const void* const* tensors) {
  const auto* codes = static_cast<const std::uint8_t*>(tensors[0]);
  const auto* scale = static_cast<const float*>(tensors[1]);
  std::uint8_t* target = emptyPanel(weight, panel);
  for (std::size_t lane = 0; lane < kPanelRows; lane++) {
    const std::size_t row = panel * kPanelRows + lane;
    if (row >= weight.rows) break;
    for (std::size_t group = 0; group < scaleGroups(weight); group++) {
      const float found = scale[row * scaleGroups(weight) + group];
      if (!std::isfinite(found)) return "a scale is not finite";
      scalesOf(weight, panel, group)[lane] = found;
    }
    storeRow(target, lane, codes + row * weight.columns, weight.columns);
  }
  return nullptr;
}

// Bits of the largest magnitude that shares a scale with row `row` in columns [first, first + count).
std::uint16_t largestOfTile(const Weight& weight, const bf16* source, std::size_t row,
                            std::size_t first, std::size_t count) {
  if (weight.groupSize == 0) return largestBits(source + row * weight.columns + first, count);
  const std::size_t begin = row / kBlockRows * kBlockRows;
  std::uint16_t largest = 0;
  for (std::size_t i = begin; i < std::min(begin + kBlockRows, weight.rows); i++)
    largest = std::max(largest, largestBits(source + i * weight.columns + first, count));
  return largest;
}

// The reciprocal path of fp8/quantize.ts, which is the reference.
const char* quantize(const Weight& weight, std::size_t panel, const bf16* source) {
  std::uint8_t* target = emptyPanel(weight, panel);
  thread_local std::vector<std::uint8_t> codes;
  codes.resize(weight.columns);
  const std::size_t width = weight.groupSize == 0 ? weight.columns : weight.groupSize;
  for (std::size_t lane = 0; lane < kPanelRows; lane++) {
    const std::size_t row = panel * kPanelRows + lane;
    if (row >= weight.rows) break;
    for (std::size_t first = 0; first < weight.columns; first += width) {
      const std::size_t count = std::min(width, weight.columns - first);
      const std::uint16_t largest = largestOfTile(weight, source, row, first, count);
      if (largest >= 0x7f80) return "a weight is NaN or infinite; fp8 quantizes finite values only";
      const float floor = weight.groupSize == 0 ? 0.0f : kSmallestBlockMaximum;
      const float scale = std::max(bf16ToFloat(largest), floor) / kLargest;
      const float reciprocal = 1.0f / scale;
      float& stored = scalesOf(weight, panel, first / width)[lane];
      stored = std::isfinite(reciprocal) ? scale : 1.0f;
      std::memset(codes.data() + first, 0, count);
      if (std::isfinite(reciprocal))
        encodeWeights(source + row * weight.columns + first, count, reciprocal, codes.data() + first);
    }
    storeRow(target, lane, codes.data(), weight.columns);
  }
  return nullptr;
}

void dequantizeRow(const Weight& weight, std::size_t row, float* out) {
  const std::uint8_t* panel = panelOf(weight, row / kPanelRows);
  for (std::size_t k = 0; k < weight.columns; k++) {
    const std::size_t group = weight.groupSize == 0 ? 0 : k / weight.groupSize;
    out[k] = bf16ToFloat(decodeE4m3(panel[byteOf(row % kPanelRows, k)])) *
             scalesOf(weight, row / kPanelRows, group)[row % kPanelRows];
  }
}

const float* rowScales(const Weight& weight) {
  return weight.groupSize == 0 ? weight.scales.as<float>() : nullptr;
}

const FormatLoops& loops() {
  static const FormatLoops& active = QUANTLAB_LOOPS(Loops);
  return active;
}

static RegisterFormat registered({
    .name = "fp8",
    .tensors = {{"weight", ElementType::u8, Extent::weight}, {"scale", ElementType::f32, Extent::row}},
    .grouping = Grouping::optional,
    .codes = Codes::floats,
    .pairMultiple = 2,
    .panelBytes = panelBytes,
    .pack = pack,
    .quantize = quantize,
    .dequantizeRow = dequantizeRow,
    .dequantizeLines = nullptr,
    .quantizeActivations = quantizeActivations,
    .rowScales = rowScales,
    .loops = loops,
});

}  // namespace
}  // namespace fp8
}  // namespace quantlab
