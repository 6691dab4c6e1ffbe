// AWQ's inner work: groups to 4-bit codes, the error that makes, and the search for where to cut.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "dispatch.h"
#include "float16.h"
#include "matmul.h"
#include "pool.h"
#include "quantize.h"

namespace quantlab {
namespace {

constexpr std::size_t kLanes = 16;
constexpr std::size_t kSteps = 10;  // candidates of the limit search

// Sixteen numbers that the compiler keeps in as few registers as the instruction set allows.
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));

[[gnu::always_inline]] inline Lanes loadLanes(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof(Lanes));
  return lanes;
}
constexpr float kSmallestRange = 1.00135803e-05f;  // 1e-5 in F16, as in AutoAWQ

struct Extremes {
  float low;
  float high;
};

// Smallest and largest, zero included. Group sizes are multiples of 16.
[[gnu::always_inline]] inline Extremes extremesOf(const float* values, std::size_t count) {
  float low[kLanes] = {};
  float high[kLanes] = {};
  for (std::size_t i = 0; i < count; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; lane++) {
      const float value = values[i + lane];
      low[lane] = value < low[lane] ? value : low[lane];
      high[lane] = value > high[lane] ? value : high[lane];
    }
  }
  Extremes all{0, 0};
  for (std::size_t lane = 0; lane < kLanes; lane++) {
    all.low = low[lane] < all.low ? low[lane] : all.low;
    all.high = high[lane] > all.high ? high[lane] : all.high;
  }
  return all;
}

struct GroupParameters {
  float scale;
  float zero;
};

[[gnu::always_inline]] inline GroupParameters parametersOf(Extremes extremes, const GroupRule& rule) {
  const float reach = std::max(-extremes.low, extremes.high);
  const float range = std::max(rule.symmetric ? 2 * reach : extremes.high - extremes.low, kSmallestRange);
  const float exact = range / 15.0f;
  const float scale = roundToF16(rule.bf16Scales ? bf16ToFloat(floatToBf16(exact)) : exact);
  if (rule.symmetric) return {scale, 8};
  return {scale, std::min(15.0f, std::max(0.0f, roundHalfEven(-extremes.low / scale)))};
}

// codes as floats: clamp(round(clamp(value, +-limit) / scale) + zero, 0, 15).
[[gnu::always_inline]] inline void codesOf(const float* values, std::size_t count, float limit,
                                           GroupParameters parameters, float* codes) {
  for (std::size_t i = 0; i < count; i++) {
    float value = values[i];
    value = value > limit ? limit : value;
    value = value < -limit ? -limit : value;
    const float code = roundHalfEven(value / parameters.scale) + parameters.zero;
    const float above = code > 15.0f ? 15.0f : code;
    codes[i] = above < 0.0f ? 0.0f : above;
  }
}

[[gnu::always_inline]] inline Extremes cut(Extremes extremes, float limit) {
  return {std::max(extremes.low, -limit), std::min(extremes.high, limit)};
}

[[gnu::always_inline]] inline void scaledRow(const ScaledMatrix& matrix, std::size_t row,
                                             std::size_t first, std::size_t count, float rowScale,
                                             float* values) {
  const bf16* weight = matrix.weight + row * matrix.columns + first;
  const float* scale = matrix.columnScale + first;
  for (std::size_t k = 0; k < count; k++) values[k] = bf16ToFloat(weight[k]) * scale[k] * rowScale;
}

QUANTLAB_BODY void quantizeRowBody(const ScaledMatrix& matrix, const GroupRule& rule, std::size_t row,
                                   const float* limit, std::uint8_t* codes, std::uint16_t* scale,
                                   std::uint8_t* zero) {
  float values[128];
  float rounded[128];
  for (std::size_t g = 0; g < matrix.columns / rule.size; g++) {
    scaledRow(matrix, row, g * rule.size, rule.size, matrix.rowScale[row], values);
    const Extremes extremes = cut(extremesOf(values, rule.size), limit[g]);
    const GroupParameters parameters = parametersOf(extremes, rule);
    codesOf(values, rule.size, limit[g], parameters, rounded);
    for (std::size_t i = 0; i < rule.size; i++)
      codes[g * rule.size + i] = static_cast<std::uint8_t>(static_cast<int>(rounded[i]));
    scale[g] = f16Bits(parameters.scale);
    zero[g] = static_cast<std::uint8_t>(parameters.zero);
  }
}
QUANTLAB_VARIANTS(void, quantizeRow,
                  (const ScaledMatrix& matrix, const GroupRule& rule, std::size_t row,
                   const float* limit, std::uint8_t* codes, std::uint16_t* scale, std::uint8_t* zero),
                  (matrix, rule, row, limit, codes, scale, zero));

