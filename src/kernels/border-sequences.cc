// The border of what knows sequences: batch, RoPE table, KV cache, attention. No bad batch passes it.
#include <algorithm>
#include <atomic>
#include <cmath>

#include "attention.h"
#include "border-sequences.h"

namespace quantlab {
namespace {

constexpr std::int64_t kMostColumns = std::int64_t{1} << 24;
constexpr std::int64_t kMostTokens = std::int64_t{1} << 30;

std::vector<std::int32_t> listArgument(const Napi::CallbackInfo& info, std::size_t index,
                                       const char* name) {
  const auto view = arrayArgument<std::int32_t>(info, index);
  for (std::size_t i = 0; i < view.count; i++)
    if (view.data[i] < 0)
      throw Napi::RangeError::New(info.Env(), std::string(name) + "[" + std::to_string(i) +
                                                  "] is negative: " + std::to_string(view.data[i]));
  return {view.data, view.data + view.count};
}

// Sequences share out the rows [0, tokens) in order, and each holds its rows within its context.
std::vector<BatchSequence> sequencesArgument(const Napi::CallbackInfo& info, std::size_t index,
                                             std::size_t tokens, std::size_t tableEntries) {
  const auto numbers = listArgument(info, index, "sequences");
  auto refuse = [&](std::size_t sequence, const std::string& what) {
    throw Napi::RangeError::New(info.Env(), "sequence " + std::to_string(sequence) + " " + what);
  };
  if (numbers.size() % 4 != 0)
    throw Napi::RangeError::New(info.Env(), "sequences must hold 4 numbers for each sequence");
  std::vector<BatchSequence> sequences;
  std::int64_t nextRow = 0;
  for (std::size_t i = 0; i < numbers.size() / 4; i++) {
    const BatchSequence s{numbers[4 * i], numbers[4 * i + 1], numbers[4 * i + 2],
                          numbers[4 * i + 3]};
    if (s.firstRow != nextRow)
      refuse(i, "starts at row " + std::to_string(s.firstRow) + ", expected row " +
                    std::to_string(nextRow));
    if (s.rows < 1 || s.contextLength < s.rows)
      refuse(i, "has " + std::to_string(s.rows) + " rows and a context of " +
                    std::to_string(s.contextLength));
    if (static_cast<std::size_t>(s.firstBlock) >= tableEntries)
      refuse(i, "has its block table outside blockTables");
    nextRow += s.rows;
    sequences.push_back(s);
  }
  if (static_cast<std::size_t>(nextRow) != tokens)
    throw Napi::RangeError::New(info.Env(), "sequences hold " + std::to_string(nextRow) +
                                                " rows, the batch has " + std::to_string(tokens) +
                                                " tokens");
  return sequences;
}

Napi::Value createBatch(const Napi::CallbackInfo& info) {
  return wrapHandle(info.Env(), std::make_unique<Batch>());
}

void setBatch(const Napi::CallbackInfo& info) {
  Batch& batch = unwrapHandle<Batch>(info, 0);
  Batch next;
  next.tokenIds = listArgument(info, 1, "tokenIds");
  next.positions = listArgument(info, 2, "positions");
  next.slots = listArgument(info, 3, "slots");
  const std::size_t tokens = next.tokenIds.size();
  if (next.positions.size() != tokens || next.slots.size() != tokens)
    throw Napi::RangeError::New(info.Env(), "tokenIds, positions and slots differ in length");
  next.blockTables = listArgument(info, 5, "blockTables");
  next.sequences = sequencesArgument(info, 4, tokens, next.blockTables.size());
  next.logitRows = listArgument(info, 6, "logitRows");
  for (std::int32_t row : next.logitRows)
    if (static_cast<std::size_t>(row) >= tokens)
      throw Napi::RangeError::New(info.Env(), "logit row " + std::to_string(row) +
                                                  " is not one of the batch's " +
                                                  std::to_string(tokens) + " tokens");
  if (tokens > 0) next.lastPosition = *std::max_element(next.positions.begin(), next.positions.end());
  batch = std::move(next);
}

Napi::Value createRopeTable(const Napi::CallbackInfo& info) {
  const auto frequencies = arrayArgument<float>(info, 0);
  const auto positions = static_cast<std::size_t>(integerArgument(info, 1, 1, kMostTokens));
  if (frequencies.count < 1 || frequencies.count > kMaxHeadDim / 2)
    throw Napi::RangeError::New(info.Env(), "a RoPE table takes 1 to " +
                                                std::to_string(kMaxHeadDim / 2) +
                                                " frequencies, not " +
                                                std::to_string(frequencies.count));
  const std::size_t bytes = positions * frequencies.count * sizeof(float);
  auto table = std::make_unique<RopeTable>(
      RopeTable{frequencies.count, positions, allocateOrThrow(info.Env(), bytes, MemoryKind::buffer),
                allocateOrThrow(info.Env(), bytes, MemoryKind::buffer)});
  fillRopeTable(*table, frequencies.data);
  return wrapHandle(info.Env(), std::move(table));
}

// One finite, positive scale a layer; ones where there are none.
std::vector<float> scalesArgument(const Napi::CallbackInfo& info, const Napi::Object& options,
                                  const char* name, std::size_t layers) {
  const Napi::Value value = options.Get(name);
  if (value.IsUndefined()) return std::vector<float>(layers, 1.0f);
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array)
    throw Napi::TypeError::New(info.Env(), std::string(name) + " is not a Float32Array");
  const auto array = value.As<Napi::Float32Array>();
  if (array.ElementLength() != layers)
    throw Napi::RangeError::New(info.Env(), std::string(name) + " holds " +
                                                std::to_string(array.ElementLength()) +
                                                " scales, the cache has " + std::to_string(layers) +
                                                " layers");
  std::vector<float> scales(array.Data(), array.Data() + layers);
  for (const float scale : scales)
    if (!(std::isfinite(scale) && std::isfinite(1.0f / scale) && scale > 0))
      throw Napi::RangeError::New(info.Env(), std::string(name) + " holds " +
                                                  std::to_string(scale) +
                                                  "; a scale is finite and above 0");
  return scales;
}

// {dtype: "bf16" | "fp8", keyScales?, valueScales?}; undefined is BF16.
void dtypeArgument(const Napi::CallbackInfo& info, std::size_t index, KvCache& cache) {
  cache.dtype = KvDtype::bf16;
  const auto options =
      info[index].IsObject() ? info[index].As<Napi::Object>() : Napi::Object::New(info.Env());
  const Napi::Value dtype = options.Get("dtype");
  const std::string name = dtype.IsString() ? dtype.As<Napi::String>().Utf8Value() : "bf16";
  if (name == "fp8") cache.dtype = KvDtype::e4m3;
  else if (name != "bf16")
    throw Napi::TypeError::New(info.Env(), "a KV cache is bf16 or fp8, not " + name);
  cache.keyScales = scalesArgument(info, options, "keyScales", cache.layers);
  cache.valueScales = scalesArgument(info, options, "valueScales", cache.layers);
  if (cache.dtype == KvDtype::bf16)
    for (std::size_t layer = 0; layer < cache.layers; layer++)
      if (cache.keyScales[layer] != 1 || cache.valueScales[layer] != 1)
        throw Napi::TypeError::New(info.Env(), "scales are for an fp8 cache");
}

Napi::Value createKvCache(const Napi::CallbackInfo& info) {
  static std::atomic<std::uint64_t> created{0};
  KvCache cache;
  cache.layers = static_cast<std::size_t>(integerArgument(info, 0, 1, 4096));
  cache.blocks = static_cast<std::size_t>(integerArgument(info, 1, 1, kMostTokens));
  cache.blockSize = static_cast<std::size_t>(integerArgument(info, 2, 1, 4096));
  cache.kvHeads = static_cast<std::size_t>(integerArgument(info, 3, 1, 4096));
  cache.headDim = static_cast<std::size_t>(
      integerArgument(info, 4, 2, static_cast<std::int64_t>(kMaxHeadDim)));
  if (cache.headDim % 2 != 0)
    throw Napi::RangeError::New(info.Env(), "headDim must be even, not " +
                                                std::to_string(cache.headDim));
  // Slots are 32-bit; and with this bound the sizes below cannot overflow.
  if (cache.blocks * cache.blockSize > (std::size_t{1} << 31) - 1)
    throw Napi::RangeError::New(info.Env(), "a cache holds at most 2^31 - 1 slots");
  dtypeArgument(info, 5, cache);
  cache.id = ++created;
  const std::size_t chunks = cache.layers * cache.blocks * cache.kvHeads;
  cache.keys = allocateOrThrow(info.Env(), chunks * cache.keyChunk(), MemoryKind::kvCache);
  cache.values = allocateOrThrow(info.Env(), chunks * cache.valueChunk(), MemoryKind::kvCache);
  return wrapHandle(info.Env(), std::make_unique<KvCache>(std::move(cache)));
}

void freeKvCache(const Napi::CallbackInfo& info) {
  KvCache& cache = unwrapHandle<KvCache>(info, 0);
  cache.keys.reset();
  cache.values.reset();
}

// Every slot and every block that the batch can touch lies in this cache.
void checkAgainstCache(Napi::Env env, Batch& batch, const KvCache& cache) {
  if (batch.checkedCache == cache.id) return;
  for (std::int32_t slot : batch.slots)
    if (static_cast<std::size_t>(slot) >= cache.blocks * cache.blockSize)
      throw Napi::RangeError::New(env, "slot " + std::to_string(slot) + " is outside a cache of " +
                                           std::to_string(cache.blocks * cache.blockSize) +
                                           " slots");
  for (const BatchSequence& s : batch.sequences) {
    const std::size_t needed =
        (static_cast<std::size_t>(s.contextLength) + cache.blockSize - 1) / cache.blockSize;
    const std::size_t first = static_cast<std::size_t>(s.firstBlock);
    if (needed > batch.blockTables.size() - first)
      throw Napi::RangeError::New(env, "a context of " + std::to_string(s.contextLength) +
                                           " needs " + std::to_string(needed) +
                                           " blocks, its table ends after " +
                                           std::to_string(batch.blockTables.size() - first));
    for (std::size_t i = first; i < first + needed; i++)
      if (static_cast<std::size_t>(batch.blockTables[i]) >= cache.blocks)
        throw Napi::RangeError::New(env, "block " + std::to_string(batch.blockTables[i]) +
                                             " is outside a cache of " +
                                             std::to_string(cache.blocks) + " blocks");
  }
  batch.checkedCache = cache.id;
}

// A live cache, a layer of it and a head count that its KV heads divide; `first` is the cache's index.
KvCache& cacheArguments(const Napi::CallbackInfo& info, std::size_t first, std::size_t* layer,
                        std::size_t* heads) {
  KvCache& cache = unwrapHandle<KvCache>(info, first);
  if (cache.keys.as<void>() == nullptr)
    throw Napi::RangeError::New(info.Env(), "the KV cache was freed");
  *layer = static_cast<std::size_t>(
      integerArgument(info, first + 1, 0, static_cast<std::int64_t>(cache.layers) - 1));
  *heads = static_cast<std::size_t>(integerArgument(info, first + 2, 1, 65536));
  if (*heads % cache.kvHeads != 0)
    throw Napi::RangeError::New(info.Env(), std::to_string(*heads) +
                                                " heads cannot share " +
                                                std::to_string(cache.kvHeads) + " KV heads evenly");
  return cache;
}

const bf16* normWeight(Napi::Env env, const Napi::Object& norm, const char* name,
                       std::size_t headDim) {
  const Napi::Value value = norm.Get(name);
  if (value.IsExternal()) {
    auto external = value.As<Napi::External<Buffer>>();
    if (external.CheckTypeTag(&HandleTag<Buffer>::value)) {
      const Buffer& buffer = *external.Data();
      if (buffer.dtype == BufferDtype::bf16 && buffer.block.as<void>() != nullptr &&
          buffer.count >= headDim)
        return buffer.block.as<bf16>();
    }
  }
  throw Napi::TypeError::New(env, std::string("qkNorm.") + name +
                                      " is not a live bf16 buffer of headDim elements");
}

QkNorm qkNormArgument(const Napi::CallbackInfo& info, std::size_t index, std::size_t headDim) {
  if (info[index].IsUndefined()) return {};
  if (!info[index].IsObject())
    throw Napi::TypeError::New(info.Env(), "qkNorm must be an object or undefined");
  const auto object = info[index].As<Napi::Object>();
  const Napi::Value eps = object.Get("eps");
  if (!eps.IsNumber()) throw Napi::TypeError::New(info.Env(), "qkNorm.eps is not a number");
  return {normWeight(info.Env(), object, "q", headDim), normWeight(info.Env(), object, "k", headDim),
          eps.As<Napi::Number>().FloatValue()};
}

void ropeAndCacheCall(const Napi::CallbackInfo& info) {
  Batch& batch = unwrapHandle<Batch>(info, 1);
  const RopeTable& table = unwrapHandle<RopeTable>(info, 2);
  std::size_t layer = 0;
  std::size_t heads = 0;
  const KvCache& cache = cacheArguments(info, 3, &layer, &heads);
  if (2 * table.half != cache.headDim)
    throw Napi::RangeError::New(info.Env(), "the RoPE table is for headDim " +
                                                std::to_string(2 * table.half) + ", the cache has " +
                                                std::to_string(cache.headDim));
  if (batch.lastPosition >= static_cast<std::int64_t>(table.positions))
    throw Napi::RangeError::New(info.Env(), "position " + std::to_string(batch.lastPosition) +
                                                " is outside a RoPE table of " +
                                                std::to_string(table.positions));
  checkAgainstCache(info.Env(), batch, cache);
  const std::size_t columns = (heads + 2 * cache.kvHeads) * cache.headDim;
  const Buffer& qkv = bufferArgument(info, 0, BufferDtype::bf16, batch.tokenIds.size() * columns);
  const QkNorm norm = qkNormArgument(info, 6, cache.headDim);
  ropeAndCache(qkv.block.as<bf16>(), batch, table, cache, layer, heads, norm);
}

void attentionCall(const Napi::CallbackInfo& info) {
  Batch& batch = unwrapHandle<Batch>(info, 1);
  std::size_t layer = 0;
  std::size_t heads = 0;
  const KvCache& cache = cacheArguments(info, 2, &layer, &heads);
  checkAgainstCache(info.Env(), batch, cache);
  const std::size_t tokens = batch.tokenIds.size();
  const std::size_t columns = (heads + 2 * cache.kvHeads) * cache.headDim;
  const Buffer& qkv = bufferArgument(info, 0, BufferDtype::bf16, tokens * columns);
  const Buffer& out = bufferArgument(info, 5, BufferDtype::bf16, tokens * heads * cache.headDim);
  attention(qkv.block.as<bf16>(), batch, cache, layer, heads, out.block.as<bf16>());
}

void gatherLogitRows(const Napi::CallbackInfo& info) {
  const Batch& batch = unwrapHandle<Batch>(info, 1);
  const auto columns = static_cast<std::size_t>(integerArgument(info, 2, 1, kMostColumns));
  const Buffer& x = bufferArgument(info, 0, BufferDtype::bf16, batch.tokenIds.size() * columns);
  const Buffer& out = bufferArgument(info, 3, BufferDtype::bf16, batch.logitRows.size() * columns);
  if (&x == &out) throw Napi::RangeError::New(info.Env(), "out must be another buffer than x");
  for (std::size_t i = 0; i < batch.logitRows.size(); i++)
    std::memcpy(out.block.as<bf16>() + i * columns,
                x.block.as<bf16>() + static_cast<std::size_t>(batch.logitRows[i]) * columns,
                columns * sizeof(bf16));
}

}  // namespace

void exportSequences(Napi::Env env, Napi::Object exports) {
  exports.Set("createBatch", Napi::Function::New(env, createBatch, "createBatch"));
  exports.Set("setBatch", Napi::Function::New(env, setBatch, "setBatch"));
  exports.Set("createRopeTable", Napi::Function::New(env, createRopeTable, "createRopeTable"));
  exports.Set("createKvCache", Napi::Function::New(env, createKvCache, "createKvCache"));
  exports.Set("freeKvCache", Napi::Function::New(env, freeKvCache, "freeKvCache"));
  exports.Set("ropeAndCache", Napi::Function::New(env, ropeAndCacheCall, "ropeAndCache"));
  exports.Set("attention", Napi::Function::New(env, attentionCall, "attention"));
  exports.Set("gatherLogitRows", Napi::Function::New(env, gatherLogitRows, "gatherLogitRows"));
}

}  // namespace quantlab
