// Sends spans to a collector, over OTLP/gRPC.
#ifndef MIND_PROTO_SUPPORT_OTLP_EXPORTER_H_
#define MIND_PROTO_SUPPORT_OTLP_EXPORTER_H_

#include <grpcpp/grpcpp.h>
#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <deque>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"
#include "proto/support/otlp_options.h"
#include "proto/support/span.h"

namespace mind {

// Thread-safe. One thread of its own gathers and sends; nobody else waits for the collector. What it does not
// take in time, and what does not fit while it does not, is dropped and counted.
class OtlpExporter : public SpanSink {
 public:
  static absl::StatusOr<std::unique_ptr<OtlpExporter>> Start(
      const OtlpOptions& options, const std::shared_ptr<prometheus::Registry>& registry);
  // As the environment says; null, where it says nothing.
  static absl::StatusOr<std::unique_ptr<OtlpExporter>> FromEnvironment(
      const std::string& service, const std::shared_ptr<prometheus::Registry>& registry);
  ~OtlpExporter() override { Finish(); }
  // Sends what there is, if that is taken within a second or two; what comes later is not sent.
  void Finish() ABSL_LOCKS_EXCLUDED(mutex_);

  bool Samples(const std::optional<TraceContext>& parent, const TraceContext& begun) const override;
  void Add(Span span) override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  using Service = opentelemetry::proto::collector::trace::v1::TraceService;
  using Request = opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;

  OtlpExporter(const OtlpOptions& options, const std::shared_ptr<grpc::Channel>& channel,
               const std::shared_ptr<prometheus::Registry>& registry);
  void Main() ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<Span> TakeBatch() ABSL_LOCKS_EXCLUDED(mutex_);
  Request RequestOf(const std::vector<Span>& spans) const;
  void Send(const std::vector<Span>& spans) ABSL_LOCKS_EXCLUDED(mutex_);
  bool BatchOrStopping() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || queue_.size() >= options_.max_batch;
  }

  const OtlpOptions options_;
  const std::unique_ptr<Service::Stub> stub_;
  prometheus::Counter& exported_;
  prometheus::Counter& dropped_;
  absl::Mutex mutex_;
  std::deque<Span> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;                        // the thread has nothing more to do
  grpc::ClientContext* call_ ABSL_GUARDED_BY(mutex_) = nullptr;      // under way
  absl::Time end_ ABSL_GUARDED_BY(mutex_) = absl::InfiniteFuture();  // of all tries; set when stopping
  std::thread thread_;
};

}  // namespace mind

#endif  // MIND_PROTO_SUPPORT_OTLP_EXPORTER_H_
