// Bandwidth and multiply-add probes; each loop does what the kernels' inner loops do.
#include "probe.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <vector>

#include "amx.h"
#include "dispatch.h"
#include "intrinsics.h"
#include "memory.h"
#include "pool.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace quantlab {
namespace {

using Time = std::chrono::steady_clock;

double secondsSince(Time::time_point start) {
  return std::chrono::duration<double>(Time::now() - start).count();
}

// Results go here so that no probe's loop is dead code.
std::atomic<std::uint64_t> sink{0};

// --- bandwidth -----------------------------------------------------------------------------------

constexpr std::size_t kStreams = 4;
constexpr std::size_t kWordsPerStream = 32768;  // 256 KiB: a chunk is 1 MiB
constexpr std::size_t kChunkBytes = kStreams * kWordsPerStream * 8;

// Reads four streams of a chunk, one 64-byte line of each in turn.
QUANTLAB_BODY std::uint64_t readChunkBody(const std::uint64_t* words) {
  std::uint64_t lanes[kStreams][8] = {};
  for (std::size_t i = 0; i < kWordsPerStream; i += 8)
    for (std::size_t stream = 0; stream < kStreams; stream++)
      for (std::size_t lane = 0; lane < 8; lane++)
        lanes[stream][lane] += words[stream * kWordsPerStream + i + lane];
  std::uint64_t sum = 0;
  for (auto& stream : lanes)
    for (std::uint64_t lane : stream) sum += lane;
  return sum;
}
QUANTLAB_VARIANTS(std::uint64_t, readChunk, (const std::uint64_t* words), (words));

// --- multiply-adds ---------------------------------------------------------------------------------
// Each variant runs `rounds` rounds and says how many FLOP one round is.

struct FlopLoop {
  double (*run)(std::size_t rounds);  // returns something that depends on every sum
  double flopPerRound;
};

double scalarRounds(std::size_t rounds) {
  // 4 x 16 lanes; the compiler uses the baseline's vectors.
  float sums[64];
  for (std::size_t i = 0; i < 64; i++) sums[i] = static_cast<float>(i);
  for (std::size_t round = 0; round < rounds; round++)
    for (float& sum : sums) sum = sum * 0.999f + 0.001f;
  double total = 0;
  for (float sum : sums) total += sum;
  return total;
}

#if defined(__x86_64__)
// Twelve independent sums cover the latency of two multiply-adds per cycle.
QUANTLAB_AVX2 double avx2Rounds(std::size_t rounds) {
  __m256 sums[12];
  for (auto& sum : sums) sum = _mm256_set1_ps(1.0f);
  const __m256 x = _mm256_set1_ps(0.999f);
  __m256 y = _mm256_set1_ps(0.001f);
  for (std::size_t round = 0; round < rounds; round++) {
    asm volatile("" : "+x"(y));
    for (auto& sum : sums) sum = _mm256_fmadd_ps(sum, x, y);
  }
  float lanes[8];
  double total = 0;
  for (auto& sum : sums) {
    _mm256_storeu_ps(lanes, sum);
    total += lanes[0];
  }
  return total;
}

// BF16 without an instruction for it: a pair is widened by a shift and a mask, then multiplied with
// six rows' broadcasts, as in a tile of the matmul.
QUANTLAB_AVX2 double avx2WideningRounds(std::size_t rounds) {
  __m256 sums[12];
  for (auto& sum : sums) sum = _mm256_set1_ps(1.0f);
  const __m256 x = _mm256_set1_ps(0.001f);
  const __m256i high = _mm256_set1_epi32(static_cast<int>(0xffff0000u));
  __m256i pairs = _mm256_set1_epi32(0x3c003c00);
  for (std::size_t round = 0; round < rounds; round++) {
    asm volatile("" : "+x"(pairs));
    const __m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
    const __m256 odd = _mm256_castsi256_ps(_mm256_and_si256(pairs, high));
    for (std::size_t i = 0; i < 12; i += 2) {
      sums[i] = _mm256_fmadd_ps(even, x, sums[i]);
      sums[i + 1] = _mm256_fmadd_ps(odd, x, sums[i + 1]);
    }
  }
  float lanes[8];
  double total = 0;
  for (auto& sum : sums) {
    _mm256_storeu_ps(lanes, sum);
    total += lanes[0];
  }
  return total;
}

QUANTLAB_AVX512 double avx512Rounds(std::size_t rounds) {
  __m512 sums[12];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0f);
  const __m512 x = _mm512_set1_ps(0.999f);
  __m512 y = _mm512_set1_ps(0.001f);
  for (std::size_t round = 0; round < rounds; round++) {
    asm volatile("" : "+v"(y));
    for (auto& sum : sums) sum = _mm512_fmadd_ps(sum, x, y);
  }
  float lanes[16];
  double total = 0;
  for (auto& sum : sums) {
    _mm512_storeu_ps(lanes, sum);
    total += lanes[0];
  }
  return total;
}

