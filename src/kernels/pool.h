// Persistent worker threads of the kernels: parallelFor hands out chunks from a shared counter.
#pragma once
#include <cstddef>
#include <functional>

namespace quantlab {

// Sizes the pool, the calling thread included. Takes effect before the next parallelFor.
// One pool a process: engines in two worker threads of Node share it, one op at a time.
void setThreads(int count);
int threads();

// Calls body(begin, end) over [0, total) in chunks of `grain`, on all threads, and returns when all
// are done. Chunks are taken dynamically, so a preempted thread delays only the chunk it holds.
// Total at most one grain runs in the caller. body must not throw and must not call parallelFor.
void parallelFor(std::size_t total, std::size_t grain,
                 const std::function<void(std::size_t, std::size_t)>& body);

}  // namespace quantlab
