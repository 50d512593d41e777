// Serves /metrics in Prometheus' text format.
#ifndef MIND_PROTO_SUPPORT_METRICS_ENDPOINT_H_
#define MIND_PROTO_SUPPORT_METRICS_ENDPOINT_H_

#include <prometheus/counter.h>
#include <prometheus/exposer.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "absl/status/statusor.h"

namespace mind {

class MetricsEndpoint {
 public:
  // `address` is HOST:PORT; port 0 picks a free one.
  static absl::StatusOr<std::unique_ptr<MetricsEndpoint>> Create(const std::string& address,
                                                                 std::shared_ptr<prometheus::Registry> registry);
  int port() const { return exposer_->GetListeningPorts().front(); }

 private:
  explicit MetricsEndpoint(std::unique_ptr<prometheus::Exposer> exposer) : exposer_(std::move(exposer)) {}

  std::unique_ptr<prometheus::Exposer> exposer_;
};

// The metrics of one family by the value of its one label, made on first use and kept (making them is slow).
// Thread-safe.
template <typename Metric, typename... Arguments>
class LabelledMetric {
 public:
  LabelledMetric(prometheus::Family<Metric>& family, std::string label, Arguments... arguments)
      : family_(family), label_(std::move(label)), arguments_(std::move(arguments)...) {}

  Metric& operator[](const std::string& value) {
    const std::lock_guard lock(mutex_);
    Metric*& metric = metrics_[value];
    if (metric == nullptr) {
      metric = std::apply(
          [&](const auto&... arguments) { return &family_.Add({{label_, value}}, arguments...); }, arguments_);
    }
    return *metric;
  }

 private:
  prometheus::Family<Metric>& family_;
  const std::string label_;
  const std::tuple<Arguments...> arguments_;
  std::mutex mutex_;
  std::map<std::string, Metric*> metrics_;  // guarded by mutex_
};

using LabelledCounter = LabelledMetric<prometheus::Counter>;
using LabelledGauge = LabelledMetric<prometheus::Gauge>;
using LabelledHistogram = LabelledMetric<prometheus::Histogram, prometheus::Histogram::BucketBoundaries>;

// Bucket bounds for durations of requests, in seconds, and for steps.
prometheus::Histogram::BucketBoundaries RequestSeconds();
prometheus::Histogram::BucketBoundaries StepSeconds();

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_METRICS_ENDPOINT_H_