QUANTLAB_AVX512 double avx512BrainRounds(std::size_t rounds) {
  __m512 sums[12];
  for (auto& sum : sums) sum = _mm512_set1_ps(1.0f);
  const __m512i x = _mm512_set1_epi32(0x3c003c00);
  __m512i y = _mm512_set1_epi32(0x3a003a00);
  for (std::size_t round = 0; round < rounds; round++) {
    asm volatile("" : "+v"(y));
    for (auto& sum : sums) sum = _mm512_dpbf16_ps(sum, (__m512bh)x, (__m512bh)y);
  }
  float lanes[16];
  double total = 0;
  for (auto& sum : sums) {
    _mm512_storeu_ps(lanes, sum);
    total += lanes[0];
  }
  return total;
}

QUANTLAB_AVX512 double avx512ByteRounds(std::size_t rounds) {
  __m512i sums[12];
#pragma GCC unroll 12
  for (std::size_t i = 0; i < 12; i++) sums[i] = _mm512_setzero_si512();
  const __m512i x = _mm512_set1_epi8(1);
  __m512i y = _mm512_set1_epi8(2);
  for (std::size_t round = 0; round < rounds; round++) {
    asm volatile("" : "+v"(y));
#pragma GCC unroll 12
    for (std::size_t i = 0; i < 12; i++)
      asm("vpdpbusd %2, %1, %0" : "+v"(sums[i]) : "v"(y), "v"(x));
  }
  double total = 0;
#pragma GCC unroll 12
  for (std::size_t i = 0; i < 12; i++) total += _mm512_cvtsi512_si32(sums[i]);
  return total;
}

// A tile of x and two of lines from the first-level cache for every two products, as in the matmul and
// for its reason: with both hyperthreads of a core awake, two tiles of x against two of lines, all four
// kept for two products, reach little more than half of it; with one awake both reach the same.
template <void (*First)(), void (*Second)()>
double amxRounds(std::size_t rounds) {
  constexpr std::size_t kTile = amx::kTileRows * amx::kTileBytes;
  alignas(64) static const char operands[16 * kTile] = {};
  amx::configureTiles();
  amx::zeroTile<0>();
  amx::zeroTile<1>();
  for (std::size_t round = 0; round < 2 * rounds; round++) {
    const char* at = operands + round % 5 * 3 * kTile;
    amx::loadTile<6>(at, amx::kTileBytes);
    amx::loadTile<7>(at + kTile, amx::kTileBytes);
    First();
    amx::zeroTile<7>();
    amx::loadTile<7>(at + 2 * kTile, amx::kTileBytes);
    Second();
    amx::zeroTile<7>();
    amx::zeroTile<6>();
  }
  alignas(64) float sums[amx::kTileRows * 16];
  amx::storeTile<0>(sums, amx::kTileBytes);
  amx::releaseTiles();
  return sums[0] + 1;
}
#endif

#if defined(__aarch64__)
// Sixteen independent sums cover the latency of up to four multiply-adds per cycle.
double neonRounds(std::size_t rounds) {
  float32x4_t sums[16];
  for (auto& sum : sums) sum = vdupq_n_f32(1.0f);
  const float32x4_t x = vdupq_n_f32(0.999f);
  float32x4_t y = vdupq_n_f32(0.001f);
  for (std::size_t round = 0; round < rounds; round++) {
    asm volatile("" : "+w"(y));
    for (auto& sum : sums) sum = vfmaq_f32(y, sum, x);
  }
  double total = 0;
  for (auto& sum : sums) total += static_cast<double>(vgetq_lane_f32(sum, 0));
  return total;
}

// A pair is widened by a shift and a mask, then multiplied with four rows, as in a tile of the matmul.
double neonWideningRounds(std::size_t rounds) {
  float32x4_t sums[16];
  for (auto& sum : sums) sum = vdupq_n_f32(1.0f);
  const float32x4_t x = vdupq_n_f32(0.001f);
  uint32x4_t pairs = vdupq_n_u32(0x3c003c00);
  for (std::size_t round = 0; round < rounds; round++) {
    for (std::size_t i = 0; i < 16; i += 8) {
      asm volatile("" : "+w"(pairs));
      const float32x4_t even = vreinterpretq_f32_u32(vshlq_n_u32(pairs, 16));
      const float32x4_t odd = vreinterpretq_f32_u32(vandq_u32(pairs, vdupq_n_u32(0xffff0000u)));
      for (std::size_t row = 0; row < 8; row += 2) {
        sums[i + row] = vfmaq_f32(sums[i + row], even, x);
        sums[i + row + 1] = vfmaq_f32(sums[i + row + 1], odd, x);
      }
    }
  }
  double total = 0;
  for (auto& sum : sums) total += static_cast<double>(vgetq_lane_f32(sum, 0));
  return total;
}
#endif

