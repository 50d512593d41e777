#include "worker/link/metrics.h"

#include <torch/version.h>

#include "proto/support/logging.h"

namespace mind {
namespace {

const prometheus::Histogram::BucketBoundaries kSizes = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64};

}  // namespace

WorkerMetrics::WorkerMetrics()
    : registry(std::make_shared<prometheus::Registry>()),
      batch_size_(HistogramFamily(*registry, "mind_batch_size", "Trajectories that shared a step batch"),
                  "model", kSizes),
      batch_rows_(HistogramFamily(*registry, "mind_batch_rows", "Denoiser rows in a step batch"), "model",
                  kSizes),
      step_seconds_(HistogramFamily(*registry, "mind_denoise_step_duration_seconds", "One step batch"),
                    "model", kStepSeconds),
      steps_(CounterFamily(*registry, "mind_denoise_steps_total", "Evaluations, summed over trajectories"),
             "model"),
      forward_seconds_(
          CounterFamily(*registry, "mind_denoise_forward_seconds_total", "Time in the denoiser's forward"),
          "model"),
      overhead_seconds_(CounterFamily(*registry, "mind_denoise_overhead_seconds_total",
                                      "Time of the step thread outside the forward, while there was work"),
                        "model"),
      out_of_memory_(
          CounterFamily(*registry, "mind_worker_out_of_memory_total",
                        "Batches of steps that there was no memory for, run again in smaller parts"),
          "model"),
      load_seconds_(
          GaugeFamily(*registry, "mind_worker_model_load_duration_seconds", "The last load of a model"),
          "model"),
      connected(
          GaugeFamily(*registry, "mind_worker_connected", "1 while the stream to the server stands").Add({})),
      models_unloaded(CounterFamily(*registry, "mind_worker_models_unloaded_total",
                                    "Models that gave way to others in memory")
                          .Add({})),
      weight_bytes(
          GaugeFamily(*registry, "mind_worker_weight_bytes",
                      "Models' weights in memory (tensors of 4096 numbers and more); what several have in "
                      "common counts once")
              .Add({})),
      running_images(GaugeFamily(*registry, "mind_worker_running_images", "Pictures being made").Add({})),
      images(CounterFamily(*registry, "mind_worker_images_total", "Pictures finished").Add({})),
      failures(CounterFamily(*registry, "mind_worker_image_failures_total", "Pictures that could not be made")
                   .Add({})),
      resumed(CounterFamily(*registry, "mind_worker_resumed_images_total",
                            "Pictures that went on from a checkpoint")
                  .Add({})),
      reconnects(
          CounterFamily(*registry, "mind_worker_reconnects_total", "Attempts to reach the server").Add({})),
      checkpoints(CounterFamily(*registry, "mind_worker_checkpoints_sent_total", "Checkpoints sent").Add({})),
      previews(CounterFamily(*registry, "mind_worker_previews_sent_total", "Previews sent").Add({})),
      previews_dropped(CounterFamily(*registry, "mind_worker_previews_dropped_total",
                                     "Previews dropped because a newer one had come")
                           .Add({})),
      results_resent(CounterFamily(*registry, "mind_worker_results_resent_total",
                                   "Finished pictures sent again, on the stream after a broken one")
                         .Add({})),
      uploads(CounterFamily(*registry, "mind_worker_uploads_total",
                            "Finished pictures put where the server had said")
                  .Add({})),
      upload_failures(CounterFamily(*registry, "mind_worker_upload_failures_total",
                                    "Finished pictures that could not be put there and went to the server")
                          .Add({})) {
  GaugeFamily(*registry, "mind_build_info", "1; the version is in the label")
      .Add({{"version", MIND_VERSION}})
      .Set(1);
}

void WorkerMetrics::OnDevice(const std::string& device, const std::string& precision) {
  GaugeFamily(*registry, "mind_worker_device_info",
              "1; what networks are computed on, in which precision and by which LibTorch is in the labels")
      .Add({{"device", device}, {"precision", precision}, {"libtorch", TORCH_VERSION}})
      .Set(1);
}

void WorkerMetrics::OnCheckpointFailed(const std::string& reason) {
  LogWarning("checkpoint not made", {{"error", reason}});
}

void WorkerMetrics::OnOutOfMemory(const std::string& model, size_t rows, size_t fits) {
  out_of_memory_[model].Increment();
  LogWarning("out of memory in a step: it is run again in smaller parts",
             {{"model", model}, {"rows", rows}, {"rows_at_once", fits}});
}

void WorkerMetrics::OnBatch(const Batch& batch) {
  batch_size_[batch.model].Observe(static_cast<double>(batch.trajectories));
  batch_rows_[batch.model].Observe(static_cast<double>(batch.rows));
  step_seconds_[batch.model].Observe(batch.total_seconds);
  steps_[batch.model].Increment(static_cast<double>(batch.trajectories));
  forward_seconds_[batch.model].Increment(batch.forward_seconds);
  overhead_seconds_[batch.model].Increment(std::max(batch.total_seconds - batch.forward_seconds, 0.0));
  const absl::MutexLock lock(&mutex_);
  rate_.Note(batch.trajectories, batch.rows, std::chrono::steady_clock::now());
}

StepRate::Rate WorkerMetrics::steps_now() const {
  const absl::MutexLock lock(&mutex_);
  return rate_.At(std::chrono::steady_clock::now());
}

}  // namespace mind
