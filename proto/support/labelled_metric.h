// Metrics by the value of their one label.
#ifndef MIND_PROTO_SUPPORT_LABELLED_METRIC_H_
#define MIND_PROTO_SUPPORT_LABELLED_METRIC_H_

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <tuple>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace mind {

// The metrics of one family, each made on first use and kept (making them is slow). Thread-safe.
template <typename Metric, typename... Arguments>
class LabelledMetric {
 public:
  LabelledMetric(prometheus::Family<Metric>& family, std::string label, Arguments... arguments)
      : family_(family), label_(std::move(label)), arguments_(std::move(arguments)...) {}

  Metric& operator[](const std::string& value) {
    const absl::MutexLock lock(&mutex_);
    Metric*& metric = metrics_[value];
    if (metric == nullptr) {
      metric = std::apply(
          [&](const auto&... arguments) {
            return &family_.Add({{label_, value}}, arguments...);
          },
          arguments_);
    }
    return *metric;
  }

 private:
  prometheus::Family<Metric>& family_;
  const std::string label_;
  const std::tuple<Arguments...> arguments_;
  absl::Mutex mutex_;
  std::map<std::string, Metric*> metrics_ ABSL_GUARDED_BY(mutex_);
};

using LabelledCounter = LabelledMetric<prometheus::Counter>;
using LabelledGauge = LabelledMetric<prometheus::Gauge>;
using LabelledHistogram = LabelledMetric<prometheus::Histogram, prometheus::Histogram::BucketBoundaries>;

// Families of a registry, in one word each.
inline prometheus::Family<prometheus::Gauge>& GaugeFamily(prometheus::Registry& r, const char* name,
                                                          const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(r);
}
inline prometheus::Family<prometheus::Counter>& CounterFamily(prometheus::Registry& r, const char* name,
                                                              const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(r);
}
inline prometheus::Family<prometheus::Histogram>& HistogramFamily(prometheus::Registry& r, const char* name,
                                                                  const char* help) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(r);
}

// Bucket bounds, in seconds, for requests and for denoiser steps.
inline const prometheus::Histogram::BucketBoundaries kRequestSeconds = {
    0.01, 0.03, 0.1, 0.3, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 240, 480, 960, 1920};
inline const prometheus::Histogram::BucketBoundaries kStepSeconds = {
    0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_LABELLED_METRIC_H_
