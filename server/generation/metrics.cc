#include "server/generation/metrics.h"

namespace mind::server {
namespace {

const prometheus::Histogram::BucketBoundaries kLoopSeconds = {0.00001, 0.0001, 0.001, 0.01, 0.1, 1};

}  // namespace

ServerMetrics::ServerMetrics()
    : registry(std::make_shared<prometheus::Registry>()),
      requests_waiting(GaugeFamily(*registry, "mind_requests_waiting", "Jobs in the queue"), "model"),
      requests_running(GaugeFamily(*registry, "mind_requests_running", "Jobs on a worker"), "model"),
      waiting_steps(GaugeFamily(*registry, "mind_waiting_denoiser_steps",
                                "Denoiser steps that the jobs in the queue still need"),
                    "model"),
      waiting_seconds(GaugeFamily(*registry, "mind_waiting_work_seconds",
                                  "Estimated seconds of one worker that the jobs in the queue still need"),
                      "model"),
      running_seconds(GaugeFamily(*registry, "mind_running_work_seconds",
                                  "Estimated seconds of one worker that the jobs on workers still need"),
                      "model"),
      workers(GaugeFamily(*registry, "mind_workers", "Connected workers"), "state"),
      open_calls(GaugeFamily(*registry, "mind_server_open_calls",
                             "Streaming calls that have not ended, for clients and workers"),
                 "method"),
      store_synchronous(GaugeFamily(*registry, "mind_store_synchronous",
                                    "1 where what is accepted has reached it: a disk, a standby's"),
                        "with"),
      requests(CounterFamily(*registry, "mind_requests_total", "Jobs that have ended"), "outcome"),
      rejections(CounterFamily(*registry, "mind_request_rejections_total", "Requests that were refused"),
                 "reason"),
      refusals(CounterFamily(*registry, "mind_call_refusals_total",
                             "Calls that were not let in: their key, or what it allows"),
               "reason"),
      reports_refused(CounterFamily(*registry, "mind_worker_reports_refused_total",
                                    "What workers have said that was not taken"),
                      "reason"),
      images(CounterFamily(*registry, "mind_images_generated_total", "Finished pictures"), "model"),
      webhooks(CounterFamily(*registry, "mind_webhooks_total", "Ends of jobs that were to be told"),
               "outcome"),
      queue_seconds(HistogramFamily(*registry, "mind_request_queue_duration_seconds",
                                    "From acceptance to the first start"),
                    "model", kRequestSeconds),
      request_seconds(
          HistogramFamily(*registry, "mind_request_duration_seconds", "From acceptance to the end"), "model",
          kRequestSeconds),
      first_preview_seconds(HistogramFamily(*registry, "mind_time_to_first_preview_seconds",
                                            "From acceptance to the first preview"),
                            "model", kRequestSeconds),
      loop_held_seconds(HistogramFamily(*registry, "mind_loop_held_seconds",
                                        "How long one thing has held the thread that decides")
                            .Add({}, kLoopSeconds)),
      queue_capacity(GaugeFamily(*registry, "mind_queue_capacity", "Jobs the queue takes").Add({})),
      queue_bytes(
          GaugeFamily(*registry, "mind_queue_bytes", "What jobs that have not ended have brought").Add({})),
      queue_bytes_allowed(
          GaugeFamily(*registry, "mind_queue_bytes_allowed", "What those may have brought").Add({})),
      watchers(GaugeFamily(*registry, "mind_watchers", "Open event streams").Add({})),
      store_failing(GaugeFamily(*registry, "mind_store_failing",
                                "1 while the job store cannot be written and new jobs are refused")
                        .Add({})),
      lease_expirations(
          CounterFamily(*registry, "mind_lease_expirations_total", "Workers dropped for their silence")
              .Add({})),
      workers_lost(CounterFamily(*registry, "mind_workers_lost_total",
                                 "Workers whose stream ended while they had pictures to make")
                       .Add({})),
      stalls(CounterFamily(*registry, "mind_worker_stalls_total",
                           "Times a worker was given nothing more because a picture on it hung")
                 .Add({})),
      requeued(
          CounterFamily(*registry, "mind_jobs_requeued_total", "Jobs that went back to the queue").Add({})),
      resumed(CounterFamily(*registry, "mind_jobs_resumed_total", "Attempts that went on from a step above 0")
                  .Add({})),
      late_results(CounterFamily(*registry, "mind_late_results_total",
                                 "Pictures refused because their attempt was no longer the newest")
                       .Add({})),
      uploads_refused(CounterFamily(*registry, "mind_uploads_refused_total",
                                    "Pictures that workers had uploaded and were asked for all the same")
                          .Add({})),
      previews_sent(
          CounterFamily(*registry, "mind_previews_sent_total", "Previews sent to watchers").Add({})),
      previews_dropped(CounterFamily(*registry, "mind_previews_dropped_total",
                                     "Previews a watcher skipped because a newer one had come")
                           .Add({})) {
  GaugeFamily(*registry, "mind_build_info", "1; the version is in the label")
      .Add({{"version", MIND_VERSION}})
      .Set(1);
}

void ServerMetrics::Describe(const Dispatcher& dispatcher, size_t capacity) {
  queue_capacity.Set(static_cast<double>(capacity));
  std::map<std::string, JobQueue::Sum> waiting = dispatcher.queue().ByModel();
  std::map<std::string, int64_t> running = dispatcher.RunningByModel();
  std::map<std::string, double> left = dispatcher.RunningSeconds();
  const Fleet& fleet = dispatcher.fleet();
  described_.insert(fleet.known_models().begin(), fleet.known_models().end());
  for (const auto& [model, amount] : waiting) described_.insert(model);
  // Every model ever seen is set, so that a gauge falls back to 0.
  for (const std::string& model : described_) {
    waiting.try_emplace(model);
    running.try_emplace(model);
    left.try_emplace(model);
  }
  for (const auto& [model, amount] : waiting) {
    requests_waiting[model].Set(static_cast<double>(amount.jobs));
    waiting_steps[model].Set(static_cast<double>(amount.steps));
    waiting_seconds[model].Set(amount.cost_seconds);
  }
  for (const auto& [model, count] : running) requests_running[model].Set(static_cast<double>(count));
  for (const auto& [model, seconds] : left) running_seconds[model].Set(seconds);
  const Fleet::Census& census = fleet.census();
  workers["starting"].Set(static_cast<double>(census.starting));
  workers["ready"].Set(static_cast<double>(census.ready));
  workers["busy"].Set(static_cast<double>(census.busy));
  workers["draining"].Set(static_cast<double>(census.draining));
  workers["stuck"].Set(static_cast<double>(census.stuck));
}

}  // namespace mind::server
