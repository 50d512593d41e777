// What deciding costs: the server's queue and dispatcher alone, without network, disk or threads.
//
// bench-dispatch [WORKERS [MODELS [MOST]]]: for rising numbers of waiting jobs, up to MOST, microseconds a
// call.
#include <malloc.h>
#include <time.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <string>
#include <vector>

#include "proto/support/time.h"
#include "server/dispatch/dispatcher.h"

namespace mind::server {
namespace {

constexpr uint32_t kSteps = 20;
constexpr uint32_t kRoom = 16;

// Of this thread on a processor: what others do meanwhile does not count.
double Seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

// A fleet that is full, and clients that keep the queue as long as it is.
class Bench {
 public:
  Bench(int workers, int models) : models_(models) {
    for (int w = 0; w < workers; ++w) {
      v1::Register registration;
      registration.set_name("worker-" + std::to_string(w));
      for (int m = 0; m < models; ++m) *registration.add_models() = Model(m);
      Do(dispatcher_.OnWorkerConnected(registration, now_));
      Heartbeat(registration.name());
      names_.push_back(registration.name());
    }
  }

  // Fills the workers, then the queue.
  void Fill(size_t waiting) {
    while (dispatcher_.running_jobs() < names_.size() * kRoom || dispatcher_.queued_jobs() < waiting) {
      if (Elapsed() > 60) return;
      Submit();
    }
  }

  void Submit() {
    v1::Job job;
    job.set_id("job-" + std::to_string(++submitted_));
    job.set_tenant("tenant-" + std::to_string(submitted_ % 100));
    job.set_state(v1::JOB_STATE_QUEUED);
    job.set_priority(v1::PRIORITY_NORMAL);
    job.set_steps_total(kSteps);
    *job.mutable_create_time() = ToTimestamp(now_.wall);
    // Most go by fairness; some have a deadline.
    if (submitted_ % 8 == 0) *job.mutable_deadline() = ToTimestamp(now_.wall + absl::Hours(24));
    v1::ImageSpec& spec = *job.mutable_spec();
    spec.set_model("model-" + std::to_string(submitted_ % static_cast<size_t>(models_)));
    spec.set_prompt("a small house at the edge of a forest, in the manner of a woodcut");
    spec.set_sampler("euler");
    spec.set_width(512);
    spec.set_height(512);
    spec.set_steps(kSteps);
    spec.set_image_count(1);
    Do(dispatcher_.OnSubmit(job, 2.0 * kSteps, {}, now_));
  }

  void Progress() {
    const size_t at = ++said_ % running_.size();
    v1::ConnectRequest message;
    *message.mutable_image_progress()->mutable_image() = running_[at].image;
    message.mutable_image_progress()->set_step(static_cast<uint32_t>(said_ / running_.size()) % kSteps);
    message.mutable_image_progress()->set_steps(kSteps);
    Do(dispatcher_.OnWorkerMessage(running_[at].worker, message, now_));
  }

  // A picture is done, the next is begun, and somebody submits one more.
  void Turn() {
    const Running done = running_.front();
    running_.pop_front();
    v1::ConnectRequest message;
    *message.mutable_image_result()->mutable_image() = done.image;
    Do(dispatcher_.OnWorkerMessage(done.worker, message, now_));
  }

  void Tick() {
    now_.wall += absl::Milliseconds(100);
    now_.steady += absl::Milliseconds(100);
    // As the workers do: twice a second each.
    const size_t share = std::max<size_t>(names_.size() / 5, 1);
    for (size_t i = 0; i < share; ++i) Heartbeat(names_[++beats_ % names_.size()]);
    const double begin = Seconds();
    Do(dispatcher_.OnTick(now_));
    ticked_ += Seconds() - begin;
  }

  // Microseconds a submission, and a cancellation of a job that waits; the queue stays as long as it is.
  std::pair<double, double> MeasureSubmits() {
    constexpr int kBatch = 100;
    std::vector<double> submits, cancels;
    const double until = Seconds() + 0.3;
    do {
      const double begin = Seconds();
      for (int i = 0; i < kBatch; ++i) Submit();
      const double middle = Seconds();
      for (int i = 0; i < kBatch; ++i) {
        const std::string id = "job-" + std::to_string(submitted_ - static_cast<size_t>(i));
        Do(dispatcher_.OnCancel(id, absl::CancelledError("enough"), now_));
      }
      submits.push_back((middle - begin) / kBatch * 1e6);
      cancels.push_back((Seconds() - middle) / kBatch * 1e6);
    } while (Seconds() < until || submits.size() < 3);
    std::sort(submits.begin(), submits.end());
    std::sort(cancels.begin(), cancels.end());
    return {submits[submits.size() / 2], cancels[cancels.size() / 2]};
  }

  size_t waiting() const { return dispatcher_.queued_jobs(); }
  double Ticked() { return std::exchange(ticked_, 0); }
  double Elapsed() const { return Seconds() - began_; }

