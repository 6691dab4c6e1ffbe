// The inner loops of the matmul: rows of x against BF16 lines of at most four panels.
#pragma once
#include <cstddef>

#include "format.h"

namespace quantlab {

// How the loops read x: row after row, or in tiles of 16 rows and 32 columns (1 KiB, one after another
// along the columns), so that the rows of a tile do not fall into the same sets of a cache.
enum class RowLayout { rows, tiles };
constexpr std::size_t kTileRows = 16;
constexpr std::size_t kTileColumns = 32;
// Elements between tiles of rows, so that blocks of columns that are powers of two apart fall into all sets of L2.
constexpr std::size_t kStrideGap = 4096;

// What a weight holds for the block that follows, for the loops to fetch meanwhile: each panel's begins at
// codes + j * panelBytes. Null: none.
struct NextCodes {
  const std::uint8_t* codes = nullptr;
  std::size_t panelBytes = 0;
  std::size_t pairsPerLine = 0;  // pairs whose codes fill a cache line; 1: the codes are the lines
};

// Lines of panel j begin at lines + j * panelStride (elements); row r of x at x + r * stride, or tile
// t of rows at x + t * stride. A row's arithmetic is the same whatever the number of rows: one chain of
// sums an output, in the order of the columns.
struct ProductBlock {
  const bf16* x;
  std::size_t stride;
  std::size_t rows;
  const bf16* lines;
  std::size_t panelStride;
  std::size_t panels;
  std::size_t pairs;
  NextCodes next;
};

// Pairs of a block of lines: four panels in L1 (32 KiB) for vectors; for tiles the two panels that one
// pass reads, and the two that are fetched meanwhile.
constexpr std::size_t kBlockPairs = 128;
struct ProductLoops {
  // sums[row * kQuadRows + 16 * j + lane] += x . lines, continuing the chain.
  void (*accumulate)(const ProductBlock& block, float* sums);
  // sums = x . lines over all columns of kQuadPanels panels of a weight without groups, for up to kTileRows
  // rows, with the next lines decoded while these multiply; null where that brings nothing.
  void (*stream)(const Weight& weight, const FormatLoops& format, std::size_t panel, const bf16* x,
                 float* sums);
  RowLayout layout;
  // Up to this many rows a format's `few` is better, where it has one.
  std::size_t fewRows;
  // Around all calls of a task, on its thread; null where there is nothing to set up.
  void (*enter)();
  void (*leave)();
};

extern const ProductLoops portableProductLoops;
#if defined(__x86_64__)
extern const ProductLoops avx2ProductLoops;
extern const ProductLoops avx512ProductLoops;
extern const ProductLoops amxProductLoops;
#elif defined(__aarch64__)
extern const ProductLoops neonProductLoops;
#endif

// Those of the active instruction set for m rows of x.
const ProductLoops& productLoops(std::size_t m);

}  // namespace quantlab
