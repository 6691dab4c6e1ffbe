// Checks and times the kernels without Node: for sanitizers, and for machines without it.
//   kernels check          products and attention against FP64, at every tail length; bits of the rest
//   kernels time [THREADS] time, GB/s and GFLOP/s by format, shape and rows, beside measured ceilings
//   kernels attention [THREADS]  the same of attention, in decode and prefill
// QUANTLAB_ISA chooses the instruction set, as in the product. scripts/native-check.mjs builds and runs it.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>

#include "check.h"
#include "cpu.h"
#include "pool.h"
#include "probe.h"

using namespace quantlab;
using check::quantized;
using check::samples;

namespace {

int checkAll() {
  setThreads(2);
  const int failures = check::checkBits() + check::checkIntegers() + check::checkAttention() +
                       check::checkProducts() + check::checkRows();
  if (failures == 0)
    std::printf("ok\n");
  else
    std::printf("%d FAILED\n", failures);
  return failures == 0 ? 0 : 1;
}

double secondsOf(const Weight& weight, const std::vector<bf16>& x, std::size_t m, bf16* out) {
  LinearOutput output;
  output.brain = out;
  const auto start = std::chrono::steady_clock::now();
  linear(weight, x.data(), m, output);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int time(int threadCount) {
  setThreads(threadCount);
  const double bandwidth = probeReadBandwidth(std::size_t{1} << 30, 5);
  const double peak = probePeakFlops(Operands::bf16, 300);
  std::printf("%s, %d threads: read %.1f GB/s, BF16 inner product %.0f GFLOP/s\n",
              cpuModel().c_str(), threadCount, bandwidth * 1e-9, peak * 1e-9);
  const std::size_t shapes[][2] = {{3072, 2048}, {2048, 2048}, {16384, 2048}, {2048, 8192}};
  for (const check::Variant& variant : check::variants()) {
    for (const auto& [rows, columns] : shapes) {
      const auto values = samples(rows * columns, 1);
      // Enough copies that none is in a cache when its turn comes.
      std::vector<std::unique_ptr<Weight>> copies;
      std::size_t bytes = 0;
      do {
        copies.push_back(quantized(variant, rows, columns, values));
        bytes += copies.back()->bytes();
      } while (bytes < (std::size_t{600} << 20) && copies.size() < 40);
      for (std::size_t m : {1, 4, 8, 16, 64, 512}) {
        const auto x = samples(m * columns, 2);
        std::vector<bf16> out(m * rows);
        std::vector<double> times;
        const std::size_t repeats = m >= 64 ? 7 : 21;
        for (std::size_t i = 0; i < std::max(repeats, m < 64 ? copies.size() : 1); i++)
          times.push_back(secondsOf(*copies[i % copies.size()], x, m, out.data()));
        std::sort(times.begin(), times.end());
        const double median = times[times.size() / 2];
        const double rate = static_cast<double>(copies[0]->bytes()) / median;
        const double flops = 2.0 * static_cast<double>(m * rows * columns) / median;
        std::printf("%-13s [%5zu, %4zu] m %3zu  %9.1f us  %6.1f GB/s %4.0f %%  %7.0f GFLOP/s %4.0f %%\n",
                    variant.name().c_str(), rows, columns, m, median * 1e6, rate * 1e-9,
                    100 * rate / bandwidth, flops * 1e-9, 100 * flops / peak);
      }
    }
  }
  return 0;
}

}  // namespace

int main(int count, char** arguments) {
  if (!isaError().empty()) {
    std::fprintf(stderr, "%s\n", isaError().c_str());
    return 2;
  }
  std::printf("instruction set: %s\n", isaName(activeIsa()));
  const std::string mode = count > 1 ? arguments[1] : "check";
  if (mode == "check") return checkAll();
  if (mode == "attention")
    return check::timeAttention(count > 2 ? std::atoi(arguments[2]) : availableCores());
  if (mode == "time") return time(count > 2 ? std::atoi(arguments[2]) : availableCores());
  std::fprintf(stderr, "usage: kernels check | time [THREADS] | attention [THREADS]\n");
  return 2;
}