// error[k] = quantized / columnScale - weight, as BF16.
QUANTLAB_BODY void errorRowBody(const ScaledMatrix& matrix, const GroupRule& rule, std::size_t row,
                                bf16* error) {
  float values[128];
  float rounded[128];
  for (std::size_t g = 0; g < matrix.columns / rule.size; g++) {
    const std::size_t first = g * rule.size;
    scaledRow(matrix, row, first, rule.size, 1.0f, values);
    const GroupParameters parameters = parametersOf(extremesOf(values, rule.size), rule);
    codesOf(values, rule.size, std::numeric_limits<float>::max(), parameters, rounded);
    for (std::size_t i = 0; i < rule.size; i++) {
      const float quantized = (rounded[i] - parameters.zero) * parameters.scale;
      error[first + i] = floatToBf16((quantized - values[i]) / matrix.columnScale[first + i]);
    }
  }
}
QUANTLAB_VARIANTS(void, errorRow,
                  (const ScaledMatrix& matrix, const GroupRule& rule, std::size_t row, bf16* error),
                  (matrix, rule, row, error));

// e' G e of each candidate's error, 16 columns of G at a time, so that its rows are read once for all.
[[gnu::always_inline]] inline void quadraticForms(const float (&errors)[kSteps][128], const float* gram,
                                                  std::size_t size, float (&forms)[kSteps]) {
  Lanes totals[kSteps] = {};
  for (std::size_t j = 0; j < size; j += kLanes) {
    Lanes products[kSteps] = {};
    for (std::size_t i = 0; i < size; i++) {
      const Lanes row = loadLanes(gram + i * size + j);
#pragma GCC unroll 10
      for (std::size_t step = 0; step < kSteps; step++) products[step] += errors[step][i] * row;
    }
#pragma GCC unroll 10
    for (std::size_t step = 0; step < kSteps; step++)
      totals[step] += loadLanes(errors[step] + j) * products[step];
  }
  for (std::size_t step = 0; step < kSteps; step++) {
    forms[step] = 0;
    for (std::size_t lane = 0; lane < kLanes; lane++) forms[step] += totals[step][lane];
  }
}

QUANTLAB_BODY float bestLimitBody(const ScaledMatrix& matrix, const GroupRule& rule, std::size_t row,
                                  std::size_t first, const float* gram) {
  float values[128];
  float errors[kSteps][128];
  float limits[kSteps];
  float forms[kSteps];
  scaledRow(matrix, row, first, rule.size, matrix.rowScale[row], values);
  const Extremes extremes = extremesOf(values, rule.size);
  const float reach = std::max(-extremes.low, extremes.high);
  for (std::size_t step = 0; step < kSteps; step++) {
    limits[step] = reach * (1.0f - static_cast<float>(step) / 20.0f);
    const GroupParameters parameters = parametersOf(cut(extremes, limits[step]), rule);
    float* error = errors[step];
    codesOf(values, rule.size, limits[step], parameters, error);
    for (std::size_t i = 0; i < rule.size; i++) {
      const float quantized = (error[i] - parameters.zero) * parameters.scale;
      error[i] = (quantized - values[i]) / matrix.columnScale[first + i];
    }
  }
  quadraticForms(errors, gram, rule.size, forms);
  std::size_t best = 0;
  for (std::size_t step = 1; step < kSteps; step++)
    if (forms[step] < forms[best]) best = step;
  return limits[best];
}
QUANTLAB_VARIANTS(float, bestLimit,
                  (const ScaledMatrix& matrix, const GroupRule& rule, std::size_t row,
                   std::size_t first, const float* gram),
                  (matrix, rule, row, first, gram));

