// Persistent worker threads of the kernels: parallelFor hands out chunks from a shared counter.
#pragma once
#include <cstddef>

namespace quantlab {

// Sizes the pool, the calling thread included. Takes effect before the next parallelFor.
// One pool a process: engines in two worker threads of Node share it, one op at a time.
void setThreads(int count);
int threads();

using ChunkFunction = void (*)(const void* body, std::size_t begin, std::size_t end);
void runChunks(std::size_t total, std::size_t grain, ChunkFunction function, const void* body);

// Calls body(begin, end) over [0, total) in chunks of `grain`, on all threads, and returns when all
// are done. Chunks are taken dynamically, so a preempted thread delays only the chunk it holds.
// Total at most one grain runs in the caller. body must not throw and must not call parallelFor.
template <typename Body>
void parallelFor(std::size_t total, std::size_t grain, const Body& body) {
  // A plain function and a pointer: std::function would allocate for most captures, once an op.
  runChunks(
      total, grain,
      [](const void* pointer, std::size_t begin, std::size_t end) {
        (*static_cast<const Body*>(pointer))(begin, end);
      },
      &body);
}

}  // namespace quantlab
