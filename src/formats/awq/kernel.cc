// AWQ-INT4: 4-bit codes as nibbles of byte lines, times activations in fixed point; a scale a group on the sums.
#include <cmath>
#include <cstring>

#include "dispatch.h"
#include "float16.h"
#include "format.h"
#include "product-integer.h"

namespace quantlab {
namespace awq {
namespace {

constexpr std::size_t kCodeColumns = 8;  // of a line of nibbles
constexpr std::size_t kZeroBytes = kPanelRows / 2;

std::uint8_t* panelOf(const Weight& weight, std::size_t panel) {
  return weight.codes.as<std::uint8_t>() + panel * weight.columns / kCodeColumns * kByteLine;
}

std::uint16_t* scalesOf(const Weight& weight, std::size_t panel, std::size_t group) {
  return weight.scales.as<std::uint16_t>() + (panel * weight.groups() + group) * kPanelRows;
}

std::uint8_t* zerosOf(const Weight& weight, std::size_t panel, std::size_t group) {
  return weight.zeros.as<std::uint8_t>() + (panel * weight.groups() + group) * kZeroBytes;
}

PanelBytes panelBytes(const Weight& weight) {
  return {weight.columns / kCodeColumns * kByteLine,
          weight.groups() * kPanelRows * sizeof(std::uint16_t), weight.groups() * kZeroBytes};
}

// --- quantization --------------------------------------------------------------------------------

constexpr std::size_t kLargestGroup = 128;
constexpr std::size_t kLanes = 16;
constexpr float kSmallestRange = 1.0013580322265625e-5f;  // 1e-5 in F16

struct GroupCodes {
  std::uint8_t codes[kLargestGroup];
  std::uint16_t scale;
  std::uint8_t zero;
};

[[gnu::always_inline]] inline float clamp15(float value) {
  const float high = value > 15.0f ? 15.0f : value;
  return high < 0.0f ? 0.0f : high;
}

// The arithmetic of awq/quantize.ts, step by step: every result is rounded to F16. False when a weight
// is beyond F16.
QUANTLAB_BODY bool quantizeGroupBody(const bf16* weights, std::size_t count, GroupCodes* out) {
  float values[kLargestGroup];
  for (std::size_t i = 0; i < count; i++) values[i] = roundToF16(bf16ToFloat(weights[i]));
  // The range includes zero. Lanes, because a minimum over all in order would not be vector code.
  float lows[kLanes] = {};
  float highs[kLanes] = {};
  std::uint32_t largest[kLanes] = {};
  for (std::size_t i = 0; i < count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; lane++) {
      const float value = values[i + lane];
      const std::uint32_t magnitude = floatBits(value) & 0x7fffffffu;
      lows[lane] = value < lows[lane] ? value : lows[lane];
      highs[lane] = value > highs[lane] ? value : highs[lane];
      largest[lane] = magnitude > largest[lane] ? magnitude : largest[lane];
    }
  }
  float low = 0;
  float high = 0;
  std::uint32_t top = 0;
  for (std::size_t lane = 0; lane < kLanes; lane++) {
    low = lows[lane] < low ? lows[lane] : low;
    high = highs[lane] > high ? highs[lane] : high;
    top = largest[lane] > top ? largest[lane] : top;
  }
  if (top >= 0x7f800000u) return false;
  const float natural = roundToF16(high - low);
  const float range = natural < kSmallestRange ? kSmallestRange : natural;
  const float scale = roundToF16(range / 15.0f);
  const float zero = clamp15(0.0f - roundHalfEven(roundToF16(low / scale)));
  for (std::size_t i = 0; i < count; i++)
    out->codes[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(
        clamp15(roundHalfEven(roundToF16(values[i] / scale)) + zero)));
  out->scale = f16Bits(scale);
  out->zero = static_cast<std::uint8_t>(static_cast<std::int32_t>(zero));
  return true;
}
QUANTLAB_VARIANTS(bool, quantizeGroup, (const bf16* weights, std::size_t count, GroupCodes* out),
                  (weights, count, out));

// --- packing -------------------------------------------------------------------------------------

// One group of one output; `codes` holds values up to 15.
void storeGroup(const Weight& weight, std::size_t panel, std::size_t lane, std::size_t group,
                const std::uint8_t* codes, std::uint16_t scale, unsigned zero) {
  std::uint8_t* target =
      panelOf(weight, panel) + group * weight.groupSize / kCodeColumns * kByteLine + 4 * lane;
  for (std::size_t k = 0; k < weight.groupSize; k += kCodeColumns, target += kByteLine) {
    std::uint32_t low;
    std::uint32_t high;
    std::memcpy(&low, codes + k, 4);
    std::memcpy(&high, codes + k + 4, 4);
    low |= high << 4;
    std::memcpy(target, &low, 4);
  }
  scalesOf(weight, panel, group)[lane] = scale;
  std::uint8_t& both = zerosOf(weight, panel, group)[lane / 2];
  both = static_cast<std::uint8_t>(both | zero << (lane % 2 * 4));
}

void clearPanel(const Weight& weight, std::size_t panel) {
  const PanelBytes bytes = panelBytes(weight);
  std::memset(panelOf(weight, panel), 0, bytes.codes);
  std::memset(scalesOf(weight, panel, 0), 0, bytes.scales);
  std::memset(zerosOf(weight, panel, 0), 0, bytes.zeros);
}

// Calls store(lane, row, group) for every group of the panel's rows; the first problem ends it.
template <typename Store>
const char* overGroups(const Weight& weight, std::size_t panel, const Store& store) {
  clearPanel(weight, panel);
  const std::size_t first = panel * kPanelRows;
  for (std::size_t lane = 0; lane < kPanelRows && first + lane < weight.rows; lane++)
    for (std::size_t group = 0; group < weight.groups(); group++)
      if (const char* problem = store(lane, first + lane, group)) return problem;
  return nullptr;
}

const char* pack(const Weight& weight, std::size_t panel, const void* const* tensors) {
  const auto* codes = static_cast<const std::uint8_t*>(tensors[0]);
  const auto* scale = static_cast<const std::uint16_t*>(tensors[1]);
  const auto* zero = static_cast<const std::uint8_t*>(tensors[2]);
  return overGroups(weight, panel, [&](std::size_t lane, std::size_t row, std::size_t group) {
    const std::size_t at = row * weight.groups() + group;
    const std::uint8_t* from = codes + row * weight.columns + group * weight.groupSize;
    unsigned all = zero[at];
    for (std::size_t k = 0; k < weight.groupSize; k++) all |= from[k];
    if (all > 15) return "a code or a zero point is above 15";
    if ((scale[at] & 0x7c00u) == 0x7c00u) return "a scale is not finite";
    storeGroup(weight, panel, lane, group, from, scale[at], zero[at]);
    return static_cast<const char*>(nullptr);
  });
}

const char* quantize(const Weight& weight, std::size_t panel, const bf16* source) {
  return overGroups(weight, panel, [&](std::size_t lane, std::size_t row, std::size_t group) {
    GroupCodes result;
    if (!quantizeGroup(source + row * weight.columns + group * weight.groupSize, weight.groupSize,
                       &result))
      return "a weight is NaN or beyond 65504; awq quantizes values that F16 can hold";
    storeGroup(weight, panel, lane, group, result.codes, result.scale, result.zero);
    return static_cast<const char*>(nullptr);
  });
}

void dequantizeRow(const Weight& weight, std::size_t row, float* out) {
  const std::size_t panel = row / kPanelRows;
  const std::size_t lane = row % kPanelRows;
  for (std::size_t k = 0; k < weight.columns; k++) {
    const std::size_t group = k / weight.groupSize;
    const unsigned both =
        panelOf(weight, panel)[k / kCodeColumns * kByteLine + 4 * lane + k % 4];
    const int code = static_cast<int>(both >> (k % kCodeColumns / 4 * 4) & 15u);
    const int zero = zeroOf(zerosOf(weight, panel, group), lane);
    out[k] = static_cast<float>(code - zero) * f16ToFloat(scalesOf(weight, panel, group)[lane]);
  }
}

// A group's lines of nibbles to four BF16 lines each, in lanes of 32 bits: two weights of an output.
QUANTLAB_BODY void dequantizeGroupBody(const std::uint8_t* codes, std::size_t count,
                                       const std::int32_t* zeros, const float* scales, bf16* lines) {
  for (std::size_t i = 0; i < count; i++, codes += kByteLine) {
    std::uint32_t words[kPanelRows];
    std::memcpy(words, codes, kByteLine);
    for (std::size_t pair = 0; pair < kCodeColumns / 2; pair++, lines += kLineElements) {
      const std::size_t shift = pair % 2 * 16 + pair / 2 * 4;
      std::uint32_t line[kPanelRows];
      for (std::size_t o = 0; o < kPanelRows; o++) {
        const std::int32_t first = static_cast<std::int32_t>(words[o] >> shift & 15u) - zeros[o];
        const std::int32_t second =
            static_cast<std::int32_t>(words[o] >> (shift + 8) & 15u) - zeros[o];
        const std::uint32_t low = floatToBf16(static_cast<float>(first) * scales[o]);
        const std::uint32_t high = floatToBf16(static_cast<float>(second) * scales[o]);
        line[o] = low | high << 16;
      }
      std::memcpy(lines, line, sizeof line);
    }
  }
}
QUANTLAB_VARIANTS(void, dequantizeGroup,
                  (const std::uint8_t* codes, std::size_t count, const std::int32_t* zeros,
                   const float* scales, bf16* lines),
                  (codes, count, zeros, scales, lines));

void dequantizeLines(const Weight& weight, std::size_t panel, bf16* lines) {
  const std::size_t count = weight.groupSize / kCodeColumns;
  for (std::size_t group = 0; group < weight.groups(); group++) {
    std::int32_t zeros[kPanelRows];
    float scales[kPanelRows];
    for (std::size_t o = 0; o < kPanelRows; o++) {
      zeros[o] = zeroOf(zerosOf(weight, panel, group), o);
      scales[o] = f16ToFloat(scalesOf(weight, panel, group)[o]);
    }
    dequantizeGroup(panelOf(weight, panel) + group * count * kByteLine, count, zeros, scales,
                    lines + group * weight.groupSize / 2 * kLineElements);
  }
}

static RegisterFormat registered({
    .name = "awq",
    .tensors = {{"codes", ElementType::u8, Extent::weight},
                {"scale", ElementType::u16, Extent::group},
                {"zero", ElementType::u8, Extent::group}},
    .grouping = Grouping::always,
    .codes = Codes::nibbles,
    .pairMultiple = kCodeColumns / 2,
    .panelBytes = panelBytes,
    .pack = pack,
    .quantize = quantize,
    .dequantizeRow = dequantizeRow,
    .dequantizeLines = dequantizeLines,
    .quantizeActivations = nullptr,
    .rowScales = nullptr,
    .loops = nullptr,
});

}  // namespace
}  // namespace awq
}  // namespace quantlab
