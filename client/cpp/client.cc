#include "client/cpp/client.h"

#include <chrono>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "proto/support/errors.h"
#include "proto/support/message_size.h"
#include "proto/support/time.h"

namespace mind::client {
namespace {

constexpr absl::Duration kRetryPause = absl::Milliseconds(200);

std::shared_ptr<grpc::Channel> MakeChannel(const Client::Options& options) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  // A stream whose other end is gone without a word ends after a while, instead of waiting for ever.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 2000);  // how long a try may take on a busy machine
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return grpc::CreateCustomChannel(
      options.server,
      options.credentials != nullptr ? options.credentials : grpc::InsecureChannelCredentials(), arguments);
}

// 32 random hexadecimal digits.
std::string NewRequestId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i)
    absl::StrAppend(&id, absl::Hex(static_cast<uint32_t>(random()), absl::kZeroPad8));
  return id;
}

}  // namespace

Client::Client(const Options& options)
    : options_(options),
      channel_(MakeChannel(options)),
      stub_(v1::GenerationService::NewStub(channel_)),
      keys_(v1::KeyService::NewStub(channel_)) {}

void Client::Prepare(grpc::ClientContext& context, absl::Duration timeout) const {
  if (!options_.tenant.empty()) context.AddMetadata("mind-tenant", options_.tenant);
  if (!options_.key.empty()) context.AddMetadata("authorization", "Bearer " + options_.key);
  if (timeout != absl::InfiniteDuration()) {
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
  }
}

template <typename Response, typename Request, typename Stub>
absl::StatusOr<Response> Client::Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                                   Response*),
                                      const Request& request) {
  grpc::ClientContext context;
  Prepare(context, options_.timeout);
  Response response;
  const grpc::Status status =
      (StubOf(static_cast<const Stub*>(nullptr)).*method)(&context, request, &response);
  if (!status.ok()) return FromGrpc(status);
  return response;
}

template <typename Response>
absl::StatusOr<v1::Job> Client::Follow(grpc::ClientReader<Response>& reader, const Handlers& handlers,
                                       Followed& followed) {
  std::map<uint32_t, Picture> pictures;
  v1::Job job;
  Response response;
  while (reader.Read(&response)) {
    v1::JobEvent& event = *response.mutable_event();
    if (event.job_id() != followed.job_id) followed = {.job_id = event.job_id()};
    followed.last_news = absl::Now();
    if (event.has_completed()) job = event.completed().job();
    if (event.sequence() <= followed.sequence) continue;
    if (!event.has_image()) {
      followed.completed = event.has_completed();
      followed.sequence = event.sequence();
      if (handlers.event) handlers.event(event);
      continue;
    }
    v1::ImageChunk& chunk = *event.mutable_image();
    Picture& picture = pictures[chunk.image_index()];
    picture.index = chunk.image_index();
    picture.seed = chunk.seed();
    picture.media_type = chunk.media_type();
    picture.data += chunk.data();
    if (!chunk.last()) continue;
    followed.sequence = event.sequence();  // a picture broken off in the middle is asked for again
    if (handlers.picture) handlers.picture(std::move(picture));
    pictures.erase(chunk.image_index());
  }
  const grpc::Status status = reader.Finish();
  if (!status.ok()) return FromGrpc(status);
  if (job.id().empty()) return absl::UnavailableError("the stream ended before the job");
  return job;
}

bool Client::TryAgain(const absl::Status& status, const Followed& followed, absl::Duration patience) {
  if (!absl::IsUnavailable(status) || followed.completed) return false;
  if (absl::Now() - followed.last_news > patience) return false;
  absl::SleepFor(kRetryPause);
  return true;
}

// Registers the context for Stop() while a stream runs.
class Client::Streaming {
 public:
  Streaming(Client& client, grpc::ClientContext& context) : client_(client), context_(context) {
    const absl::MutexLock lock(&client_.mutex_);
    client_.streaming_.insert(&context);
    if (client_.stopped_) context.TryCancel();
  }
  ~Streaming() {
    const absl::MutexLock lock(&client_.mutex_);
    client_.streaming_.erase(&context_);
  }
  Streaming(const Streaming&) = delete;
  Streaming& operator=(const Streaming&) = delete;

 private:
  Client& client_;
  grpc::ClientContext& context_;
};

absl::StatusOr<v1::Job> Client::Generate(const v1::JobRequest& request, const Handlers& handlers,
                                         absl::Duration patience) {
  v1::GenerateImageRequest message;
  *message.mutable_job() = request;
  if (request.request_id().empty()) message.mutable_job()->set_request_id(NewRequestId());
  Followed followed;
  for (;;) {
    grpc::ClientContext context;
    Prepare(context, absl::InfiniteDuration());
    const Streaming streaming(*this, context);
    const auto reader = stub_->GenerateImage(&context, message);
    absl::StatusOr<v1::Job> job = Follow(*reader, handlers, followed);
    // Before it is accepted there is nothing to be lost.
    if (job.ok() || followed.job_id.empty() || !TryAgain(job.status(), followed, patience)) return job;
  }
}

absl::StatusOr<v1::Job> Client::Watch(const std::string& id, const Handlers& handlers,
                                      uint64_t after_sequence, absl::Duration patience) {
  Followed followed{.job_id = id, .sequence = after_sequence, .last_news = absl::Now()};
  for (;;) {
    v1::WatchJobRequest message;
    message.set_id(id);
    message.set_after_sequence(followed.sequence);
    grpc::ClientContext context;
    Prepare(context, absl::InfiniteDuration());
    const Streaming streaming(*this, context);
    const auto reader = stub_->WatchJob(&context, message);
    absl::StatusOr<v1::Job> job = Follow(*reader, handlers, followed);
    if (job.ok() || !TryAgain(job.status(), followed, patience)) return job;
  }
}

