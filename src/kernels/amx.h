// AMX tile instructions as inline assembly with complete operands: GCC 12's intrinsics tell the compiler
// of too little of what they read, and it drops or moves stores that they depend on.
#pragma once
#if defined(__x86_64__)
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "memory.h"

namespace quantlab::amx {

constexpr std::size_t kTileRows = 16;
constexpr std::size_t kTileBytes = 64;  // of a row: 32 BF16 or 16 FP32

// Operand of LDTILECFG: eight full tiles.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t startRow = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t columnBytes[16] = {kTileBytes, kTileBytes, kTileBytes, kTileBytes,
                                   kTileBytes, kTileBytes, kTileBytes, kTileBytes};
  std::uint8_t rows[16] = {kTileRows, kTileRows, kTileRows, kTileRows,
                           kTileRows, kTileRows, kTileRows, kTileRows};
};
static_assert(sizeof(TileConfig) == 64);

// Tiles are the calling thread's; they must be released, or every switch of the thread saves 8 KiB.
#if !defined(QUANTLAB_EMULATE_AMX)
inline void configureTiles() {
  static const TileConfig config;
  asm volatile("ldtilecfg %0" : : "m"(config));
}
inline void releaseTiles() { asm volatile("tilerelease"); }

template <int Tile>
inline void zeroTile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(Tile));
}

// Sixteen rows of 64 bytes, `stride` bytes apart.
template <int Tile>
inline void loadTile(const void* base, std::size_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(base), "r"(stride), "i"(Tile) : "memory");
}

template <int Tile>
inline void storeTile(void* base, std::size_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(base), "r"(stride), "i"(Tile) : "memory");
}

// Sums[row][column] += the dot product of row `row` of X (32 BF16) and column `column` of Lines, whose
// rows hold pairs of BF16 for 16 columns.
template <int Sums, int X, int Lines>
inline void multiplyTiles() {
  asm volatile("tdpbf16ps %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sums), "i"(X), "i"(Lines));
}

// The same of bytes, four of each in 32 bits, exact: signed ones of X with signed, or with unsigned, ones of Lines.
template <int Sums, int X, int Lines>
inline void multiplySignedBytes() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sums), "i"(X), "i"(Lines));
}
template <int Sums, int X, int Lines>
inline void multiplyUnsignedBytes() {
  asm volatile("tdpbsud %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sums), "i"(X), "i"(Lines));
}
#else
// The same in plain C++, so that the loops above the tiles are tested on machines without them; never
// part of the addon.
struct alignas(64) Tile {
  unsigned char bytes[kTileRows][kTileBytes];
};
inline thread_local Tile tiles[8];

inline void configureTiles() {
  for (Tile& tile : tiles) std::memset(&tile, 0xff, sizeof(tile));
}
inline void releaseTiles() {}

template <int Index>
inline void zeroTile() {
  std::memset(&tiles[Index], 0, sizeof(Tile));
}

template <int Index>
inline void loadTile(const void* base, std::size_t stride) {
  for (std::size_t row = 0; row < kTileRows; row++)
    std::memcpy(tiles[Index].bytes[row], static_cast<const char*>(base) + row * stride, kTileBytes);
}

template <int Index>
inline void storeTile(void* base, std::size_t stride) {
  for (std::size_t row = 0; row < kTileRows; row++)
    std::memcpy(static_cast<char*>(base) + row * stride, tiles[Index].bytes[row], kTileBytes);
}

template <int Sums, int X, int Lines>
inline void multiplyTiles() {
  for (std::size_t row = 0; row < kTileRows; row++) {
    float sums[kTileBytes / 4];
    bf16 x[kTileBytes / 2];
    std::memcpy(sums, tiles[Sums].bytes[row], kTileBytes);
    std::memcpy(x, tiles[X].bytes[row], kTileBytes);
    for (std::size_t pair = 0; pair < kTileRows; pair++) {
      bf16 line[kTileBytes / 2];
      std::memcpy(line, tiles[Lines].bytes[pair], kTileBytes);
      for (std::size_t column = 0; column < kTileBytes / 4; column++) {
        sums[column] += bf16ToFloat(x[2 * pair]) * bf16ToFloat(line[2 * column]);
        sums[column] += bf16ToFloat(x[2 * pair + 1]) * bf16ToFloat(line[2 * column + 1]);
      }
    }
    std::memcpy(tiles[Sums].bytes[row], sums, kTileBytes);
  }
}

template <int Sums, int X, int Lines, typename LineByte>
inline void multiplyBytes() {
  for (std::size_t row = 0; row < kTileRows; row++) {
    std::int32_t sums[kTileBytes / 4];
    std::memcpy(sums, tiles[Sums].bytes[row], kTileBytes);
    for (std::size_t k = 0; k < kTileBytes; k++)
      for (std::size_t column = 0; column < kTileBytes / 4; column++)
        sums[column] += static_cast<std::int8_t>(tiles[X].bytes[row][k]) *
                        static_cast<LineByte>(tiles[Lines].bytes[k / 4][4 * column + k % 4]);
    std::memcpy(tiles[Sums].bytes[row], sums, kTileBytes);
  }
}
template <int Sums, int X, int Lines>
inline void multiplySignedBytes() {
  multiplyBytes<Sums, X, Lines, std::int8_t>();
}
template <int Sums, int X, int Lines>
inline void multiplyUnsignedBytes() {
  multiplyBytes<Sums, X, Lines, std::uint8_t>();
}
#endif

}  // namespace quantlab::amx
#endif
