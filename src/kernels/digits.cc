// Rows of x to fixed point or to a format's codes, and from there to digits as the loops read them.
#include "digits.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "dispatch.h"
#include "float16.h"
#include "largest.h"
#include "pool.h"

namespace quantlab {
namespace {

constexpr float kQuietNan = std::numeric_limits<float>::quiet_NaN();
constexpr int kDigitBits = 7;
constexpr std::size_t kChunkColumns = 256;  // split into digits at once; whole tiles

// x / unit * 2^13: two exact steps, because the factor itself may be beyond FP32.
QUANTLAB_BODY float fixedPointOfBody(const bf16* x, std::size_t count, std::int16_t* numbers) {
  const std::uint32_t exponent = largestBitsBody(x, count) >> 7;
  if (exponent == 255) {
    std::memset(numbers, 0, count * sizeof(std::int16_t));
    return kQuietNan;
  }
  const float unit = bitsFloat((exponent == 0 ? 1 : exponent) << 23);
  const float inverse = 1.0f / unit;
  for (std::size_t i = 0; i < count; i++)
    numbers[i] = static_cast<std::int16_t>(
        static_cast<std::int32_t>(roundHalfEven(bf16ToFloat(x[i]) * inverse * 0x1p13f)));
  return unit * 0x1p-13f;
}
QUANTLAB_VARIANTS(float, fixedPointOf, (const bf16* x, std::size_t count, std::int16_t* numbers),
                  (x, count, numbers));

QUANTLAB_BODY void wholeBody(const bf16* values, std::size_t count, std::int16_t* numbers) {
  for (std::size_t i = 0; i < count; i++)
    numbers[i] = static_cast<std::int16_t>(static_cast<std::int32_t>(bf16ToFloat(values[i])));
}
QUANTLAB_VARIANTS(void, whole, (const bf16* values, std::size_t count, std::int16_t* numbers),
                  (values, count, numbers));

QUANTLAB_BODY std::int32_t sumOfBody(const std::int16_t* numbers, std::size_t count) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < count; i++) sum += numbers[i];
  return sum;
}
QUANTLAB_VARIANTS(std::int32_t, sumOf, (const std::int16_t* numbers, std::size_t count),
                  (numbers, count));

QUANTLAB_BODY void narrowBody(const std::int16_t* numbers, std::size_t count, std::int8_t* digits) {
  for (std::size_t i = 0; i < count; i++) digits[i] = static_cast<std::int8_t>(numbers[i]);
}
QUANTLAB_VARIANTS(void, narrow,
                  (const std::int16_t* numbers, std::size_t count, std::int8_t* digits),
                  (numbers, count, digits));

// number = 128 * high + low: high is the nearest, but at most 127; low is from -64 to 64.
QUANTLAB_BODY void splitBody(const std::int16_t* numbers, std::size_t count, std::int8_t* high,
                             std::int8_t* low) {
  for (std::size_t i = 0; i < count; i++) {
    const std::int32_t nearest = (numbers[i] + (1 << (kDigitBits - 1))) >> kDigitBits;
    const std::int32_t upper = nearest > 127 ? 127 : nearest;
    high[i] = static_cast<std::int8_t>(upper);
    low[i] = static_cast<std::int8_t>(numbers[i] - (upper << kDigitBits));
  }
}
QUANTLAB_VARIANTS(void, split,
                  (const std::int16_t* numbers, std::size_t count, std::int8_t* high,
                   std::int8_t* low),
                  (numbers, count, high, low));

// Grows to what the calling thread has needed so far: an engine's largest step.
struct Memory {
  Block values;
  Block scales;
  Block sums;

  static void grow(Block& block, std::size_t bytes) {
    if (block.bytes() < bytes) block = Block(bytes, MemoryKind::buffer);
  }
};

Memory& memory() {
  thread_local Memory own;
  return own;
}

// Where the digits of one row go.
struct RowTarget {
  std::int8_t* first;
  std::size_t digits;
  DigitLayout layout;
};

// Columns [begin, begin + count) of a section that starts at `target`; count is at most kChunkColumns.
void storeRow(const std::int16_t* numbers, std::size_t begin, std::size_t count,
              const RowTarget& target) {
  std::int8_t* at = target.first + begin * target.digits;
  if (target.digits == 1) return narrow(numbers, count, at);
  alignas(64) std::int8_t high[kChunkColumns];
  alignas(64) std::int8_t low[kChunkColumns];
  split(numbers, count, high, low);
  for (std::size_t k = 0; k < count; k += kStepColumns, at += 2 * kStepColumns) {
    std::memcpy(at, high + k, kStepColumns);
    std::memcpy(at + kStepColumns, low + k, kStepColumns);
  }
}

