// FP8: E4M3 codes decoded to BF16 where they are multiplied; scales of rows and tokens on the sums.
#include <cmath>
#include <cstring>

#include "dispatch.h"
#include "e4m3.h"
#include "lines.h"

namespace quantlab {
namespace fp8 {
namespace {

constexpr float kLargest = 448.0f;
constexpr float kSmallestActivationScale = 1.0f / (448.0f * 512.0f);

PanelBytes panelBytes(const Weight& weight) {
  return {weight.pairs / 2 * kCodeBytes, kPanelRows * sizeof(float), 0};
}

// --- rows to codes -------------------------------------------------------------------------------

// Bits of the largest magnitude: for magnitudes the order of the bits is the order of the values.
QUANTLAB_BODY std::uint16_t largestBitsBody(const bf16* x, std::size_t count) {
  std::uint16_t largest = 0;
  for (std::size_t i = 0; i < count; i++) {
    const std::uint16_t magnitude = x[i] & 0x7fffu;
    largest = magnitude > largest ? magnitude : largest;
  }
  return largest;
}
QUANTLAB_VARIANTS(std::uint16_t, largestBits, (const bf16* x, std::size_t count), (x, count));

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

// vLLM's per-token kernel: a true division, and a smallest scale. NaN and infinity make the row NaN.
float quantizeActivations(const bf16* x, std::size_t columns, bf16* values) {
  const float natural = bf16ToFloat(largestBits(x, columns)) / kLargest;
  const float scale = natural < kSmallestActivationScale ? kSmallestActivationScale : natural;
  roundActivations(x, columns, scale, values);
  return scale;
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

std::uint8_t* emptyPanel(const Weight& weight, std::size_t panel) {
  auto* target = const_cast<std::uint8_t*>(panelOf(weight, panel));
  std::memset(target, 0, weight.pairs / 2 * kCodeBytes);
  return target;
}

const char* pack(const Weight& weight, std::size_t panel, const void* const* tensors) {
  const auto* codes = static_cast<const std::uint8_t*>(tensors[0]);
  const auto* scale = static_cast<const float*>(tensors[1]);
  std::uint8_t* target = emptyPanel(weight, panel);
  for (std::size_t lane = 0; lane < kPanelRows; lane++) {
    const std::size_t row = panel * kPanelRows + lane;
    const bool inside = row < weight.rows;
    weight.scales.as<float>()[row] = inside ? scale[row] : 0.0f;
    if (!inside) continue;
    if (!std::isfinite(scale[row])) return "a scale is not finite";
    storeRow(target, lane, codes + row * weight.columns, weight.columns);
  }
  return nullptr;
}

// The reciprocal path of fp8/quantize.ts, which is the reference.
const char* quantize(const Weight& weight, std::size_t panel, const bf16* source) {
  std::uint8_t* target = emptyPanel(weight, panel);
  thread_local std::vector<std::uint8_t> codes;
  codes.resize(weight.columns);
  for (std::size_t lane = 0; lane < kPanelRows; lane++) {
    const std::size_t row = panel * kPanelRows + lane;
    weight.scales.as<float>()[row] = row < weight.rows ? 1.0f : 0.0f;
    if (row >= weight.rows) continue;
    const bf16* from = source + row * weight.columns;
    const std::uint16_t largest = largestBits(from, weight.columns);
    if (largest >= 0x7f80) return "a weight is NaN or infinite; fp8 quantizes finite values only";
    const float scale = bf16ToFloat(largest) / kLargest;
    const float reciprocal = 1.0f / scale;
    if (!std::isfinite(reciprocal)) continue;
    weight.scales.as<float>()[row] = scale;
    encodeWeights(from, weight.columns, reciprocal, codes.data());
    storeRow(target, lane, codes.data(), weight.columns);
  }
  return nullptr;
}

void dequantizeRow(const Weight& weight, std::size_t row, float* out) {
  const std::uint8_t* panel = panelOf(weight, row / kPanelRows);
  const float scale = weight.scales.as<float>()[row];
  for (std::size_t k = 0; k < weight.columns; k++)
    out[k] = bf16ToFloat(decodeE4m3(panel[byteOf(row % kPanelRows, k)])) * scale;
}

const float* rowScales(const Weight& weight) { return weight.scales.as<float>(); }

const FormatLoops& loops() {
  static const FormatLoops& active = QUANTLAB_LOOPS(Loops);
  return active;
}

static RegisterFormat registered({
    .name = "fp8",
    .tensors = {{"weight", ElementType::u8, Extent::weight}, {"scale", ElementType::f32, Extent::row}},
    .grouped = false,
    .pairMultiple = 2,
    .panelBytes = panelBytes,
    .pack = pack,
    .quantize = quantize,
    .dequantizeRow = dequantizeRow,
    .quantizeActivations = quantizeActivations,
    .rowScales = rowScales,
    .loops = loops,
});

}  // namespace
}  // namespace fp8
}  // namespace quantlab
