// A linear layer's matrix in the one packed layout that every format shares.
#pragma once
#include <cstddef>

#include "memory.h"

namespace quantlab {

struct Format;

// Outputs are stored in panels of 16. A panel holds its columns in pairs, and for each pair one line:
// the two weights of output 0, of output 1, ... of output 15. Decoded to BF16 a line is 64 bytes: what
// one BF16 dot product instruction takes, and a row of an AMX tile. Formats of whole numbers have lines of
// bytes instead, four columns each (format.h, Codes). Rows and columns beyond the matrix are zeros.
constexpr std::size_t kPanelRows = 16;
constexpr std::size_t kLineElements = 2 * kPanelRows;

struct Weight {
  const Format* format;
  std::size_t rows;       // outputs
  std::size_t columns;    // inputs
  std::size_t groupSize;  // columns that share a scale; 0 in formats without groups
  std::size_t pairs;      // of columns as stored, padding included
  float activationScale = 0;  // of every row of x; 0 where each row has its own
  bool isPlain = false;       // multiplied after all of it was dequantized to memory
  Block codes;            // [panels], each in the format's own order of the lines above
  Block scales;           // as the format likes; empty without scales
  Block zeros;

  std::size_t panels() const { return (rows + kPanelRows - 1) / kPanelRows; }
  std::size_t groups() const { return groupSize == 0 ? 0 : (columns + groupSize - 1) / groupSize; }
  std::size_t bytes() const { return codes.bytes() + scales.bytes() + zeros.bytes(); }
};

}  // namespace quantlab
