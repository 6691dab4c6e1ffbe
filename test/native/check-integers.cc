// Products in whole numbers: how x becomes digits, in both layouts, and that products have the same bits under
// every instruction set of every machine.
#include <algorithm>
#include <cinttypes>

#include "check.h"
#include "digits.h"

namespace quantlab::check {
namespace {

constexpr std::size_t kTokens = 21;

// One row's number in column k, put together again from its digits.
int numberOf(const Digits& x, std::size_t digits, std::size_t row, std::size_t k) {
  const std::int8_t* at =
      x.values + row * x.stride + k / kStepColumns * kStepColumns * digits + k % kStepColumns;
  return digits == 1 ? at[0] : 128 * at[0] + at[kStepColumns];
}

// Where the high or only digit is in tiles; the low one is half a tile further.
std::size_t tileByte(const Weight& weight, std::size_t stride, std::size_t row, std::size_t k) {
  const std::size_t tokens = kDigitTileRows / digitCount(weight);
  const std::size_t columns = sectionColumns(weight);
  const std::size_t steps = (columns + kDigitTileColumns - 1) / kDigitTileColumns;
  const std::size_t step = k / columns * steps + k % columns / kDigitTileColumns;
  return row / tokens * stride + step * kDigitTileBytes + row % tokens * kDigitTileColumns +
         k % columns % kDigitTileColumns;
}

// Rows against fixed point or the format's codes, tiles against rows, sums against numbers.
int checkDigits(const Variant& variant, std::size_t columns) {
  const auto weight = quantized(variant, 5, columns, samples(5 * columns, 1));
  const auto x = samples(kTokens * columns, columns);
  const std::size_t digits = digitCount(*weight);
  const std::size_t width = std::min(sectionColumns(*weight), columns);
  const std::size_t sections = sectionsOf(*weight);
  std::vector<int> numbers(kTokens * columns);
  int failures = 0;
  const Digits rows = digitsOf(*weight, x.data(), kTokens, DigitLayout::rows);
  for (std::size_t row = 0; row < kTokens; row++) {
    for (std::size_t from = 0; from < columns; from += width) {
      const bf16* source = x.data() + row * columns + from;
      std::vector<std::int16_t> wanted(width);
      std::vector<bf16> rounded(width);
      float scale;
      if (digits == 2) {
        scale = fixedPoint(source, width, wanted.data());
      } else {
        weight->format->quantizeActivations(*weight, source, rounded.data(), &scale);
        for (std::size_t k = 0; k < width; k++)
          wanted[k] = static_cast<std::int16_t>(bf16ToFloat(rounded[k]));
      }
      std::int32_t sum = 0;
      for (std::size_t k = 0; k < width; k++) {
        numbers[row * columns + from + k] = numberOf(rows, digits, row, from + k);
        failures += numbers[row * columns + from + k] != wanted[k];
        sum += wanted[k];
      }
      failures += rows.sums[row * sections + from / width] != sum;
      failures += rows.scales[row * (digits == 2 ? sections : 1) + from / width] != scale;
    }
  }
  const Digits tiles = digitsOf(*weight, x.data(), kTokens, DigitLayout::tiles);
  for (std::size_t row = 0; row < kTokens; row++) {
    std::int64_t padded = 0;
    for (std::size_t k = 0; k < columns; k++) {
      const std::int8_t* at = tiles.values + tileByte(*weight, tiles.stride, row, k);
      const int found = digits == 1 ? at[0] : 128 * at[0] + at[kDigitTileBytes / 2];
      failures += found != numbers[row * columns + k];
      padded += std::abs(at[0]);
    }
    // What is in a row's tiles beside its columns is zeros.
    const std::size_t first = tileByte(*weight, tiles.stride, row, 0);
    const std::size_t end = first / tiles.stride * tiles.stride + tiles.stride - kDigitStrideGap;
    for (std::size_t at = first; at < end; at += kDigitTileBytes)
      for (std::size_t k = 0; k < kDigitTileColumns; k++) padded -= std::abs(tiles.values[at + k]);
    failures += padded != 0;
  }
  if (failures > 0)
    std::printf("FAILED digits of %s, %zu columns: %d differ\n", variant.name().c_str(), columns, failures);
  return failures;
}

// Every tail length of rows, columns and m.
std::uint64_t productBits(const Variant& variant) {
  Fingerprint print;
  const std::size_t step = variant.grouped ? 32 : 1;
  const auto one = [&](std::size_t rows, std::size_t columns, std::size_t m) {
    const auto weight = quantized(variant, rows, columns, samples(rows * columns, rows + columns, 0.1));
    std::vector<float> out(m * rows);
    LinearOutput output;
    output.single = out.data();
    linear(*weight, samples(m * columns, m).data(), m, output);
    print.add(out);
  };
  for (std::size_t length = 1; length <= 129; length++) {
    one(length, 96, 3);
    one(21, (length + step - 1) / step * step, 5);
    one(37, 64, length);
  }
  one(76, 1152, 300);
  return print.value();
}

}  // namespace

int checkIntegers() {
  int failures = 0;
  for (const Variant& variant : variants()) {
    if (variant.format.codes == Codes::floats) continue;
    for (std::size_t columns : {32, 64, 96, 128, 192, 640}) failures += checkDigits(variant, columns);
    if (!variant.grouped)
      for (std::size_t columns : {1, 3, 5, 63, 65, 255, 257}) failures += checkDigits(variant, columns);
    const std::uint64_t expected = variant.grouped ? 0xa2f6cb0af04d670aull : 0x002d374c836cc3e7ull;
    const std::uint64_t found = productBits(variant);
    if (found == expected) continue;
    failures++;
    std::printf("FAILED bits of %s's products: 0x%016" PRIx64 "ull, expected 0x%016" PRIx64 "ull\n",
                variant.name().c_str(), found, expected);
  }
  if (failures == 0) std::printf("products in whole numbers: the expected digits and bits\n");
  return failures;
}

}  // namespace quantlab::check
