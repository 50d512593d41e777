// A collector of traces, which a test's processes export to and which a test asks.
#ifndef MIND_TESTS_SUPPORT_TRACE_COLLECTOR_H_
#define MIND_TESTS_SUPPORT_TRACE_COLLECTOR_H_

#include <grpcpp/grpcpp.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.grpc.pb.h"

namespace mind::support {

// Thread-safe.
class TraceCollector : private opentelemetry::proto::collector::trace::v1::TraceService::Service {
 public:
  using Request = opentelemetry::proto::collector::trace::v1::ExportTraceServiceRequest;
  using Response = opentelemetry::proto::collector::trace::v1::ExportTraceServiceResponse;
  using Span = opentelemetry::proto::collector::trace::v1::Span;

  struct Collected {
    std::string service;  // service.name
    Span span;
  };

  TraceCollector() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~TraceCollector() override {
    Release();
    server_->Shutdown();
  }

  std::string address() const { return absl::StrCat("127.0.0.1:", port_); }
  std::string endpoint() const { return absl::StrCat("http://", address()); }

  // From now on calls are answered so.
  void AnswerWith(grpc::Status status, int64_t rejected = 0) {
    const absl::MutexLock lock(&mutex_);
    status_ = std::move(status);
    rejected_ = rejected;
  }
  // From now on calls are answered when they are let go.
  void Hold() {
    const absl::MutexLock lock(&mutex_);
    held_ = true;
  }
  void Release() {
    const absl::MutexLock lock(&mutex_);
    held_ = false;
  }
  // Until so many calls have come.
  void AwaitCalls(int calls) const {
    const absl::MutexLock lock(&mutex_);
    const auto come = [this, calls]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return calls_ >= calls; };
    mutex_.Await(absl::Condition(&come));
  }
  std::vector<Collected> Spans() const {
    const absl::MutexLock lock(&mutex_);
    return spans_;
  }
  // Of the last call.
  std::string Header(const std::string& name) const {
    const absl::MutexLock lock(&mutex_);
    const auto found = headers_.find(name);
    return found == headers_.end() ? "" : found->second;
  }

 private:
  grpc::Status Export(grpc::ServerContext* context, const Request* request, Response* response) override {
    const absl::MutexLock lock(&mutex_);
    ++calls_;
    headers_.clear();
    for (const auto& [name, value] : context->client_metadata()) {
      headers_[std::string(name.data(), name.size())] = std::string(value.data(), value.size());
    }
    const auto released = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !held_; };
    mutex_.Await(absl::Condition(&released));
    if (!status_.ok()) return status_;
    response->mutable_partial_success()->set_rejected_spans(rejected_);
    for (const auto& process : request->resource_spans()) {
      std::string service;
      for (const auto& attribute : process.resource().attributes()) {
        if (attribute.key() == "service.name") service = attribute.value().string_value();
      }
      for (const auto& scope : process.scope_spans()) {
        for (const Span& span : scope.spans()) spans_.push_back({service, span});
      }
    }
    return grpc::Status::OK;
  }

  int port_ = 0;
  mutable absl::Mutex mutex_;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
  int64_t rejected_ ABSL_GUARDED_BY(mutex_) = 0;
  bool held_ ABSL_GUARDED_BY(mutex_) = false;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, std::string> headers_ ABSL_GUARDED_BY(mutex_);
  std::vector<Collected> spans_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace mind::support

#endif  // MIND_TESTS_SUPPORT_TRACE_COLLECTOR_H_