FlopLoop loopFor([[maybe_unused]] Operands operands) {
  [[maybe_unused]] const bool brain = operands == Operands::bf16;
#if defined(__x86_64__)
  switch (activeIsa()) {
    case Isa::amx:
      // A round is four products of 16 rows of 64 bytes and 16 columns.
      if (brain)
        return {amxRounds<amx::multiplyTiles<0, 6, 7>, amx::multiplyTiles<1, 6, 7>>,
                4 * 2 * 16 * 16 * 32};
      if (operands == Operands::int8)
        return {amxRounds<amx::multiplyUnsignedBytes<0, 6, 7>, amx::multiplyUnsignedBytes<1, 6, 7>>,
                4 * 2 * 16 * 16 * 64};
      return {avx512Rounds, 12 * 32};
    case Isa::avx512:
      if (operands == Operands::int8) return {avx512ByteRounds, 12 * 128};
      return brain ? FlopLoop{avx512BrainRounds, 12 * 64} : FlopLoop{avx512Rounds, 12 * 32};
    case Isa::avx2:
      if (operands == Operands::int8) return {nullptr, 0};
      return {brain ? avx2WideningRounds : avx2Rounds, 12 * 16};
    case Isa::portable:
    case Isa::neon: break;
  }
#elif defined(__aarch64__)
  if (activeIsa() == Isa::neon && operands != Operands::int8)
    return {brain ? neonWideningRounds : neonRounds, 16 * 8};
#endif
  if (operands == Operands::int8) return {nullptr, 0};
  return {scalarRounds, 128};
}

}  // namespace

double probeReadBandwidth(std::size_t bytes, int repeats) {
  const std::size_t chunks = std::max<std::size_t>(1, bytes / kChunkBytes);
  Block block(chunks * kChunkBytes, MemoryKind::buffer);
  char* memory = block.as<char>();
  // Written by all threads first: pages that nobody wrote are one page of zeros in the cache.
  parallelFor(chunks, 1, [&](std::size_t begin, std::size_t end) {
    std::memset(memory + begin * kChunkBytes, 1, (end - begin) * kChunkBytes);
  });
  std::vector<double> rates;
  for (int repeat = 0; repeat < std::max(1, repeats); repeat++) {
    const auto start = Time::now();
    parallelFor(chunks, 1, [&](std::size_t begin, std::size_t end) {
      std::uint64_t sum = 0;
      for (std::size_t chunk = begin; chunk < end; chunk++)
        sum += readChunk(reinterpret_cast<const std::uint64_t*>(memory + chunk * kChunkBytes));
      sink.fetch_add(sum, std::memory_order_relaxed);
    });
    rates.push_back(static_cast<double>(chunks * kChunkBytes) / secondsSince(start));
  }
  std::sort(rates.begin(), rates.end());
  const std::size_t middle = rates.size() / 2;
  return rates.size() % 2 == 1 ? rates[middle] : (rates[middle - 1] + rates[middle]) / 2;
}

double probePeakFlops(Operands operands, double milliseconds) {
  const FlopLoop loop = loopFor(operands);
  if (loop.run == nullptr) return 0;
  // Chunks of some 10 microseconds, so that a preempted thread costs one chunk, not a window.
  constexpr std::size_t kRounds = 4096;
  std::size_t chunks = 16;
  double best = 0;
  const auto start = Time::now();
  do {
    const auto windowStart = Time::now();
    parallelFor(chunks, 1, [&](std::size_t begin, std::size_t end) {
      double sum = 0;
      for (std::size_t chunk = begin; chunk < end; chunk++) sum += loop.run(kRounds);
      sink.fetch_add(sum > 0 ? 1 : 0, std::memory_order_relaxed);
    });
    const double seconds = secondsSince(windowStart);
    best = std::max(best, static_cast<double>(chunks * kRounds) * loop.flopPerRound / seconds);
    // Windows grow to a tenth of the time: long against a hand-off, short against a neighbour.
    if (seconds < milliseconds * 1e-4) chunks *= 2;
  } while (secondsSince(start) < milliseconds * 1e-3);
  return best;
}

}  // namespace quantlab
