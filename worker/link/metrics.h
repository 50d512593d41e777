// The worker's metrics. Names and units: docs/operations/metrics.md.
#ifndef MIND_WORKER_LINK_METRICS_H_
#define MIND_WORKER_LINK_METRICS_H_

#include <prometheus/registry.h>

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "proto/support/labelled_metric.h"
#include "worker/diffusion/engine/engine.h"
#include "worker/link/step_rate.h"

namespace mind {

// Thread-safe.
class WorkerMetrics : public diffusion::EngineMeter {
 public:
  WorkerMetrics();

  void OnBatch(const Batch& batch) override;
  void OnPreviewDropped() override { previews_dropped.Increment(); }
  void OnOutOfMemory(const std::string& model, size_t rows, size_t fits) override;
  void OnCheckpointFailed(const std::string& reason) override;
  // To be told once: what it computes on, and in which precision.
  void OnDevice(const std::string& device, const std::string& precision);
  // Of all models, of late.
  StepRate::Rate steps_now() const;
  void OnModelLoaded(const std::string& model, double seconds) { load_seconds_[model].Set(seconds); }

  std::shared_ptr<prometheus::Registry> registry;

 private:
  LabelledHistogram batch_size_;      // model
  LabelledHistogram batch_rows_;      // model
  LabelledHistogram step_seconds_;    // model
  LabelledCounter steps_;             // model
  LabelledCounter forward_seconds_;   // model
  LabelledCounter overhead_seconds_;  // model
  LabelledCounter out_of_memory_;     // model
  LabelledGauge load_seconds_;        // model
  mutable absl::Mutex mutex_;
  StepRate rate_ ABSL_GUARDED_BY(mutex_);

 public:
  prometheus::Gauge& connected;
  prometheus::Counter& models_unloaded;
  prometheus::Gauge& weight_bytes;
  prometheus::Gauge& running_images;
  prometheus::Counter& images;
  prometheus::Counter& failures;
  prometheus::Counter& resumed;
  prometheus::Counter& reconnects;
  prometheus::Counter& checkpoints;
  prometheus::Counter& previews;
  prometheus::Counter& previews_dropped;
  prometheus::Counter& results_resent;
  prometheus::Counter& uploads;
  prometheus::Counter& upload_failures;
};

}  // namespace mind

#endif  // MIND_WORKER_LINK_METRICS_H_
