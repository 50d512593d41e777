#include "proto/support/otlp_exporter.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/labelled_metric.h"
#include "proto/support/logging.h"

namespace mind {
namespace {

namespace otlp = opentelemetry::proto::collector::trace::v1;

constexpr absl::Duration kLastWord = absl::Seconds(1);
constexpr absl::Duration kFirstPause = absl::Seconds(1), kLongestPause = absl::Seconds(8);

// What the protocol says may be sent again.
bool MayTryAgain(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDataLoss:
      return true;
    case absl::StatusCode::kResourceExhausted:
      return GetRetryDelay(status).has_value();
    default:
      return false;
  }
}

template <size_t N>
std::string Bytes(const std::array<uint8_t, N>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), N};
}

void Set(otlp::AnyValue& value, const std::string& text) {
  value.set_string_value(Printable(text, 4096));
}
void Set(otlp::AnyValue& value, int64_t number) {
  value.set_int_value(number);
}
void Set(otlp::AnyValue& value, double number) {
  value.set_double_value(number);
}
void Set(otlp::AnyValue& value, bool truth) {
  value.set_bool_value(truth);
}

template <typename Into>
void SetAttributes(const Span::Attributes& attributes, Into& into) {
  for (const auto& [name, value] : attributes) {
    otlp::KeyValue& pair = *into.add_attributes();
    pair.set_key(name);
    std::visit([&pair](const auto& one) { Set(*pair.mutable_value(), one); }, value);
  }
}

uint64_t Nanos(absl::Time time) {
  return static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixNanos(time), 0));
}

otlp::Span ToProto(const Span& span) {
  otlp::Span proto;
  proto.set_trace_id(Bytes(span.context.trace));
  proto.set_span_id(Bytes(span.context.span));
  if (span.parent) proto.set_parent_span_id(Bytes(span.parent->span));
  proto.set_trace_state(span.context.state);
  proto.set_flags(span.context.sampled ? 1 : 0);
  proto.set_name(span.name);
  proto.set_kind(static_cast<otlp::Span::SpanKind>(span.kind));
  proto.set_start_time_unix_nano(Nanos(span.start));
  proto.set_end_time_unix_nano(Nanos(std::max(span.end, span.start)));
  SetAttributes(span.attributes, proto);
  for (const Span::Event& event : span.events) {
    otlp::Span::Event& one = *proto.add_events();
    one.set_time_unix_nano(Nanos(event.time));
    one.set_name(event.name);
    SetAttributes(event.attributes, one);
  }
  if (!span.error.empty()) {
    proto.mutable_status()->set_code(otlp::Status::STATUS_CODE_ERROR);
    proto.mutable_status()->set_message(Printable(span.error, 1000));
  }
  return proto;
}

}  // namespace

absl::StatusOr<std::unique_ptr<OtlpExporter>> OtlpExporter::Start(
    const OtlpOptions& options, const std::shared_ptr<prometheus::Registry>& registry) {
  const auto credentials = MakeChannelCredentials(options.tls);
  if (!credentials.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the files of OTEL_EXPORTER_OTLP_…: ", credentials.status().message()));
  }
  return std::unique_ptr<OtlpExporter>(
      new OtlpExporter(options, grpc::CreateChannel(options.endpoint, *credentials), registry));
}

absl::StatusOr<std::unique_ptr<OtlpExporter>> OtlpExporter::FromEnvironment(
    const std::string& service, const std::shared_ptr<prometheus::Registry>& registry) {
  const absl::StatusOr<std::optional<OtlpOptions>> options = OtlpOptionsFromEnvironment(service);
  if (!options.ok()) return options.status();
  if (!options->has_value()) return nullptr;
  LogInfo("traces are exported", {{"endpoint", (*options)->endpoint}, {"tls", (*options)->tls.on}});
  return Start(**options, registry);
}

OtlpExporter::OtlpExporter(const OtlpOptions& options, const std::shared_ptr<grpc::Channel>& channel,
                           const std::shared_ptr<prometheus::Registry>& registry)
    : options_(options),
      stub_(Service::NewStub(channel)),
      exported_(CounterFamily(*registry, "mind_spans_exported_total", "Spans that the collector has taken")
                    .Add({})),
      dropped_(CounterFamily(*registry, "mind_spans_dropped_total", "Spans that the collector has not taken")
                   .Add({})),
      thread_([this] { Main(); }) {}

