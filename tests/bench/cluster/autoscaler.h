// How many workers a pool should have: Kubernetes' HorizontalPodAutoscaler for one external metric with a
// target a replica, as KEDA makes it of a ScaledObject.
//
// Source: kubernetes, pkg/controller/podautoscaler (replica_calculator.go, horizontal.go): within a tenth of
// the target nothing changes; fewer are wanted only if they were all through a window; a change is limited by
// what changed in the last period. Plain state.
#ifndef MIND_TESTS_BENCH_CLUSTER_AUTOSCALER_H_
#define MIND_TESTS_BENCH_CLUSTER_AUTOSCALER_H_

#include <deque>

namespace mind::simulation {

class Autoscaler {
 public:
  // How many may come or go within a period: so many or that share of all, whichever is more.
  struct Limit {
    int pods = 0;
    double share = 0;
    double seconds = 60;
  };
  struct Options {
    double target = 30;  // of the metric, a replica
    int min = 1;
    int max = 1;
    double tolerance = 0.1;
    double down_window = 300;  // seconds
    Limit up = {.pods = 4, .share = 1, .seconds = 15};
    Limit down = {.pods = 1, .share = 0, .seconds = 60};
  };

  explicit Autoscaler(const Options& options) : options_(options) {}

  // How many there should be now, where there are `current` and the metric is so much in all. It is taken to
  // be done. Times are seconds, and rise.
  int Wanted(double metric, int current, double now);

 private:
  struct At {
    double when = 0;
    int replicas = 0;
  };

  int ByMetric(double metric, int current) const;
  // What has come (up) or gone within the period.
  static int Changed(std::deque<At>& changes, const Limit& limit, double now);

  const Options options_;
  std::deque<At> wanted_;  // within the window
  std::deque<At> came_, went_;
};

}  // namespace mind::simulation

#endif  // MIND_TESTS_BENCH_CLUSTER_AUTOSCALER_H_
