// The server's metrics, for autoscalers and people. Names and units: docs/operations/metrics.md.
#ifndef MIND_SERVER_GENERATION_METRICS_H_
#define MIND_SERVER_GENERATION_METRICS_H_

#include <prometheus/registry.h>

#include <memory>
#include <set>
#include <string>

#include "proto/support/labelled_metric.h"
#include "server/dispatch/dispatcher.h"

namespace mind::server {

// Counts one while it lives.
class OpenCall {
 public:
  explicit OpenCall(prometheus::Gauge& gauge) : gauge_(gauge) { gauge_.Increment(); }
  ~OpenCall() { gauge_.Decrement(); }
  OpenCall(const OpenCall&) = delete;
  OpenCall& operator=(const OpenCall&) = delete;

 private:
  prometheus::Gauge& gauge_;
};

// Thread-safe. Labels are methods, models, outcomes, reasons and states: never prompts, tenants or jobs.
struct ServerMetrics {
  ServerMetrics();

  // Sets the gauges that describe the present. Call from one thread.
  void Describe(const Dispatcher& dispatcher, size_t queue_capacity);

  std::shared_ptr<prometheus::Registry> registry;

  LabelledGauge requests_waiting;           // model
  LabelledGauge requests_running;           // model
  LabelledGauge waiting_steps;              // model
  LabelledGauge waiting_seconds;            // model
  LabelledGauge running_seconds;            // model
  LabelledGauge workers;                    // state
  LabelledGauge open_calls;                 // method
  LabelledGauge store_synchronous;          // with
  LabelledCounter requests;                 // outcome
  LabelledCounter rejections;               // reason
  LabelledCounter refusals;                 // reason
  LabelledCounter reports_refused;          // reason
  LabelledCounter images;                   // model
  LabelledCounter webhooks;                 // outcome
  LabelledHistogram queue_seconds;          // model
  LabelledHistogram request_seconds;        // model
  LabelledHistogram first_preview_seconds;  // model
  prometheus::Histogram& loop_held_seconds;
  prometheus::Gauge& queue_capacity;
  prometheus::Gauge& queue_bytes;
  prometheus::Gauge& queue_bytes_allowed;
  prometheus::Gauge& watchers;
  prometheus::Gauge& store_failing;
  prometheus::Counter& lease_expirations;
  prometheus::Counter& workers_lost;
  prometheus::Counter& stalls;
  prometheus::Counter& requeued;
  prometheus::Counter& resumed;
  prometheus::Counter& late_results;
  prometheus::Counter& uploads_refused;
  prometheus::Counter& previews_sent;
  prometheus::Counter& previews_dropped;

 private:
  std::set<std::string> described_;  // models; Describe's
};

}  // namespace mind::server

#endif  // MIND_SERVER_GENERATION_METRICS_H_
