// A worker with one GPU, in simulated time: it makes the pictures it is given, and knows when something
// happens.
//
// Steps of equal batches are not played one by one: until the batch changes they all take the same, so that
// what happens next, and when, is reckoned. A round is one step of everything that is being made, one forward
// a kind of picture.
//
// Not simulated: loading, encoders and decoders (as far as they are not in t(B)), previews, and the network.
#ifndef MIND_TESTS_BENCH_CLUSTER_GPU_H_
#define MIND_TESTS_BENCH_CLUSTER_GPU_H_

#include <limits>
#include <string>
#include <vector>

#include "mind/v1/worker.pb.h"
#include "tests/bench/cluster/pool.h"

namespace mind::simulation {

enum class Batching {
  // What waits when the GPU is free is one batch, of one kind, that ends with its longest picture: nobody
  // joins, nobody leaves. It never waits to be full.
  kStatic,
  // As the engine does: pictures join and leave between steps.
  kByStep,
};

// Times are seconds since midnight, and do not go back from call to call.
class Gpu {
 public:
  struct Picture {
    v1::ImageRef image;
    size_t kind = 0;    // of the pool
    uint32_t done = 0;  // steps
    uint32_t left = 0;  // steps, at least one
  };
  struct News {
    std::vector<Picture> begun, done;
  };
  // What it has done so far.
  struct Totals {
    double busy_seconds = 0;
    double forwards = 0;
    double picture_steps = 0;

    Totals& operator+=(const Totals& other) {
      busy_seconds += other.busy_seconds;
      forwards += other.forwards;
      picture_steps += other.picture_steps;
      return *this;
    }
  };

  // The pool must outlive it.
  Gpu(std::string name, const Pool& pool, Batching batching, uint32_t room)
      : name_(std::move(name)), pool_(pool), batching_(batching), room_(room), rows_(pool.kinds.size(), 0) {}

  const std::string& name() const { return name_; }
  void Take(Picture picture, double now);
  // When there is something to Advance to; infinite while it has nothing to do.
  double next() const { return next_; }
  // REQUIRES: now is next()
  News Advance(double now);
  // What runs, with the steps it has taken by now.
  std::vector<Picture> Running(double now) const;
  // It gives back all it has; a step that is not done is lost.
  std::vector<Picture> HandBack(double now);

  // What it tells the server: how many pictures it takes now, and what a row takes at the model's own size
  // (0: not known), found as the engine finds it.
  uint32_t max_images() const;
  double RowSeconds() const;
  Totals TotalsAt(double now) const;

 private:
  // Rounds that have ended by then.
  double Rounds(double now) const;
  // So many rounds have passed.
  void Count(double rounds);
  void Admit(News& news);
  void Begin(double now);
  void Plan(double now);

  const std::string name_;
  const Pool& pool_;
  const Batching batching_;
  const uint32_t room_;
  std::vector<Picture> running_, waiting_;
  double began_ = 0;               // what runs now
  std::vector<uint32_t> of_kind_;  // how many of each kind run
  double round_ = 0;               // seconds
  double next_ = std::numeric_limits<double>::infinity();
  std::vector<double> rows_;  // seconds a row of each kind takes, smoothed; 0: not measured
  Totals totals_;
};

}  // namespace mind::simulation

#endif  // MIND_TESTS_BENCH_CLUSTER_GPU_H_