// Moves codes of a block of groups by single steps where that makes e' G e smaller, G [width, width],
// until none does or 8 passes are over.
QUANTLAB_BODY void descendBlockBody(const ScaledMatrix& matrix, const GroupRule& rule, std::size_t row,
                                    std::size_t first, std::size_t width, const float* gram,
                                    const std::uint16_t* scale, const std::uint8_t* zero,
                                    std::uint8_t* codes) {
  float errors[kMostGramWidth];
  float steps[kMostGramWidth];
  float slope[kMostGramWidth] = {};  // G e
  scaledRow(matrix, row, first, width, matrix.rowScale[row], errors);
  for (std::size_t i = 0; i < width; i++) {
    const float groupScale = f16ToFloat(scale[i / rule.size]);
    const float quantized =
        (static_cast<float>(codes[i]) - static_cast<float>(zero[i / rule.size])) * groupScale;
    errors[i] = (quantized - errors[i]) / matrix.columnScale[first + i];
    steps[i] = groupScale / matrix.columnScale[first + i];
  }
  for (std::size_t i = 0; i < width; i++)
    for (std::size_t j = 0; j < width; j++) slope[j] += errors[i] * gram[i * width + j];
  for (int pass = 0; pass < 8; pass++) {
    bool moved = false;
    for (std::size_t i = 0; i < width; i++) {
      const float step = steps[i];
      const float curvature = step * step * gram[i * width + i];
      const float direction = slope[i] > 0 ? -1.0f : 1.0f;
      const float change = 2.0f * step * direction * slope[i] + curvature;
      const int next = codes[i] + static_cast<int>(direction);
      // A thousandth of the curvature, so that rounding of the sums cannot make it go round in circles.
      if (!(change < -1e-3f * curvature) || next < 0 || next > 15) continue;
      codes[i] = static_cast<std::uint8_t>(next);
      const float delta = step * direction;
      for (std::size_t j = 0; j < width; j++) slope[j] += delta * gram[i * width + j];
      moved = true;
    }
    if (!moved) break;
  }
}
QUANTLAB_VARIANTS(void, descendBlock,
                  (const ScaledMatrix& matrix, const GroupRule& rule, std::size_t row,
                   std::size_t first, std::size_t width, const float* gram,
                   const std::uint16_t* scale, const std::uint8_t* zero, std::uint8_t* codes),
                  (matrix, rule, row, first, width, gram, scale, zero, codes));

// gram += outer products of 16 tokens; x [kLanes, size]. Four rows of the result at a time.
QUANTLAB_BODY void addOuterBody(const float* x, std::size_t size, float* gram) {
  for (std::size_t i = 0; i < size; i += 4) {
    for (std::size_t j = 0; j < size; j += kLanes) {
      Lanes sums[4];
#pragma GCC unroll 4
      for (std::size_t r = 0; r < 4; r++) sums[r] = loadLanes(gram + (i + r) * size + j);
      for (std::size_t token = 0; token < kLanes; token++) {
        const Lanes row = loadLanes(x + token * size + j);
#pragma GCC unroll 4
        for (std::size_t r = 0; r < 4; r++) sums[r] += x[token * size + i + r] * row;
      }
#pragma GCC unroll 4
      for (std::size_t r = 0; r < 4; r++) std::memcpy(gram + (i + r) * size + j, &sums[r], sizeof(Lanes));
    }
  }
}
QUANTLAB_VARIANTS(void, addOuter, (const float* x, std::size_t size, float* gram), (x, size, gram));

QUANTLAB_BODY void addRowMagnitudesBody(const bf16* x, std::size_t count, bool relative, float* sums) {
  float divisor = 1.0f;
  if (relative) {
    std::uint16_t largest = 0;
    for (std::size_t i = 0; i < count; i++) {
      const std::uint16_t magnitude = x[i] & 0x7fffu;
      largest = magnitude > largest ? magnitude : largest;
    }
    divisor = bf16ToFloat(largest) + 1e-6f;
  }
  for (std::size_t i = 0; i < count; i++)
    sums[i] += bf16ToFloat(static_cast<bf16>(x[i] & 0x7fffu)) / divisor;
}
QUANTLAB_VARIANTS(void, addRowMagnitudes,
                  (const bf16* x, std::size_t count, bool relative, float* sums),
                  (x, count, relative, sums));

// Calls visit(row, block of columns) on all threads, rows of a block together: they share a Gram matrix.
template <typename Visit>
void forEachBlock(const ScaledMatrix& matrix, std::size_t width, const Visit& visit) {
  constexpr std::size_t kBand = 64;
  const std::size_t blocks = matrix.columns / width;
  const std::size_t bands = (matrix.rows + kBand - 1) / kBand;
  parallelFor(blocks * bands, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t item = begin; item < end; item++) {
      const std::size_t first = item % bands * kBand;
      for (std::size_t row = first; row < std::min(first + kBand, matrix.rows); row++)
        visit(row, item / bands);
    }
  });
}

