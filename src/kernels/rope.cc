// RoPE in the half-split layout: element i turns with element i + headDim / 2.
#include "rope.h"

#include <cmath>
#include <cstring>

#include "../formats/fp8/decode.h"
#include "dispatch.h"
#include "pool.h"
#include "row-ops.h"

namespace quantlab {
namespace {

// out [2 * half] must not be x.
QUANTLAB_BODY void rotateBody(const bf16* x, const float* cosines, const float* sines,
                              std::size_t half, bf16* out) {
  for (std::size_t i = 0; i < half; i++) {
    const float a = bf16ToFloat(x[i]);
    const float b = bf16ToFloat(x[i + half]);
    out[i] = floatToBf16(a * cosines[i] - b * sines[i]);
    out[i + half] = floatToBf16(b * cosines[i] + a * sines[i]);
  }
}

QUANTLAB_VARIANTS(void, rotate,
                  (const bf16* x, const float* cosines, const float* sines, std::size_t half,
                   bf16* out),
                  (x, cosines, sines, half, out));

// One head's row, normalized if the model does so, then rotated into out.
void turnHead(const bf16* x, const bf16* normWeight, float eps, const float* cosines,
              const float* sines, std::size_t half, bf16* out) {
  if (normWeight == nullptr) return rotate(x, cosines, sines, half, out);
  bf16 normalized[kMaxHeadDim];
  rmsNormRow(x, normWeight, eps, 2 * half, normalized);
  rotate(normalized, cosines, sines, half, out);
}

// Codes of a head's row: a true division, then the saturating cast, as vLLM fills its cache.
QUANTLAB_BODY void encodeRowBody(const bf16* x, float scale, std::size_t count,
                                 std::uint8_t* codes) {
  for (std::size_t i = 0; i < count; i++) codes[i] = encodeE4m3(bf16ToFloat(x[i]) / scale);
}
QUANTLAB_VARIANTS(void, encodeRow,
                  (const bf16* x, float scale, std::size_t count, std::uint8_t* codes),
                  (x, scale, count, codes));

void storeKey(const KvCache& cache, std::size_t layer, std::uint8_t* group, std::size_t lane,
              const bf16* key) {
  const std::size_t pairs = cache.keyLines();
  if (cache.dtype == KvDtype::bf16) {
    for (std::size_t pair = 0; pair < pairs; pair++)
      std::memcpy(group + pair * KvCache::kLineBytes + 4 * lane, key + 2 * pair, 4);
    return;
  }
  std::uint8_t codes[kMaxHeadDim + 2];
  encodeRow(key, cache.keyScales[layer], cache.headDim, codes);
  // A whole line of codes is two pairs; what the last one lacks is zeros.
  codes[cache.headDim] = codes[cache.headDim + 1] = 0;
  for (std::size_t pair = 0; pair < (pairs + 1) / 2 * 2; pair++)
    std::memcpy(group + pair / 2 * fp8::kCodeBytes + fp8::codeByte(lane, pair % 2, 0),
                codes + 2 * pair, 2);
}

void storeValue(const KvCache& cache, std::size_t layer, std::uint8_t* group, std::size_t key,
                const bf16* value) {
  const std::size_t columns = cache.valueColumns();
  const std::size_t pair = key / 2;
  if (cache.dtype == KvDtype::bf16) {
    bf16* lines = reinterpret_cast<bf16*>(group) + pair * 32 + key % 2;
    for (std::size_t d = 0; d < columns; d++)
      lines[d / 16 * KvCache::kLinePairs * 32 + d % 16 * 2] = d < cache.headDim ? value[d] : 0;
    return;
  }
  std::uint8_t codes[kMaxHeadDim] = {};
  encodeRow(value, cache.valueScales[layer], cache.headDim, codes);
  std::uint8_t* lines = group + pair / 2 * fp8::kCodeBytes;
  for (std::size_t d = 0; d < columns; d++)
    lines[d / 16 * (KvCache::kLinePairs / 2) * fp8::kCodeBytes +
          fp8::codeByte(d % 16, pair % 2, key % 2)] = codes[d];
}

}  // namespace

void fillRopeTable(const RopeTable& table, const float* inverseFrequencies) {
  parallelFor(table.positions, rowGrain(8 * table.half), [&](std::size_t begin, std::size_t end) {
    for (std::size_t position = begin; position < end; position++) {
      for (std::size_t i = 0; i < table.half; i++) {
        // The angle is rounded to FP32, as in the models' reference code; its cosine is exact.
        const float angle = static_cast<float>(position) * inverseFrequencies[i];
        table.cosines.as<float>()[position * table.half + i] =
            static_cast<float>(std::cos(static_cast<double>(angle)));
        table.sines.as<float>()[position * table.half + i] =
            static_cast<float>(std::sin(static_cast<double>(angle)));
      }
    }
  });
}

void ropeAndCache(bf16* qkv, const Batch& batch, const RopeTable& table, const KvCache& cache,
                  std::size_t layer, std::size_t heads, const QkNorm& norm) {
  const std::size_t headDim = cache.headDim;
  const std::size_t columns = (heads + 2 * cache.kvHeads) * headDim;
  parallelFor(batch.tokenIds.size(), rowGrain(2 * columns), [&](std::size_t begin, std::size_t end) {
    bf16 turned[kMaxHeadDim];
    for (std::size_t token = begin; token < end; token++) {
      bf16* row = qkv + token * columns;
      const auto position = static_cast<std::size_t>(batch.positions[token]);
      const float* cosines = table.cosines.as<float>() + position * table.half;
      const float* sines = table.sines.as<float>() + position * table.half;
      for (std::size_t head = 0; head < heads; head++) {
        turnHead(row + head * headDim, norm.q, norm.eps, cosines, sines, table.half, turned);
        std::memcpy(row + head * headDim, turned, headDim * sizeof(bf16));
      }
      const auto block = static_cast<std::size_t>(batch.slots[token]) / cache.blockSize;
      const auto offset = static_cast<std::size_t>(batch.slots[token]) % cache.blockSize;
      bf16* keys = row + heads * headDim;
      const bf16* values = keys + cache.kvHeads * headDim;
      for (std::size_t head = 0; head < cache.kvHeads; head++) {
        turnHead(keys + head * headDim, norm.k, norm.eps, cosines, sines, table.half, turned);
        storeKey(cache, layer, cache.keysOf(layer, block, head, offset),
                 offset % KvCache::kGroupKeys, turned);
        std::memcpy(keys + head * headDim, turned, headDim * sizeof(bf16));
        storeValue(cache, layer, cache.valuesOf(layer, block, head, offset),
                   offset % KvCache::kGroupKeys, values + head * headDim);
      }
    }
  });
}

}  // namespace quantlab