void Client::Stop() {
  const absl::MutexLock lock(&mutex_);
  stopped_ = true;
  for (grpc::ClientContext* const context : streaming_) context->TryCancel();
}

absl::StatusOr<v1::Job> Client::Create(const v1::JobRequest& request) {
  v1::CreateJobRequest message;
  *message.mutable_job() = request;
  const auto response = Call(&v1::GenerationService::Stub::CreateJob, message);
  if (!response.ok()) return response.status();
  return response->job();
}

absl::StatusOr<v1::CreateJobResponse> Client::Check(const v1::JobRequest& request) {
  v1::CreateJobRequest message;
  *message.mutable_job() = request;
  message.set_validate_only(true);
  return Call(&v1::GenerationService::Stub::CreateJob, message);
}

absl::StatusOr<v1::Job> Client::Get(const std::string& id) {
  v1::GetJobRequest message;
  message.set_id(id);
  const auto response = Call(&v1::GenerationService::Stub::GetJob, message);
  if (!response.ok()) return response.status();
  return response->job();
}

absl::StatusOr<v1::Job> Client::Cancel(const std::string& id) {
  v1::CancelJobRequest message;
  message.set_id(id);
  const auto response = Call(&v1::GenerationService::Stub::CancelJob, message);
  if (!response.ok()) return response.status();
  return response->job();
}

absl::StatusOr<v1::Job> Client::Delete(const std::string& id) {
  v1::DeleteJobRequest message;
  message.set_id(id);
  const auto response = Call(&v1::GenerationService::Stub::DeleteJob, message);
  if (!response.ok()) return response.status();
  return response->job();
}

absl::StatusOr<v1::GetImageResponse> Client::GetImage(const std::string& id, uint32_t index) {
  v1::GetImageRequest message;
  message.set_id(id);
  message.set_image_index(index);
  return Call(&v1::GenerationService::Stub::GetImage, message);
}

absl::StatusOr<std::vector<v1::Job>> Client::List(uint32_t limit, v1::JobState state) {
  v1::ListJobsRequest message;
  message.set_page_size(limit);
  message.set_state(state);
  return List(message);
}

absl::StatusOr<std::vector<v1::Job>> Client::List(const v1::ListJobsRequest& request) {
  const auto response = Call(&v1::GenerationService::Stub::ListJobs, request);
  if (!response.ok()) return response.status();
  return std::vector<v1::Job>(response->jobs().begin(), response->jobs().end());
}

absl::StatusOr<std::vector<v1::Model>> Client::Models() {
  const auto response = Call(&v1::GenerationService::Stub::ListModels, v1::ListModelsRequest());
  if (!response.ok()) return response.status();
  return std::vector<v1::Model>(response->models().begin(), response->models().end());
}

absl::StatusOr<v1::ListSamplersResponse> Client::Samplers(const std::string& model) {
  v1::ListSamplersRequest message;
  message.set_model(model);
  return Call(&v1::GenerationService::Stub::ListSamplers, message);
}

absl::StatusOr<std::vector<v1::Worker>> Client::Workers() {
  const auto response = Call(&v1::GenerationService::Stub::ListWorkers, v1::ListWorkersRequest());
  if (!response.ok()) return response.status();
  return std::vector<v1::Worker>(response->workers().begin(), response->workers().end());
}

absl::StatusOr<std::vector<v1::Usage>> Client::Usage(const v1::ListUsageRequest& request) {
  const auto response = Call(&v1::GenerationService::Stub::ListUsage, request);
  if (!response.ok()) return response.status();
  return std::vector<v1::Usage>(response->usage().begin(), response->usage().end());
}

absl::StatusOr<v1::CreateKeyResponse> Client::CreateKey(const v1::ApiKey& key) {
  v1::CreateKeyRequest message;
  *message.mutable_key() = key;
  return Call(&v1::KeyService::Stub::CreateKey, message);
}

absl::StatusOr<std::vector<v1::ApiKey>> Client::ListKeys(const std::string& tenant) {
  v1::ListKeysRequest message;
  message.set_tenant(tenant);
  const auto response = Call(&v1::KeyService::Stub::ListKeys, message);
  if (!response.ok()) return response.status();
  return std::vector<v1::ApiKey>(response->keys().begin(), response->keys().end());
}

absl::StatusOr<v1::RotateKeyResponse> Client::RotateKey(const std::string& id, absl::Duration overlap) {
  v1::RotateKeyRequest message;
  message.set_id(id);
  *message.mutable_overlap() = ToDuration(overlap);
  return Call(&v1::KeyService::Stub::RotateKey, message);
}

absl::StatusOr<v1::ApiKey> Client::RevokeKey(const std::string& id) {
  v1::RevokeKeyRequest message;
  message.set_id(id);
  const auto response = Call(&v1::KeyService::Stub::RevokeKey, message);
  if (!response.ok()) return response.status();
  return response->key();
}

absl::Status Client::SetTenantLimits(const std::string& tenant, const v1::TenantLimits& limits) {
  v1::SetTenantLimitsRequest message;
  message.set_tenant(tenant);
  *message.mutable_limits() = limits;
  return Call(&v1::KeyService::Stub::SetTenantLimits, message).status();
}

}  // namespace mind::client
