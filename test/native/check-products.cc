// The matmul of every format against FP64 sums of the dequantized weights.
#include <algorithm>
#include <cmath>

#include "check.h"

namespace quantlab::check {
namespace {

// What the format makes of x, in FP64.
std::vector<double> activations(const Weight& weight, const std::vector<bf16>& x, std::size_t m) {
  const std::size_t columns = weight.columns;
  std::vector<double> values(m * columns);
  std::vector<bf16> rounded(columns);
  std::vector<float> scales(std::max<std::size_t>(1, weight.groups()), 1.0f);
  for (std::size_t row = 0; row < m; row++) {
    const bf16* source = x.data() + row * columns;
    if (weight.format->quantizeActivations != nullptr) {
      weight.format->quantizeActivations(weight, source, rounded.data(), scales.data());
      source = rounded.data();
    }
    for (std::size_t k = 0; k < columns; k++)
      values[row * columns + k] = static_cast<double>(bf16ToFloat(source[k])) *
                                  scales[weight.groupSize == 0 ? 0 : k / weight.groupSize];
  }
  return values;
}

// How far the kernel may be from x itself: products of nibbles take it in fixed point, which is exact down
// to 1/64 of a group's largest, and below that off by half of 2^-13 of the power of two at or below the largest.
std::vector<double> allowances(const Weight& weight, const std::vector<bf16>& x) {
  std::vector<double> allowed(x.size());
  if (weight.format->codes != Codes::nibbles || weight.isPlain) return allowed;
  for (std::size_t from = 0; from < x.size(); from += weight.groupSize) {
    double largest = 0;
    for (std::size_t k = from; k < from + weight.groupSize; k++)
      largest = std::max(largest, std::fabs(static_cast<double>(bf16ToFloat(x[k]))));
    for (std::size_t k = from; k < from + weight.groupSize; k++)
      if (std::fabs(static_cast<double>(bf16ToFloat(x[k]))) < largest / 64)
        allowed[k] = std::exp2(std::floor(std::log2(largest)) - 14);
  }
  return allowed;
}

// Largest error over (columns + 4) 2^-24 times the sum of magnitudes, and what x's fixed point may cost: at
// most 1. In a group two more roundings, of the scales.
double worstError(const Variant& variant, std::size_t rows, std::size_t columns, std::size_t m,
                  bool isPlain = false) {
  const Format& format = variant.format;
  const auto weight = quantized(variant, rows, columns, samples(rows * columns, rows + columns));
  weight->isPlain = isPlain;
  const auto x = samples(m * columns, m + 7);
  const auto values = activations(*weight, x, m);
  const auto allowed = allowances(*weight, x);
  std::vector<float> out(m * rows);
  LinearOutput output;
  output.single = out.data();
  linear(*weight, x.data(), m, output);
  std::vector<float> row(columns);
  double worst = 0;
  for (std::size_t n = 0; n < rows; n++) {
    format.dequantizeRow(*weight, n, row.data());
    if (isPlain)
      for (float& value : row) value = bf16ToFloat(floatToBf16(value));
    for (std::size_t i = 0; i < m; i++) {
      double sum = 0;
      double magnitude = 0;
      double fixed = 0;
      for (std::size_t k = 0; k < columns; k++) {
        const double product = values[i * columns + k] * row[k];
        sum += product;
        magnitude += std::fabs(product);
        fixed += allowed[i * columns + k] * std::fabs(static_cast<double>(row[k]));
      }
      const double bound =
          static_cast<double>(columns + (variant.grouped ? 8 : 4)) * 0x1p-24 * magnitude + fixed;
      const double error = std::fabs(out[i * rows + n] - sum);
      if (!(error <= bound)) worst = std::max(worst, bound > 0 ? error / bound : 1e9);
      else if (bound > 0) worst = std::max(worst, error / bound);
    }
  }
  return worst;
}

}  // namespace

int checkProducts() {
  int failures = 0;
  for (const Variant& variant : variants()) {
    double worst = 0;
    const auto one = [&](std::size_t rows, std::size_t columns, std::size_t m, bool isPlain = false) {
      const std::size_t whole = variant.format.grouping == Grouping::always ? (columns + 31) / 32 * 32 : columns;
      const double error = worstError(variant, rows, whole, m, isPlain);
      worst = std::max(worst, error);
      if (!(error <= 1)) {
        failures++;
        std::printf("FAILED %s%s rows %zu columns %zu m %zu: error %.3g of the bound\n", variant.name().c_str(),
                    isPlain ? " plain" : "", rows, whole, m, error);
      }
    };
    for (std::size_t length = 1; length <= 129; length++) {
      one(length, 96, 3);
      one(21, length, 5);
      one(37, 64, length);
    }
    // Several blocks of columns, a quad of panels and a part of one, more rows than a block of x holds.
    for (std::size_t columns : {640, 1152, 2047, 2048})
      for (std::size_t m : {1, 4, 16, 17, 31, 33}) one(76, columns, m);
    for (std::size_t columns : {640, 1152}) one(76, columns, 300);
    // The plain kernel's memory is that of the largest weight so far.
    if (variant.format.dequantizeLines != nullptr)
      for (std::size_t columns : {2048, 640, 64})
        for (std::size_t m : {1, 16, 33}) one(columns == 2048 ? 300 : 76, columns, m, true);
    std::printf("%s: largest error %.3f of the bound\n", variant.name().c_str(), worst);
  }
  return failures;
}

}  // namespace quantlab::check
