// Checks and times the matmul of every format without Node: for sanitizers, and for machines without it.
//   kernels check          every tail length against FP64 sums of the dequantized weights
//   kernels time [THREADS] time, GB/s and GFLOP/s by format, shape and rows, beside measured ceilings
// QUANTLAB_ISA chooses the instruction set, as in the product. scripts/native-check.mjs builds and runs it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "cpu.h"
#include "fill.h"
#include "matmul.h"
#include "pool.h"
#include "probe.h"

using namespace quantlab;

namespace {

std::unique_ptr<Weight> quantized(const Format& format, std::size_t rows, std::size_t columns,
                                  const std::vector<bf16>& values) {
  auto weight = std::make_unique<Weight>();
  weight->format = &format;
  weight->rows = rows;
  weight->columns = columns;
  if (format.grouped) weight->groupSize = columns % 128 == 0 ? 128 : columns % 64 == 0 ? 64 : 32;
  const std::size_t pairs = (columns + 1) / 2;
  weight->pairs = (pairs + format.pairMultiple - 1) / format.pairMultiple * format.pairMultiple;
  const PanelBytes bytes = format.panelBytes(*weight);
  weight->codes = Block(weight->panels() * bytes.codes, MemoryKind::weight);
  if (bytes.scales > 0) weight->scales = Block(weight->panels() * bytes.scales, MemoryKind::weight);
  if (bytes.zeros > 0) weight->zeros = Block(weight->panels() * bytes.zeros, MemoryKind::weight);
  const std::string problem = quantizePanels(*weight, values.data());
  if (!problem.empty()) {
    std::fprintf(stderr, "%s: %s\n", format.name, problem.c_str());
    std::exit(1);
  }
  return weight;
}

std::vector<bf16> samples(std::size_t count, std::uint64_t seed) {
  std::vector<bf16> values(count);
  fillNormal(values.data(), count, seed, 0, 1);
  return values;
}

// What the format makes of x, in FP64.
std::vector<double> activations(const Format& format, const std::vector<bf16>& x, std::size_t m,
                                std::size_t columns) {
  std::vector<double> values(m * columns);
  std::vector<bf16> rounded(columns);
  for (std::size_t row = 0; row < m; row++) {
    const bf16* source = x.data() + row * columns;
    double scale = 1;
    if (format.quantizeActivations != nullptr) {
      scale = format.quantizeActivations(source, columns, rounded.data());
      source = rounded.data();
    }
    for (std::size_t k = 0; k < columns; k++)
      values[row * columns + k] = bf16ToFloat(source[k]) * scale;
  }
  return values;
}

// Largest error over (columns + 4) 2^-24 times the sum of magnitudes: at most 1.
double worstError(const Format& format, std::size_t rows, std::size_t columns, std::size_t m) {
  const auto weight = quantized(format, rows, columns, samples(rows * columns, rows + columns));
  const auto x = samples(m * columns, m + 7);
  const auto values = activations(format, x, m, columns);
  std::vector<float> out(m * rows);
  LinearOutput output;
  output.single = out.data();
  linear(*weight, x.data(), m, output);
  std::vector<float> row(columns);
  double worst = 0;
  for (std::size_t n = 0; n < rows; n++) {
    format.dequantizeRow(*weight, n, row.data());
    for (std::size_t i = 0; i < m; i++) {
      double sum = 0;
      double magnitude = 0;
      for (std::size_t k = 0; k < columns; k++) {
        const double product = values[i * columns + k] * row[k];
        sum += product;
        magnitude += std::fabs(product);
      }
      const double bound = static_cast<double>(columns + 4) * 0x1p-24 * magnitude;
      const double error = std::fabs(out[i * rows + n] - sum);
      if (!(error <= bound)) worst = std::max(worst, bound > 0 ? error / bound : 1e9);
      else if (bound > 0) worst = std::max(worst, error / bound);
    }
  }
  return worst;
}

int check() {
  setThreads(2);
  int failures = 0;
  for (const Format* format : registeredFormats()) {
    double worst = 0;
    const auto one = [&](std::size_t rows, std::size_t columns, std::size_t m) {
      const std::size_t whole = format->grouped ? (columns + 31) / 32 * 32 : columns;
      const double error = worstError(*format, rows, whole, m);
      worst = std::max(worst, error);
      if (!(error <= 1)) {
        failures++;
        std::printf("FAILED %s rows %zu columns %zu m %zu: error %.3g of the bound\n", format->name,
                    rows, whole, m, error);
      }
    };
    for (std::size_t length = 1; length <= 129; length++) {
      one(length, 96, 3);
      one(21, length, 5);
      one(37, 64, length);
    }
    for (std::size_t columns : {640, 1152, 2047, 2048})
      for (std::size_t m : {1, 4, 16, 17, 31, 33, 300}) one(140, columns, m);
    std::printf("%s: largest error %.3f of the bound\n", format->name, worst);
  }
  std::printf(failures == 0 ? "ok\n" : "%d FAILED\n", failures);
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
  const double peak = probePeakFlops(true, 300);
  std::printf("%s, %d threads: read %.1f GB/s, BF16 inner product %.0f GFLOP/s\n",
              cpuModel().c_str(), threadCount, bandwidth * 1e-9, peak * 1e-9);
  const std::size_t shapes[][2] = {{3072, 2048}, {2048, 2048}, {16384, 2048}, {2048, 8192}};
  for (const Format* format : registeredFormats()) {
    for (const auto& [rows, columns] : shapes) {
      const auto values = samples(rows * columns, 1);
      // Enough copies that none is in a cache when its turn comes.
      std::vector<std::unique_ptr<Weight>> copies;
      std::size_t bytes = 0;
      do {
        copies.push_back(quantized(*format, rows, columns, values));
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
        std::printf("%-5s [%5zu, %4zu] m %3zu  %9.1f us  %6.1f GB/s %4.0f %%  %7.0f GFLOP/s %4.0f %%\n",
                    format->name, rows, columns, m, median * 1e6, rate * 1e-9,
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
  if (mode == "check") return check();
  if (mode == "time") return time(count > 2 ? std::atoi(arguments[2]) : availableCores());
  std::fprintf(stderr, "usage: kernels check | time [THREADS]\n");
  return 2;
}