  // What memory a waiting job takes beside its own message, in bytes.
  double BytesAJob() const {
    const v1::Job* const job = dispatcher_.Find("job-" + std::to_string(submitted_));
    return job == nullptr ? 0 : static_cast<double>(job->SpaceUsedLong());
  }

  // Microseconds a call: the median of rounds.
  template <typename Call>
  double Measure(Call call, double at_least = 0.3) {
    std::vector<double> rounds;
    const double until = Seconds() + at_least;
    int calls = 1;
    do {
      const double begin = Seconds();
      for (int i = 0; i < calls; ++i) call();
      const double took = Seconds() - begin;
      rounds.push_back(took / calls * 1e6);
      if (took < 0.005) calls *= 2;
    } while (Seconds() < until || rounds.size() < 3);
    std::nth_element(rounds.begin(), rounds.begin() + static_cast<ptrdiff_t>(rounds.size() / 2),
                     rounds.end());
    return rounds[rounds.size() / 2];
  }

 private:
  struct Running {
    std::string worker;
    v1::ImageRef image;
  };

  static v1::Model Model(int number) {
    v1::Model model;
    model.set_name("model-" + std::to_string(number));
    model.set_size_multiple(8);
    model.set_max_width(1024);
    model.set_max_height(1024);
    model.set_max_steps(1000);
    for (int sampler = 0; sampler < 40; ++sampler) {
      model.add_samplers()->set_name("sampler-" + std::to_string(sampler));
    }
    model.add_samplers()->set_name("euler");
    return model;
  }

  void Heartbeat(const std::string& worker) {
    v1::ConnectRequest message;
    v1::Capacity& capacity = *message.mutable_capacity();
    capacity.set_max_images(kRoom);
    for (int m = 0; m < models_; ++m) {
      capacity.add_loaded_models("model-" + std::to_string(m));
      v1::ModelSpeed& speed = *capacity.add_speeds();
      speed.set_model("model-" + std::to_string(m));
      speed.set_row_seconds(0.05);
    }
    Do(dispatcher_.OnWorkerMessage(worker, message, now_));
  }

  void Do(const Actions& actions) {
    for (const Action& action : actions) {
      const auto* const send = std::get_if<SendAssign>(&action);
      if (send == nullptr) continue;
      for (const v1::AssignedImage& assigned : send->assign.images()) {
        Running running{.worker = send->worker, .image = {}};
        running.image.set_job_id(send->assign.job_id());
        running.image.set_attempt(send->assign.attempt());
        running.image.set_image_index(assigned.image_index());
        running_.push_back(std::move(running));
      }
    }
  }

  const int models_;
  Dispatcher dispatcher_{Dispatcher::Options()};
  Moment now_ = {absl::UnixEpoch() + absl::Hours(1), absl::Hours(5)};
  std::vector<std::string> names_;
  std::deque<Running> running_;
  size_t submitted_ = 0;
  size_t said_ = 0;
  size_t beats_ = 0;
  double ticked_ = 0;
  const double began_ = Seconds();
};

void Run(int workers, int models, size_t waiting) {
  Bench bench(workers, models);
  bench.Fill(0);
  const size_t before = mallinfo2().uordblks;
  bench.Fill(waiting);
  if (bench.waiting() < waiting) {
    std::printf("| %d × %d | %zu | not filled after %.0f s (%zu) |\n", workers, models, waiting,
                bench.Elapsed(), bench.waiting());
    std::fflush(stdout);
    return;
  }
  const double bytes =
      static_cast<double>(mallinfo2().uordblks - before) / static_cast<double>(std::max<size_t>(waiting, 1));
  const double job = bench.BytesAJob();
  const double progress = bench.Measure([&] { bench.Progress(); });
  const auto [submit, cancel] = bench.MeasureSubmits();
  const double turn = bench.Measure([&] {
    bench.Turn();
    bench.Submit();
  });
  bench.Ticked();
  int ticks = 0;
  const double until = bench.Elapsed() + 0.5;
  while (ticks < 3 || bench.Elapsed() < until) {
    bench.Tick();
    ++ticks;
  }
  const double tick = bench.Ticked() / ticks * 1e6;
  std::printf("| %d × %d | %zu | %.2f | %.0f | %.2f | %.2f | %.2f | %.1f | %.0f |\n", workers, models,
              waiting, progress, 1e6 / progress, submit, cancel, turn, tick, waiting == 0 ? 0 : bytes - job);
  std::fflush(stdout);
}

}  // namespace
}  // namespace mind::server

int main(int argc, char** argv) {
  const int workers = argc > 1 ? std::atoi(argv[1]) : 500;
  const int models = argc > 2 ? std::atoi(argv[2]) : 13;
  const size_t most = argc > 3 ? static_cast<size_t>(std::atoll(argv[3])) : 1'000'000;
  std::printf(
      "| workers × models | waiting | progress, µs | messages/s | submit, µs | cancel, µs | result, "
      "placement and submit, µs | "
      "tick, µs | bytes a job |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
  for (const size_t waiting : {size_t{0}, size_t{1000}, size_t{100'000}, size_t{1'000'000}}) {
    if (waiting <= most) mind::server::Run(workers, models, waiting);
  }
}
