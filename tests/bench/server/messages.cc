#include "tests/bench/server/messages.h"

#include <algorithm>
#include <functional>
#include <stdexcept>
#include <utility>

#include "tests/bench/stopwatch.h"

namespace mind::bench {
namespace {

// A round shall take about so long: then waiting for its end costs little, and the end comes soon enough.
constexpr absl::Duration kRound = absl::Milliseconds(300);
constexpr int kMostAtOnce = 2000;  // messages of a worker in a round

// `say` gives worker number w something to say. Rounds of more and more until the time is up.
Cost Measure(const std::vector<NullWorker*>& workers, const ServerProcess& server, absl::Duration limit,
             const std::function<void(size_t w)>& say) {
  const double cpu = server.CpuSeconds();
  double messages = 0;
  int at_once = 10;
  const Stopwatch all;
  while (all.Elapsed() < limit) {
    const Stopwatch round;
    for (size_t w = 0; w < workers.size(); ++w) {
      for (int i = 0; i < at_once; ++i) say(w);
      workers[w]->StartPing();
    }
    for (NullWorker* const worker : workers) worker->AwaitPing();
    messages += static_cast<double>(workers.size()) * (at_once + 1);  // the ping is one too
    if (round.Elapsed() < kRound) at_once = std::min(2 * at_once, kMostAtOnce);
  }
  return {messages / all.Seconds(), (server.CpuSeconds() - cpu) / messages};
}

// The pictures a worker holds, and how far it has said they are.
struct Held {
  std::vector<NullWorker::Picture> pictures;
  size_t told = 0;
};

}  // namespace

Cost CostOfProgress(const std::vector<NullWorker*>& workers, const ServerProcess& server,
                    absl::Duration limit) {
  std::vector<Held> held;
  for (NullWorker* const worker : workers) {
    held.push_back({.pictures = worker->held()});
    if (held.back().pictures.empty()) throw std::runtime_error("a worker was given no picture");
    for (const NullWorker::Picture& picture : held.back().pictures) {
      v1::ConnectRequest message;
      *message.mutable_image_started()->mutable_image() = picture.image;
      worker->Send(std::move(message));
    }
    worker->Ping();
  }
  return Measure(workers, server, limit, [&](size_t w) {
    auto& [pictures, told] = held[w];
    const size_t turn = told++ / pictures.size();
    v1::ConnectRequest message;
    *message.mutable_image_progress()->mutable_image() = pictures[told % pictures.size()].image;
    message.mutable_image_progress()->set_step(1 + static_cast<uint32_t>(turn % kMostSteps));
    message.mutable_image_progress()->set_steps(kMostSteps);
    workers[w]->Send(std::move(message));
  });
}

Cost CostOfCapacity(const std::vector<NullWorker*>& workers, const ServerProcess& server,
                    absl::Duration limit) {
  return Measure(workers, server, limit, [&](size_t w) { workers[w]->SendCapacity(); });
}

}  // namespace mind::bench
