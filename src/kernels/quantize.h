// Quantizing whole matrices into canonical tensors, and the searches that precede it.
#pragma once
#include <cstddef>
#include <cstdint>

#include "memory.h"

namespace quantlab {

// E4M3 codes and one FP32 scale a tile, spread over the tile's rows: scale [rows, tiles a row]. A tile's
// absolute maximum counts as `floor` at least. False on NaN or infinity.
bool quantizeE4m3(const bf16* weight, std::size_t rows, std::size_t columns, std::size_t tileRows,
                  std::size_t tileColumns, float floor, std::uint8_t* codes, float* scale);

// value[n, k] = weight[n, k] * columnScale[k] * rowScale[n], in FP32.
struct ScaledMatrix {
  const bf16* weight;
  std::size_t rows;
  std::size_t columns;
  const float* columnScale;
  const float* rowScale;
};

// How a group of columns of a row becomes 4-bit codes. Scales are F16 numbers, or BF16 ones that F16
// holds.
struct GroupRule {
  std::size_t size;
  bool bf16Scales;
  bool symmetric;
};

// Codes, F16 scale bits and zero points; values beyond +-limit [rows, groups] are cut first.
void quantizeInt4(const ScaledMatrix& matrix, const GroupRule& rule, const float* limit,
                  std::uint8_t* codes, std::uint16_t* scale, std::uint8_t* zero);

// Sum over tokens and rows of the squared error of x times the matrix's transpose that quantizing
// with these column scales makes; rowScale is not looked at. x [tokens, columns].
double outputError(const ScaledMatrix& matrix, const GroupRule& rule, const bf16* x,
                   std::size_t tokens);

// For each group of each row, of the limits max |value| * (1 - i / 20), i = 0..9, the first with the
// smallest error e' G e, where e is the error in units of the unscaled weight and G [groups, size, size]
// the Gram matrix of the group's inputs.
void searchLimits(const ScaledMatrix& matrix, const GroupRule& rule, const float* gram, float* limit);

// Columns of the widest Gram matrix.
constexpr std::size_t kMostGramWidth = 512;

// Moves codes up or down by single steps as long as that makes the squared error of the outputs smaller,
// block of columns by block: rounding to nearest is best for each weight alone, not for their sum.
// gram [columns / width, width, width]; a width is a multiple of the group size.
void descendCodes(const ScaledMatrix& matrix, const GroupRule& rule, std::size_t width,
                  const float* gram, const std::uint16_t* scale, const std::uint8_t* zero,
                  std::uint8_t* codes);

// gram[g] += x_g' x_g over the tokens, for each group of columns.
void addGram(const bf16* x, std::size_t tokens, std::size_t columns, std::size_t groupSize, float* gram);

// sums[k] += sum over rows of |x[row, k]|; with a group size, of |x| / (largest |x| of its group + 1e-6).
void addMagnitudes(const bf16* x, std::size_t rows, std::size_t columns, std::size_t groupSize,
                   float* sums);

}  // namespace quantlab
