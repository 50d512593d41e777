// bench-service HOST:PORT [MODEL [STEPS]]: what a user waits, through a running server and worker.
//
// Each round makes eight pictures one at a time, each asked for when the last has come, then eight by one
// request, which share their batch. Prints the latency of a lone picture, both rates and their ratio.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "client/cpp/client.h"
#include "tests/bench/statistics.h"
#include "tests/bench/stopwatch.h"

namespace mind::client {
namespace {

using bench::Median;
using bench::Stopwatch;

constexpr uint32_t kPictures = 8;
constexpr int kRounds = 7;

v1::JobRequest Request(const std::string& model, uint32_t steps) {
  v1::JobRequest request;
  v1::ImageSpec& spec = *request.mutable_spec();
  spec.set_model(model);
  spec.set_prompt("a blue rocket");
  spec.set_seed(1);
  if (steps > 0) spec.set_steps(steps);
  return request;
}

// Seconds from the call to the last picture.
double SecondsOf(Client& client, v1::JobRequest request, uint32_t count) {
  request.mutable_spec()->set_image_count(count);
  uint32_t pictures = 0;
  const Stopwatch time;
  const absl::StatusOr<v1::Job> job =
      client.Generate(request, {.event = {}, .picture = [&](const Picture&) { ++pictures; }});
  const double seconds = time.Seconds();
  if (!job.ok()) throw std::runtime_error(job.status().ToString());
  if (pictures != count) throw std::runtime_error(job->error().message());
  return seconds;
}

void Measure(Client& client, const v1::JobRequest& request) {
  SecondsOf(client, request, 1);  // the first loads the model
  std::vector<double> latencies, alone, together, ratios;
  for (int round = 0; round < kRounds; ++round) {
    double sum = 0;
    for (uint32_t i = 0; i < kPictures; ++i) {
      latencies.push_back(SecondsOf(client, request, 1));
      sum += latencies.back();
    }
    alone.push_back(kPictures / sum);
    together.push_back(kPictures / SecondsOf(client, request, kPictures));
    ratios.push_back(together.back() / alone.back());
  }
  std::printf("one picture: %.3f s, the slowest of %zu %.3f s\n", Median(latencies), latencies.size(),
              *std::max_element(latencies.begin(), latencies.end()));
  std::printf("one at a time %.2f pictures/s, a batch of %u %.2f pictures/s: × %.3f (medians of %d rounds)\n",
              Median(alone), kPictures, Median(together), Median(ratios), kRounds);
}

}  // namespace
}  // namespace mind::client

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fprintf(stderr, "usage: %s HOST:PORT [MODEL [STEPS]]\n", argv[0]);
    return 2;
  }
  try {
    mind::client::Client client({.server = argv[1], .tenant = {}, .timeout = absl::Seconds(30)});
    mind::client::Measure(client, mind::client::Request(argc > 2 ? argv[2] : "emoji",
                                                        argc > 3 ? std::strtoul(argv[3], nullptr, 10) : 0));
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s: %s\n", argv[0], error.what());
    return 1;
  }
}
