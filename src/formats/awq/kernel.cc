// AWQ-INT4: codes minus zero points, exact in BF16, times 16-bit activations; a scale a group on the sums.
#include <cmath>
#include <cstring>

#include "dispatch.h"
#include "float16.h"
#include "lines.h"

namespace quantlab {
namespace awq {
namespace {

PanelBytes panelBytes(const Weight& weight) {
  return {weight.columns / kCodeColumns * kCodeBytes,
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

// Four nibbles from the even bytes of eight codes.
std::uint16_t evenNibbles(std::uint64_t codes) {
  const std::uint64_t even = codes & 0x000f000f000f000full;
  return static_cast<std::uint16_t>(even | even >> 12 | even >> 24 | even >> 36);
}

// One group of one output; `codes` holds values up to 15.
void storeGroup(const Weight& weight, std::size_t panel, std::size_t lane, std::size_t group,
                const std::uint8_t* codes, std::uint16_t scale, unsigned zero) {
  std::uint16_t* word =
      panelOf(weight, panel) + group * weight.groupSize / kCodeColumns * kLineElements + 2 * lane;
  for (std::size_t k = 0; k < weight.groupSize; k += kCodeColumns, word += kLineElements) {
    std::uint64_t eight;
    std::memcpy(&eight, codes + k, 8);
    word[0] = evenNibbles(eight);
    word[1] = evenNibbles(eight >> 8);
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
    const unsigned word =
        panelOf(weight, panel)[k / kCodeColumns * kLineElements + 2 * lane + k % 2];
    const int code = static_cast<int>(word >> (k % kCodeColumns / 2 * 4) & 15u);
    const int zero = static_cast<int>(zeroOf(zerosOf(weight, panel, group), lane));
    out[k] = static_cast<float>(code - zero) * f16ToFloat(scalesOf(weight, panel, group)[lane]);
  }
}

const FormatLoops& loops() {
  static const FormatLoops& active = QUANTLAB_LOOPS(Loops);
  return active;
}

static RegisterFormat registered({
    .name = "awq",
    .tensors = {{"codes", ElementType::u8, Extent::weight},
                {"scale", ElementType::u16, Extent::group},
                {"zero", ElementType::u8, Extent::group}},
    .grouping = Grouping::always,
    .pairMultiple = kCodeColumns / 2,
    .panelBytes = panelBytes,
    .pack = pack,
    .quantize = quantize,
    .dequantizeRow = dequantizeRow,
    .quantizeActivations = nullptr,
    .rowScales = nullptr,
    .loops = loops,
});

}  // namespace
}  // namespace awq
}  // namespace quantlab