// A BF16 matrix packed for the matmul.
Weight packedBf16(const bf16* values, std::size_t rows, std::size_t columns) {
  const Format* format = formatNamed("bf16");
  Weight weight{};
  weight.format = format;
  weight.rows = rows;
  weight.columns = columns;
  weight.pairs = (columns + 1) / 2;
  weight.codes = Block(weight.panels() * format->panelBytes(weight).codes, MemoryKind::weight);
  const void* tensors[] = {values};
  packPanels(weight, tensors);
  return weight;
}

}  // namespace

void quantizeInt4(const ScaledMatrix& matrix, const GroupRule& rule, const float* limit,
                  std::uint8_t* codes, std::uint16_t* scale, std::uint8_t* zero) {
  const std::size_t groups = matrix.columns / rule.size;
  parallelFor(matrix.rows, 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; row++)
      quantizeRow(matrix, rule, row, limit + row * groups, codes + row * matrix.columns,
                  scale + row * groups, zero + row * groups);
  });
}

double outputError(const ScaledMatrix& matrix, const GroupRule& rule, const bf16* x,
                   std::size_t tokens) {
  Block error(matrix.rows * matrix.columns * sizeof(bf16), MemoryKind::buffer);
  parallelFor(matrix.rows, 4, [&](std::size_t begin, std::size_t end) {
    for (std::size_t row = begin; row < end; row++)
      errorRow(matrix, rule, row, error.as<bf16>() + row * matrix.columns);
  });
  const Weight packed = packedBf16(error.as<bf16>(), matrix.rows, matrix.columns);
  error.reset();
  const Block out(tokens * matrix.rows * sizeof(float), MemoryKind::buffer);
  LinearOutput target;
  target.single = out.as<float>();
  linear(packed, x, tokens, target);
  // Token by token, then in order: the same sum whatever the number of threads.
  std::vector<double> sums(tokens);
  parallelFor(tokens, 16, [&](std::size_t begin, std::size_t end) {
    for (std::size_t token = begin; token < end; token++) {
      const float* row = out.as<float>() + token * matrix.rows;
      double sum = 0;
      for (std::size_t n = 0; n < matrix.rows; n++) sum += static_cast<double>(row[n]) * row[n];
      sums[token] = sum;
    }
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return total;
}

void descendCodes(const ScaledMatrix& matrix, const GroupRule& rule, std::size_t width,
                  const float* gram, const std::uint16_t* scale, const std::uint8_t* zero,
                  std::uint8_t* codes) {
  const std::size_t groups = matrix.columns / rule.size;
  forEachBlock(matrix, width, [&](std::size_t row, std::size_t block) {
    const std::size_t first = block * width;
    const std::size_t group = row * groups + first / rule.size;
    descendBlock(matrix, rule, row, first, width, gram + first * width, scale + group, zero + group,
                 codes + row * matrix.columns + first);
  });
}

void searchLimits(const ScaledMatrix& matrix, const GroupRule& rule, const float* gram, float* limit) {
  const std::size_t groups = matrix.columns / rule.size;
  forEachBlock(matrix, rule.size, [&](std::size_t row, std::size_t g) {
    limit[row * groups + g] =
        bestLimit(matrix, rule, row, g * rule.size, gram + g * rule.size * rule.size);
  });
}

void addGram(const bf16* x, std::size_t tokens, std::size_t columns, std::size_t groupSize,
             float* gram) {
  parallelFor(columns / groupSize, 1, [&](std::size_t begin, std::size_t end) {
    std::vector<float> batch(kLanes * groupSize);
    for (std::size_t g = begin; g < end; g++) {
      for (std::size_t first = 0; first < tokens; first += kLanes) {
        std::fill(batch.begin(), batch.end(), 0.0f);
        for (std::size_t token = first; token < std::min(first + kLanes, tokens); token++)
          for (std::size_t i = 0; i < groupSize; i++)
            batch[(token - first) * groupSize + i] = bf16ToFloat(x[token * columns + g * groupSize + i]);
        addOuter(batch.data(), groupSize, gram + g * groupSize * groupSize);
      }
    }
  });
}

void addMagnitudes(const bf16* x, std::size_t rows, std::size_t columns, std::size_t groupSize,
                   float* sums) {
  const bool relative = groupSize > 0;
  const std::size_t width = relative ? groupSize : std::min<std::size_t>(columns, 256);
  parallelFor((columns + width - 1) / width, 1, [&](std::size_t begin, std::size_t end) {
    for (std::size_t part = begin; part < end; part++) {
      const std::size_t first = part * width;
      const std::size_t count = std::min(width, columns - first);
      for (std::size_t row = 0; row < rows; row++)
        addRowMagnitudes(x + row * columns + first, count, relative, sums + first);
    }
  });
}

}  // namespace quantlab
