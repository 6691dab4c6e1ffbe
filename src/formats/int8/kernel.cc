// INT8: codes plus 128 in byte lines, times 8-bit activations; scales of rows and tokens on the sums.
#include <cmath>
#include <cstring>

#include "dispatch.h"
#include "float16.h"
#include "format.h"
#include "largest.h"
#include "product-integer.h"

namespace quantlab {
namespace int8 {
namespace {

constexpr float kLargest = 127.0f;
constexpr float kSmallestScale = 1e-30f;  // below it a quotient could overflow

constexpr std::uint8_t kZero = 128;           // the byte of code 0

std::size_t panelCodes(const Weight& weight) { return 2 * weight.pairs * kPanelRows; }

PanelBytes panelBytes(const Weight& weight) {
  return {panelCodes(weight), kPanelRows * sizeof(float), 0};
}

std::uint8_t* panelOf(const Weight& weight, std::size_t panel) {
  return weight.codes.as<std::uint8_t>() + panel * panelCodes(weight);
}

std::size_t byteOf(std::size_t lane, std::size_t k) {
  return k / kStepColumns * kByteLine + lane * kStepColumns + k % kStepColumns;
}

// Whole numbers of at most 8 bits are BF16 numbers: the upper half of their FP32 bits.
QUANTLAB_BODY void roundRowBody(const bf16* x, std::size_t count, float scale, bf16* values) {
  for (std::size_t i = 0; i < count; i++)
    values[i] = static_cast<bf16>(floatBits(roundHalfEven(bf16ToFloat(x[i]) / scale)) >> 16);
}
QUANTLAB_VARIANTS(void, roundRow, (const bf16* x, std::size_t count, float scale, bf16* values),
                  (x, count, scale, values));

float scaleOf(std::uint16_t largest) {
  const float natural = bf16ToFloat(largest) / kLargest;
  return natural < kSmallestScale ? kSmallestScale : natural;
}

void quantizeActivations(const Weight& weight, const bf16* x, bf16* values, float* scales) {
  scales[0] = scaleOf(largestBits(x, weight.columns));
  roundRow(x, weight.columns, scales[0], values);
}

// Two's complement and an offset of 128 differ in the highest bit.
void storeRow(std::uint8_t* panel, std::size_t lane, const std::int8_t* codes, std::size_t columns) {
  for (std::size_t k = 0; k < columns; k++)
    panel[byteOf(lane, k)] = static_cast<std::uint8_t>(codes[k]) ^ kZero;
}

std::uint8_t* emptyPanel(const Weight& weight, std::size_t panel) {
  std::memset(panelOf(weight, panel), kZero, panelCodes(weight));
  std::memset(weight.scales.as<float>() + panel * kPanelRows, 0, kPanelRows * sizeof(float));
  return panelOf(weight, panel);
}

const char* pack(const Weight& weight, std::size_t panel, const void* const* tensors) {
  const auto* codes = static_cast<const std::int8_t*>(tensors[0]);
  const auto* scale = static_cast<const float*>(tensors[1]);
  std::uint8_t* target = emptyPanel(weight, panel);
  for (std::size_t lane = 0; lane < kPanelRows; lane++) {
    const std::size_t row = panel * kPanelRows + lane;
    if (row >= weight.rows) break;
    if (!std::isfinite(scale[row])) return "a scale is not finite";
    weight.scales.as<float>()[row] = scale[row];
    storeRow(target, lane, codes + row * weight.columns, weight.columns);
  }
  return nullptr;
}

const char* quantize(const Weight& weight, std::size_t panel, const bf16* source) {
  std::uint8_t* target = emptyPanel(weight, panel);
  thread_local std::vector<bf16> rounded;
  thread_local std::vector<std::int8_t> codes;
  rounded.resize(weight.columns);
  codes.resize(weight.columns);
  for (std::size_t lane = 0; lane < kPanelRows; lane++) {
    const std::size_t row = panel * kPanelRows + lane;
    if (row >= weight.rows) break;
    const bf16* from = source + row * weight.columns;
    const std::uint16_t largest = largestBits(from, weight.columns);
    if (largest >= 0x7f80) return "a weight is NaN or infinite; int8 quantizes finite values only";
    const float scale = scaleOf(largest);
    weight.scales.as<float>()[row] = scale;
    roundRow(from, weight.columns, scale, rounded.data());
    for (std::size_t k = 0; k < weight.columns; k++)
      codes[k] = static_cast<std::int8_t>(bf16ToFloat(rounded[k]));
    storeRow(target, lane, codes.data(), weight.columns);
  }
  return nullptr;
}

void dequantizeRow(const Weight& weight, std::size_t row, float* out) {
  const std::uint8_t* panel = panelOf(weight, row / kPanelRows);
  const float scale = weight.scales.as<float>()[row];
  for (std::size_t k = 0; k < weight.columns; k++)
    out[k] = static_cast<float>(panel[byteOf(row % kPanelRows, k)] - kZero) * scale;
}

const float* rowScales(const Weight& weight) { return weight.scales.as<float>(); }

static RegisterFormat registered({
    .name = "int8",
    .tensors = {{"weight", ElementType::u8, Extent::weight}, {"scale", ElementType::f32, Extent::row}},
    .grouping = Grouping::never,
    .codes = Codes::bytes,
    .pairMultiple = kStepColumns / 2,
    .panelBytes = panelBytes,
    .pack = pack,
    .quantize = quantize,
    .dequantizeRow = dequantizeRow,
    .dequantizeLines = nullptr,
    .quantizeActivations = quantizeActivations,
    .rowScales = rowScales,
    .loops = nullptr,
});

}  // namespace
}  // namespace int8
}  // namespace quantlab