// The same into rows of tiles; what is left of the last tile becomes zeros.
void storeTiles(const std::int16_t* numbers, std::size_t begin, std::size_t count,
                const RowTarget& target) {
  alignas(64) std::int8_t high[kChunkColumns] = {};
  alignas(64) std::int8_t low[kChunkColumns] = {};
  if (target.digits == 1)
    narrow(numbers, count, high);
  else
    split(numbers, count, high, low);
  std::int8_t* at = target.first + begin / kDigitTileColumns * kDigitTileBytes;
  for (std::size_t k = 0; k < count; k += kDigitTileColumns, at += kDigitTileBytes) {
    std::memcpy(at, high + k, kDigitTileColumns);
    if (target.digits == 2) std::memcpy(at + kDigitTileBytes / 2, low + k, kDigitTileColumns);
  }
}

void store(const std::int16_t* numbers, std::size_t count, const RowTarget& target) {
  for (std::size_t begin = 0; begin < count; begin += kChunkColumns) {
    const std::size_t some = std::min(kChunkColumns, count - begin);
    if (target.layout == DigitLayout::rows)
      storeRow(numbers + begin, begin, some, target);
    else
      storeTiles(numbers + begin, begin, some, target);
  }
}

// How digits lie.
struct Shape {
  std::size_t digits;
  std::size_t columns;       // of a section
  std::size_t sections;
  std::size_t tokens;        // rows of x that share a stride
  std::size_t rowBytes;      // from one of these to the next
  std::size_t sectionBytes;  // from one section of a row to the next
  std::size_t stride;

  std::size_t at(std::size_t row, std::size_t section) const {
    return row / tokens * stride + row % tokens * rowBytes + section * sectionBytes;
  }
};

Shape shapeOf(const Weight& weight, DigitLayout layout) {
  const std::size_t digits = digitCount(weight);
  const std::size_t columns = sectionColumns(weight);
  const std::size_t sections = sectionsOf(weight);
  if (layout == DigitLayout::rows)
    return {digits, columns, sections, 1, 0, digits * columns, digits * 2 * weight.pairs};
  const auto tileBytes = [](std::size_t count) {
    return (count + kDigitTileColumns - 1) / kDigitTileColumns * kDigitTileBytes;
  };
  const std::size_t before = (sections - 1) * tileBytes(columns);
  const std::size_t last = tileBytes(weight.columns - (sections - 1) * columns);
  return {digits,           columns, sections, kDigitTileRows / digits, kDigitTileColumns, tileBytes(columns),
          before + last + kDigitStrideGap};
}

// One row: its numbers, and its scales.
void numbersOf(const Weight& weight, const bf16* x, std::int16_t* numbers, float* scales) {
  if (const auto quantize = weight.format->quantizeActivations) {
    thread_local std::vector<bf16> rounded;
    rounded.resize(weight.columns);
    quantize(weight, x, rounded.data(), scales);
    // A NaN or infinity in the row: it has no codes, and every output is NaN.
    if (!std::isfinite(scales[0])) {
      scales[0] = kQuietNan;
      return std::fill(numbers, numbers + weight.columns, std::int16_t{0});
    }
    return whole(rounded.data(), weight.columns, numbers);
  }
  const std::size_t columns = sectionColumns(weight);
  for (std::size_t section = 0; section < sectionsOf(weight); section++)
    scales[section] = fixedPointOf(x + section * columns,
                                   std::min(columns, weight.columns - section * columns),
                                   numbers + section * columns);
}

}  // namespace

float fixedPoint(const bf16* x, std::size_t count, std::int16_t* numbers) {
  return fixedPointOf(x, count, numbers);
}

Digits digitsOf(const Weight& weight, const bf16* x, std::size_t m, DigitLayout layout) {
  const Shape shape = shapeOf(weight, layout);
  Memory& own = memory();
  const std::size_t rowScales = shape.digits == 1 ? 1 : shape.sections;
  Memory::grow(own.values, (m + shape.tokens - 1) / shape.tokens * shape.stride);
  Memory::grow(own.scales, m * rowScales * sizeof(float));
  Memory::grow(own.sums, m * shape.sections * sizeof(std::int32_t));
  auto* const values = own.values.as<std::int8_t>();
  auto* const scales = own.scales.as<float>();
  auto* const sums = own.sums.as<std::int32_t>();
  const std::size_t padded = 2 * weight.pairs;
  parallelFor(m, std::max<std::size_t>(1, 8192 / padded), [&](std::size_t begin, std::size_t end) {
    thread_local std::vector<std::int16_t> numbers;
    numbers.assign(padded, 0);
    for (std::size_t row = begin; row < end; row++) {
      numbersOf(weight, x + row * weight.columns, numbers.data(), scales + row * rowScales);
      for (std::size_t section = 0; section < shape.sections; section++) {
        const std::int16_t* from = numbers.data() + section * shape.columns;
        const std::size_t count = std::min(shape.columns, padded - section * shape.columns);
        sums[row * shape.sections + section] = sumOf(from, count);
        store(from, count, {values + shape.at(row, section), shape.digits, layout});
      }
    }
  });
  return {values, shape.stride, scales, sums};
}

}  // namespace quantlab