void OtlpExporter::Finish() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
    end_ = absl::Now() + kLastWord;
    // What was begun before that has a later end of its own.
    if (!mutex_.AwaitWithTimeout(absl::Condition(&done_), kLastWord) && call_ != nullptr) call_->TryCancel();
  }
  if (thread_.joinable()) thread_.join();
}

// The trace's last eight bytes as a number below 1: the same for all who see it.
bool OtlpExporter::Samples(const std::optional<TraceContext>& parent, const TraceContext& begun) const {
  if (parent && options_.parent_decides) return parent->sampled;
  uint64_t number = 0;
  for (size_t i = 8; i < 16; ++i) number = number << 8 | begun.trace[i];
  return static_cast<double>(number >> 11) < options_.ratio * static_cast<double>(uint64_t{1} << 53);
}

void OtlpExporter::Add(Span span) {
  {
    const absl::MutexLock lock(&mutex_);
    if (queue_.size() < options_.max_queue) return queue_.push_back(std::move(span));
  }
  dropped_.Increment();
}

void OtlpExporter::Main() {
  for (;;) {
    const std::vector<Span> spans = TakeBatch();
    if (!spans.empty()) Send(spans);
    const absl::MutexLock lock(&mutex_);
    if (!stopping_ || !queue_.empty()) continue;
    done_ = true;
    return;
  }
}

std::vector<Span> OtlpExporter::TakeBatch() {
  const absl::MutexLock lock(&mutex_);
  mutex_.AwaitWithTimeout(absl::Condition(this, &OtlpExporter::BatchOrStopping), options_.delay);
  const auto end = queue_.begin() + static_cast<std::ptrdiff_t>(std::min(queue_.size(), options_.max_batch));
  std::vector<Span> batch(std::make_move_iterator(queue_.begin()), std::make_move_iterator(end));
  queue_.erase(queue_.begin(), end);
  return batch;
}

OtlpExporter::Request OtlpExporter::RequestOf(const std::vector<Span>& spans) const {
  Request request;
  otlp::ResourceSpans& of_process = *request.add_resource_spans();
  Span::Attributes process;
  for (const auto& [name, value] : options_.resource) process.emplace_back(name, value);
  SetAttributes(process, *of_process.mutable_resource());
  otlp::ScopeSpans& scope = *of_process.add_scope_spans();
  scope.mutable_scope()->set_name("mind");
  scope.mutable_scope()->set_version(MIND_VERSION);
  for (const Span& span : spans) *scope.add_spans() = ToProto(span);
  return request;
}

void OtlpExporter::Send(const std::vector<Span>& spans) {
  const Request request = RequestOf(spans);
  const absl::Time give_up = absl::Now() + options_.timeout;
  for (absl::Duration pause = kFirstPause;; pause = std::min(pause * 2, kLongestPause)) {
    grpc::ClientContext context;
    {
      const absl::MutexLock lock(&mutex_);
      context.set_deadline(absl::ToChronoTime(std::min(give_up, end_)));
      call_ = &context;
    }
    if (options_.gzip) context.set_compression_algorithm(GRPC_COMPRESS_GZIP);
    for (const auto& [name, value] : options_.headers) context.AddMetadata(name, value);
    otlp::ExportTraceServiceResponse response;
    const absl::Status status = FromGrpc(stub_->Export(&context, request, &response));
    {
      const absl::MutexLock lock(&mutex_);
      call_ = nullptr;
    }
    if (status.ok()) {
      const int64_t rejected = response.partial_success().rejected_spans();
      exported_.Increment(static_cast<double>(static_cast<int64_t>(spans.size()) - rejected));
      dropped_.Increment(static_cast<double>(rejected));
      return;
    }
    pause = std::max(pause, GetRetryDelay(status).value_or(absl::ZeroDuration()));
    const absl::MutexLock lock(&mutex_);
    const bool again = MayTryAgain(status) && !stopping_ && absl::Now() + pause < give_up;
    if (again && !mutex_.AwaitWithTimeout(absl::Condition(&stopping_), pause)) continue;
    dropped_.Increment(static_cast<double>(spans.size()));
    LogWarning(
        "spans dropped: the collector has not taken them",
        {{"endpoint", options_.endpoint}, {"spans", spans.size()}, {"error", std::string(status.message())}});
    return;
  }
}

}  // namespace mind
